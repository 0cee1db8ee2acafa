"""Runs whose training is scored on the volumes to tune on, and that go on with the best network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from objectwise.config import RunConfig
from objectwise.curves import read_metrics
from objectwise.data import write_volume
from objectwise.errors import ArgumentError, ConfigError
from objectwise.networks import load_network
from objectwise.pipeline import predict_affinities, sweep_thresholds
from objectwise.training.logs import StepLogs
from objectwise.workflow import Run, run
from tests.workflow.test_masks import config_of, tree, volume
from tests.workflow.tiny import cells, tiny_config

pytestmark = pytest.mark.slow

VALIDATED = ("training.validation={every: 4}", "training.checkpoint_every=3", "training.learning_rate=0.02")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("validated")
    tiny_config(folder)
    raw, labels = cells((8, 32, 24), seed=2)
    for place, array in (("raw", raw), ("ids", labels)):
        write_volume(f"{folder}/tune.h5:{place}", array, voxel_size=(30, 6, 6))
    return folder


def config(folder: Path, *overrides: str) -> RunConfig:
    tune = f"data.tune=[{{name: tune, raw: '{folder}/tune.h5:raw', labels: '{folder}/tune.h5:ids'}}]"
    return tiny_config(folder, tune, *VALIDATED, *overrides)


@pytest.fixture(scope="module")
def done(folder: Path) -> Run:
    return run(config(folder), folder / "run")


def states(found: Run) -> list[str]:
    return [step.state() for step in found.steps]


def test_rows_are_the_scores_of_the_volumes_to_tune_on(done: Run, folder: Path):
    assert states(done) == ["complete"] * 5
    rows = read_metrics(done.directory.train / "validation.csv")
    assert [row["step"] for row in rows] == [4, 8, 12]
    raw, labels = cells((8, 32, 24), seed=2)
    network = load_network(done.directory.network)
    found = sweep_thresholds(
        affinities=predict_affinities(network, raw, accelerator="cpu"),
        truth=labels,
        offsets=network.record.offsets,
        dimensions=3,
        candidates=(0.3, 0.5, 0.7),
    )
    assert rows[-1]["threshold"] == found.best()
    best = found.means()[found.thresholds.index(found.best())]
    assert rows[-1]["adapted_rand_error"] == pytest.approx(best["adapted_rand_error"], rel=1e-6)


def test_last_row_is_what_the_threshold_is_chosen_by(done: Run):
    chosen = json.loads(done.directory.threshold.read_text())
    row = next(row for row in chosen["sweep"] if row["threshold"] == chosen["threshold"])
    last = read_metrics(done.directory.train / "validation.csv")[-1]
    assert chosen["chosen_on"] == ["tune"]
    assert last["threshold"] == chosen["threshold"]
    assert last["adapted_rand_error"] == pytest.approx(row["adapted_rand_error"], rel=1e-6)


def test_killed_training_is_validated_as_one_that_was_not(done: Run, folder: Path, monkeypatch):
    original, calls = StepLogs.on_train_batch_end, []

    def killed(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        calls.append(1)
        if len(calls) == 9:  # after the validation of step 8, which no checkpoint holds
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StepLogs, "on_train_batch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            run(config(folder), folder / "killed")
    again = run(config(folder), folder / "killed", only=["train"])
    for name in ("network.pt", "best.pt", "validation.csv"):
        first, second = (found.directory.train / name for found in (done, again))
        assert first.read_bytes() == second.read_bytes(), name


def test_later_steps_use_the_weights_that_are_asked_for(done: Run, folder: Path):
    best = config(folder, "prediction.weights=best")
    with pytest.raises(ArgumentError, match=r"prediction\.weights changed from the default to best"):
        run(best, done.directory.path)
    found = run(best, folder / "best")
    assert states(found) == ["complete"] * 5
    assert str(found.directory.train / "best.pt") in found.steps[1].inputs
    assert str(done.directory.train / "network.pt") in done.steps[1].inputs
    assert found.steps[0].fingerprint == done.steps[0].fingerprint


def test_complete_training_stays_when_objects_are_made_in_another_way(done: Run, folder: Path):
    other = config(folder, "segmentation.minimum_size=5")
    planned = run(other, done.directory.path, overwrite=True, dry_run=True)
    assert states(planned)[:3] == ["complete", "complete", "outdated"]
    # One that is not complete would choose its best network by two rules.
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder / "begun", config(folder))
    with pytest.raises(
        ArgumentError, match=r"validation\.segmentation\.minimum_size changed from the default"
    ):
        run(other, folder / "begun")


def interrupted(where: Path, wanted: RunConfig) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepLogs, "on_train_batch_end", stop)
        run(wanted, where)


def test_volumes_to_tune_on_are_looked_at_before_the_training(folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"data\.tune\.0\.raw"):
        run(config(folder, f"data.tune.0.raw={tmp_path}/nowhere.h5:raw"), tmp_path / "run", only=["train"])
    assert not (tmp_path / "run").exists()


def test_fixed_threshold_is_validated_at_that_one(folder: Path, tmp_path: Path):
    plain = ("segmentation={threshold: 0.5}", "training.steps=4", "training.loss={name: bce}")
    found = run(config(folder, *plain), tmp_path / "run", only=["train"])
    rows = read_metrics(found.directory.train / "validation.csv")
    assert [row["threshold"] for row in rows] == [0.5]


def test_masks_are_validated_by_their_score(tmp_path: Path):
    content = tree(tmp_path, evaluation={"score": "dice"})
    content["data"]["tune"] = [volume(tmp_path, "tune", seed=3)]
    content["training"]["validation"] = {"every": 3}
    found = run(config_of(content), tmp_path / "run", only=["train"])
    rows = read_metrics(found.directory.train / "validation.csv")
    assert [set(row) for row in rows] == [{"step", "dice", "threshold"}] * 2
    best = max(rows, key=lambda row: row["dice"])
    same = best["step"] == rows[-1]["step"]
    paths = found.directory.best_network, found.directory.network
    assert (paths[0].read_bytes() == paths[1].read_bytes()) == same
