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
    monkeypatch.setattr(demo, "PREDICTION", {"window_shape": [64, 64]})
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
    assert "report: would run" in CliRunner().invoke(app, [*arguments[:2], "--dry-run"]).stdout
    assert [part.done for part in demo.plan_demo(tmp_path / "demo")] == [True, True, True, True, False]
    with pytest.raises(ArgumentError, match=r"tissue of .*'seed': 1.* with tissue of .*'seed': 0"):
        demo.run_demo(tmp_path / "demo", seed=1)
    changed = CliRunner().invoke(app, [*arguments, "--seed", "1", "--overwrite"])
    assert changed.exit_code == 0, changed.output
    assert json.loads(changed.stdout)["runs"] != outcome["runs"]
    assert [part.done for part in demo.plan_demo(tmp_path / "demo", seed=1)] == [True] * 4 + [False]


def tissue(folder: Path) -> list[np.ndarray]:
    return [read_volume(f"{folder}/data/{name}.h5:volumes/raw").array for name in ("train", "held_out")]


def test_tissue_of_another_recipe_is_refused_or_grown_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    demo.write_tissue(tmp_path, seed=0)
    before = tissue(tmp_path)
    demo.write_tissue(tmp_path, seed=0)
    monkeypatch.setattr(demo, "HELD_OUT_SECTIONS", 1)
    with pytest.raises(
        ArgumentError, match=r"`directory` must be .* a demo with tissue of .* pass --overwrite"
    ):
        demo.write_tissue(tmp_path, seed=0)
    np.testing.assert_array_equal(tissue(tmp_path), before)
    demo.write_tissue(tmp_path, seed=0, overwrite=True)
    assert [len(raw) for raw in tissue(tmp_path)] == [2, 1]
    demo.write_tissue(tmp_path, seed=0)


def test_damaged_tissue_is_named_and_grown_anew_on_request(tmp_path: Path):
    demo.write_tissue(tmp_path, seed=0)
    before = tissue(tmp_path)
    file = tmp_path / "data" / "train.h5"
    file.write_bytes(file.read_bytes()[:1000])
    result = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert result.exit_code == 2
    assert f"`{file}:volumes/labels/neuron_ids` must be" in result.stderr
    assert result.stderr.endswith("; delete it, or pass --overwrite to grow it anew\n")
    demo.write_tissue(tmp_path, seed=0, overwrite=True)
    np.testing.assert_array_equal(tissue(tmp_path), before)


def test_killed_growth_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    demo.write_tissue(tmp_path / "whole", seed=0)

    def stop(*_: object, seed: int, **__: object) -> None:
        if seed >= 1000:
            raise KeyboardInterrupt
        return grow(*_, seed=seed, **__)

    import objectwise.data

    grow = objectwise.data.neuropil_phantom
    monkeypatch.setattr(objectwise.data, "neuropil_phantom", stop)
    with pytest.raises(KeyboardInterrupt):
        demo.write_tissue(tmp_path / "killed", seed=0)
    monkeypatch.undo()
    monkeypatch.setattr(demo, "SIDE", 64)
    monkeypatch.setattr(demo, "TRAIN_SECTIONS", 2)
    monkeypatch.setattr(demo, "HELD_OUT_SECTIONS", 2)
    demo.write_tissue(tmp_path / "killed", seed=0)
    np.testing.assert_array_equal(tissue(tmp_path / "killed"), tissue(tmp_path / "whole"))


def test_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(ArgumentError, match=r"`directory` must be new, .* with 'report.html' and no recipe"):
        demo.run_demo(tmp_path)
    assert (tmp_path / "report.html").read_text() == "mine"


def test_dry_run_plans_and_writes_nothing(tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--dry-run"])
    assert result.exit_code == 0, result.output
    for name in ("tissue", "start", *demo.LOSSES, "report"):
        assert f"{name}: would run" in result.stdout
    assert not list(tmp_path.iterdir())


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
