"""The demo goes its whole way; that MALIS wins there is the benchmark's to show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import read_volume
from objectwise.errors import ArgumentError
from objectwise.workflow import demo


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink the recipe to seconds."""
    monkeypatch.setattr(demo, "TRAIN_SECTIONS", 2)
    monkeypatch.setattr(demo, "HELD_OUT_SECTIONS", 2)
    monkeypatch.setattr(demo, "SIDE", 64)
    monkeypatch.setattr(demo, "START_STEPS", 3)
    monkeypatch.setattr(demo, "STEPS", 2)
    monkeypatch.setattr(demo, "NETWORK", {"features": [4, 8]})
    monkeypatch.setattr(demo, "TRAINING", {"patch_shape": [32, 32], "threads": 1})


@pytest.mark.slow
def test_demo_compares_both_runs_and_goes_on(tmp_path: Path):
    arguments = ["demo", str(tmp_path / "demo"), "--json"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    outcome = json.loads(first.stdout)
    assert set(outcome["runs"]) == set(demo.LOSSES)
    page = Path(outcome["report"]).read_text()
    assert all(name in page for name in demo.LOSSES)
    again = CliRunner().invoke(app, arguments)
    assert again.stdout == first.stdout
    assert "train: complete, skipped" in again.stderr
    table = CliRunner().invoke(app, arguments[:2]).stdout
    assert "best threshold" in table
    assert f"report: {outcome['report']}" in table
    with pytest.raises(ArgumentError, match=r"same configuration, got .* with seed 0, not 1"):
        demo.run_demo(tmp_path / "demo", seed=1)


def test_both_runs_differ_in_their_loss_only(tmp_path: Path):
    one, other = (demo.loss_config(tmp_path, name, seed=0) for name in demo.LOSSES)
    assert one != other
    same = {"loss": other.training.loss}
    assert one.model_copy(update={"training": one.training.model_copy(update=same)}) == other


def test_tissue_is_made_of_sections_with_ids_of_their_own(tmp_path: Path):
    demo.write_tissue(tmp_path, seed=0)
    labels = read_volume(f"{tmp_path}/data/train.h5:volumes/labels/neuron_ids").array
    assert labels.shape == (2, 64, 64)
    first, second = (set(np.unique(section)) - {0} for section in labels)
    assert not first & second
    held_out = read_volume(f"{tmp_path}/data/held_out.h5:volumes/raw").array
    assert not np.array_equal(held_out, read_volume(f"{tmp_path}/data/train.h5:volumes/raw").array)
