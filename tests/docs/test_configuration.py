"""The page on the configuration says what the code does, and every example on it loads."""

from __future__ import annotations

import re
import runpy
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from objectwise.config import load_config, parse_config
from objectwise.config.models import SPEED_KEYS
from objectwise.data.formats.common import parse_location
from tests.conftest import CHECKOUT
from tests.docs.fences import blocks_of

PAGE = CHECKOUT / "docs" / "configuration.md"
EXAMPLES = sorted((CHECKOUT / "examples").glob("*.yaml"))


def command_lines(text: str) -> list[list[str]]:
    """Return the `objectwise run` commands of a text, wherever they are indented or commented."""
    return [
        shlex.split(line) for line in re.findall(r"^[# ]* {4}(objectwise run .*?)(?:  #.*)?$", text, re.M)
    ]


def overrides_of(command: list[str]) -> list[str]:
    return [value for option, value in pairwise(command) if option == "--set"]


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OBJECTWISE_SHARED", str(tmp_path))
    monkeypatch.setenv("DATA", str(tmp_path))


@pytest.fixture(scope="module")
def maker() -> dict[str, object]:
    return runpy.run_path(str(CHECKOUT / "docs" / "make_configuration.py"))


def test_page_is_what_the_models_make(maker):
    made = maker["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run: python docs/make_configuration.py"


def test_page_marks_exactly_the_keys_that_may_change_on_resume():
    marked = re.findall(r"^\| `([^`]*)`\* \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(marked) == sorted(SPEED_KEYS)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, "integer > 0"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "integer ≥ 1"),
        ({"enum": [2, 3], "type": "integer"}, "`2` or `3`"),
        ({"items": {"items": {"type": "integer"}}, "minItems": 1}, "list of lists of integers, at least 1"),
        ({"prefixItems": [{"type": "integer"}, {"type": "number", "maximum": 1}]}, "[integer, number ≤ 1]"),
    ],
)
def test_type_is_said_in_words(maker, field: dict[str, object], words: str):
    assert maker["_type"](field) == words


def make_source(example: Path, folder: Path) -> None:
    """Make an empty file for each case that an example's split names, where its patterns look for it."""
    data = yaml.safe_load(example.read_text(encoding="utf-8"))["data"]
    names = [name for group in data.get("split", {}).values() for name in group]
    for pattern in data.get("source", {}).values():
        place = folder / pattern.partition("}/")[2]
        place.parent.mkdir(parents=True, exist_ok=True)
        for name in names:
            place.with_name(place.name.replace("*", str(name))).touch()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_loads_and_reads_its_folder_from_the_environment(example: Path, tmp_path: Path):
    make_source(example, tmp_path)
    config = load_config(example)
    for volume in (*config.data.train, *config.data.tune, *config.data.evaluate):
        for place in volume.places("raw"):
            assert parse_location(place).path.is_relative_to(tmp_path)
    for command in command_lines(example.read_text(encoding="utf-8")):
        load_config(example, overrides_of(command))


def test_overrides_on_the_page_apply_to_its_first_example():
    applied = [overrides_of(command) for command in command_lines(PAGE.read_text(encoding="utf-8"))]
    assert any(applied)
    for overrides in applied:
        parse_config(blocks_of(PAGE, "yaml")[0], overrides)


def test_variable_on_the_page_falls_back_on_its_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATA")
    with_variables = blocks_of(PAGE, "yaml")[1]
    assert parse_config(with_variables).data.train[0].raw == "../data/stack.tif"


def test_locations_on_the_page_have_the_format_it_says():
    section = PAGE.read_text(encoding="utf-8").split("## Where volumes lie")[1].split("##")[0]
    rows = re.findall(r"^\| `([^`]*)` \| (.*) \|$", section, re.MULTILINE)
    assert {parse_location(location).format for location, _ in rows} == {
        "HDF5", "Zarr", "TIFF", "PNG", "PNG folder", "NIfTI",
    }  # fmt: skip
    for location, text in rows:
        kind = parse_location(location).format
        assert ("folder of PNGs" if kind == "PNG folder" else kind) in text
