"""What pyproject.toml states, docs/dependencies.md explains, requirements.lock pins and src imports is the same."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from tests.conftest import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STATED = {"base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
MODULES = {
    "bioimage-cpp": "bioimage_cpp",
    "connected-components-3d": "cc3d",
    "pillow": "PIL",
    "PyYAML": "yaml",
}
IMPORTED_BY_OTHERS = {
    "tensorboard": "Lightning's logger writes its event files through it",
}


def names(extra: str) -> list[str]:
    """Return the distributions that an extra states, without ranges and without ourselves."""
    found = [re.match(r"[\w.-]+", requirement)[0] for requirement in STATED[extra]]
    return [name for name in found if name != "objectwise"]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_modules() -> set[str]:
    """Return the top-level names of every import in src, wherever it stands."""
    found = set()
    for file in (CHECKOUT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("extra", STATED)
def test_every_dependency_has_its_line_in_the_docs(extra: str):
    page = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    title = "Base install" if extra == "base" else f"`objectwise[{extra}]`"
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)
    explained = [name for row in rows if row != "package" for name in row.split(", ")]
    assert sorted(explained) == sorted(names(extra))


@pytest.mark.parametrize("extra", ["base", "pipeline", "keras"])
def test_every_dependency_is_used(extra: str):
    imported = imported_modules()
    unused = {name for name in names(extra) if MODULES.get(name, name) not in imported}
    assert unused == set(IMPORTED_BY_OTHERS) & set(names(extra))


@pytest.mark.parametrize("extra", STATED)
def test_every_dependency_is_pinned(extra: str):
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lock if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {normalised(line.partition("==")[0]) for line in lines}
    assert {normalised(name) for name in names(extra)} <= pinned
