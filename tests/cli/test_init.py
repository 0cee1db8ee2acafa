"""`objectwise init`, and the three commands from a folder to a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.config import load_config
from tests.workflow.proposal.folders import write_container, write_niftis, write_nnunet, write_pngs

SHORT = ("training.steps=2", "training.checkpoint_every=2", "training.threads=1")


def call(*words: str, code: int = 0) -> str:
    """Run a command, and return what it printed, or said where it was refused."""
    ended = CliRunner().invoke(app, list(words))
    assert ended.exit_code == code, ended.output
    return ended.stderr if code else ended.stdout


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, as someone does who types these commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("write", "settings"),
    [
        (write_niftis, ()),
        (write_pngs, ()),
        (write_nnunet, ()),
        (write_container, ("training.loss.warmup_steps=1",)),
    ],
    ids=["nifti", "png", "nnunet", "container"],
)
def test_three_commands_lead_from_a_folder_to_a_report(write, settings):
    folder = write(Path("mine.h5" if write is write_container else "mine"))
    said = call("init", str(folder))
    assert "objectwise run objectwise.yaml" in said
    assert "open runs/objectwise/report.html" in said
    words = [word for one in (*SHORT, *settings) for word in ("--set", one)]
    call("run", "objectwise.yaml", *words)
    assert Path("runs/objectwise/report.html").stat().st_size > 10_000
    scores = json.loads(Path("runs/objectwise/evaluate/scores.json").read_text())
    assert scores["volumes"]


def test_nothing_is_overwritten_unless_that_is_asked_for():
    write_pngs(Path("mine"))
    Path("objectwise.yaml").write_text("precious")
    words = call("init", "mine", code=2)
    assert "must not exist yet, got objectwise.yaml; pass --overwrite" in words
    assert Path("objectwise.yaml").read_text() == "precious"
    call("init", "mine", "--overwrite", "--task", "affinities")
    assert load_config("objectwise.yaml").task.name == "affinities"


def test_dry_run_prints_the_configuration_and_writes_nothing():
    write_pngs(Path("mine"))
    said = call("init", "mine", "--dry-run", "-o", "new/mine.yaml")
    assert said.startswith("# Written by objectwise init: 4 cases")
    assert sorted(path.name for path in Path().iterdir()) == ["mine"]


def test_json_holds_the_configuration_and_what_comes_next():
    write_pngs(Path("mine"))
    content = json.loads(call("init", "mine", "--json", "-o", "deep/mine.yaml"))
    assert content["written"] == "deep/mine.yaml"
    assert content["configuration"] == Path("deep/mine.yaml").read_text()
    assert content["next"][1] == "objectwise run deep/mine.yaml"


def test_paths_stay_as_they_were_given():
    write_pngs(Path("mine"))
    call("init", "mine")
    assert "raw: mine/images/*.png" in Path("objectwise.yaml").read_text()
