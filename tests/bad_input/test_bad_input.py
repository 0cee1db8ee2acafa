"""Every row of the table of bad inputs: its exit code or its class, its words, and nothing written."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from objectwise import read_volume
from objectwise.cli.main import app
from objectwise.config import parse_config
from objectwise.errors import ConfigError
from tests.bad_input import (
    api_classes,
    api_edges,
    api_instances,
    api_maps,
    api_metrics,
    api_networks,
    command_line,
    configuration,
    files,
    run_directory,
)
from tests.bad_input.inputs import make_places
from tests.bad_input.rows import Call, Command, Damage, File, Setting

CALLS = [
    row
    for room in (api_edges, api_classes, api_instances, api_maps, api_metrics, api_networks)
    for row in room.ROWS
]
ROWS = [
    *CALLS,
    *files.ROWS,
    *files.CHANNELS,
    *files.WRITES,
    *configuration.ROWS,
    *command_line.ROWS,
    *run_directory.ROWS,
]


def rows(table: list) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", table, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Sound files and a complete run, which no row may change."""
    return make_places(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def sound_configuration(places: dict[str, str]) -> str:
    return Path(places["config"]).read_text()


def sizes(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_size for path in folder.rglob("*")}


def command(line: str, code: int, **places: str) -> str:
    """Run a command line, and return what it said to a user who did wrong."""
    ended = CliRunner().invoke(app, [word.format(**places) for word in shlex.split(line)])
    assert ended.exit_code == code, ended.output
    assert ("Traceback" in ended.stderr) == ("--debug" in line)
    # What other packages advise: to switch their safeguards off.
    assert "weights_only" not in ended.stderr
    assert "set_int_max_str_digits" not in ended.stderr
    return ended.stderr


def test_table_is_long_and_its_rows_have_names():
    assert len(ROWS) >= 500
    assert not [name for name, times in Counter((type(row), row.name) for row in ROWS).items() if times > 1]
    assert all(row.words for row in ROWS)


@rows(CALLS)
def test_call_raises_one_sentence(row: Call):
    with pytest.raises(row.error) as caught:
        row.make()
    assert row.words in str(caught.value)


@rows(files.ROWS)
def test_file_is_not_read(row: File, tmp_path: Path):
    location = row.make(tmp_path)
    with pytest.raises(row.error) as caught:
        read_volume(location)
    assert row.words in str(caught.value)


@rows(files.CHANNELS)
def test_channels_of_file_are_not_read(row: File, tmp_path: Path):
    with pytest.raises(row.error) as caught:
        row.make(tmp_path)
    assert row.words in str(caught.value)


@rows(files.WRITES)
def test_file_is_not_written(row: File, tmp_path: Path):
    with pytest.raises(row.error) as caught:
        row.make(tmp_path)
    assert row.words in str(caught.value)


@rows(configuration.ROWS)
def test_configuration_is_refused(row: Setting, sound_configuration: str):
    with pytest.raises(ConfigError) as caught:
        parse_config(sound_configuration if row.text is None else row.text, row.settings)
    assert row.words in str(caught.value)
    assert len(str(caught.value)) < 5000


@rows(command_line.ROWS)
def test_command_line_is_refused_before_anything_is_written(
    row: Command, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    before = sizes(Path(places["here"]))
    assert row.words in command(row.line, row.code, **places, out=str(tmp_path))
    assert sizes(Path(places["here"])) == before
    assert not sizes(tmp_path)


@rows(run_directory.ROWS)
def test_damaged_run_is_refused(row: Damage, places: dict[str, str], tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(places["run"], run)
    row.damage(run)
    assert row.words in command(row.line, row.code, **(places | {"run": str(run)}))
