"""The whole way on a tiny phantom, with the real training, and on files of every step."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from objectwise.data import read_volume
from objectwise.metrics import evaluate
from objectwise.pipeline import read_affinities
from objectwise.workflow import Run, run, write_page
from objectwise.workflow.reporter import Reporter
from tests.workflow.tiny import tiny_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def done(folder: Path) -> Run:
    return run(tiny_config(folder, "training.steps=60", "evaluation.oracle=true"), folder / "run")


def test_every_step_is_complete(done: Run):
    assert [step.state() for step in done.steps] == ["complete"] * 5


def test_segmentation_lies_where_the_raw_volume_does(done: Run, folder: Path):
    raw = read_volume(f"{folder}/test.h5:volumes/raw")
    found = read_volume(done.directory.segmentation("test"))
    assert found.array.dtype == np.uint64
    assert found.array.shape == raw.array.shape
    assert found.voxel_size == raw.voxel_size == (30, 6, 6)
    with h5py.File(done.directory.prediction_file("test")) as file:
        affinities = file["volumes/predictions/affinities"]
        assert affinities.shape == (3, *raw.array.shape)
        assert affinities.dtype == np.float32
        np.testing.assert_array_equal(affinities.attrs["offsets"], [[-1, 0, 0], [0, -1, 0], [0, 0, -1]])


def test_scores_are_those_of_the_files(done: Run, folder: Path):
    truth = read_volume(f"{folder}/test.h5:volumes/labels/neuron_ids").array
    segmentation = read_volume(done.directory.segmentation("test")).array
    expected = evaluate(truth=truth, segmentation=segmentation)._asdict()
    scores = done.scores()
    assert scores is not None
    assert scores["volumes"]["test"]["scores"] == expected
    assert len(scores["volumes"]["test"]["sections"]) == 8
    assert scores["mean"] == expected | scores["volumes"]["test"]["detection"]
    assert [row["threshold"] for row in scores["volumes"]["test"]["sweep"]] == [0.3, 0.5, 0.7]
    assert scores["volumes"]["test"]["best"]["adapted_rand_error"] <= expected["adapted_rand_error"]


def test_threshold_is_the_best_of_the_training_volumes(done: Run):
    chosen = json.loads(done.directory.threshold.read_text())
    best = min(row["adapted_rand_error"] for row in chosen["sweep"])
    row = next(row for row in chosen["sweep"] if row["threshold"] == chosen["threshold"])
    assert row["adapted_rand_error"] == best
    assert chosen["chosen_on"] == ["train"]


def test_report_shows_the_run(done: Run):
    page = done.directory.report.read_text()
    assert "<html" in page
    assert "adapted" in page.lower()
    assert "data:image" in page


def test_run_in_two_dimensions_without_labels_to_score(folder: Path):
    config = tiny_config(
        folder,
        "dimensions=2",
        "training.patch_shape=[16, 16]",
        "data.evaluate.0.labels=",
        "segmentation={threshold: 0.5, method: watershed}",
    )
    found = run(config, folder / "flat")
    assert found.scores() == {
        "task": "affinities",
        "protocol": "cremi",
        "score": "adapted_rand_error",
        "lower_is_better": ["voi_split", "voi_merge", "adapted_rand_error", "cremi_score"],
        "dimensions": 2,
        "threshold": 0.5,
        "mean": None,
        "volumes": {},
    }
    segmentation = read_volume(found.directory.segmentation("test")).array
    ids = [set(np.unique(section)) - {0} for section in segmentation]
    assert not set.intersection(*ids), "sections of a 2-D run share no object"
    assert found.directory.report.is_file()


def test_run_without_volumes_to_evaluate_scores_the_training(folder: Path):
    found = run(tiny_config(folder, "data.evaluate=[]", "training.steps=5"), folder / "alone")
    scores = found.scores()
    assert scores is not None
    assert list(scores["volumes"]) == ["train"]


def test_best_threshold_on_the_scored_volume_is_looked_for_on_request_only(done: Run, folder: Path):
    found = run(tiny_config(folder, "training.steps=60"), done.directory.path, overwrite=True)
    assert found.scores()["volumes"]["test"]["best"] is None
    assert found.scores()["volumes"]["test"]["sweep"] == []
    again = run(
        tiny_config(folder, "training.steps=60", "evaluation.oracle=true"),
        done.directory.path,
        overwrite=True,
    )
    assert again.scores()["volumes"]["test"]["best"]["threshold"] in (0.3, 0.5, 0.7)


@pytest.mark.parametrize("dimensions", ["dimensions=3", "dimensions=2"])
def test_each_input_is_read_once_a_step_and_each_voxel_counted_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dimensions: str
):
    from objectwise.metrics import ContingencyTable
    from objectwise.workflow import inputs
    from objectwise.workflow.steps import evaluate as evaluating
    from objectwise.workflow.steps import segment as segmenting

    seen: list[str] = []

    def watch(module, name: str) -> None:
        work = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda place, *more: (seen.append(str(place)), work(place, *more))[1]
        )

    for module, name in (
        (inputs, "read_raw_stack"),
        (inputs, "read_label_stack"),
        (segmenting, "read_prediction"),
        (evaluating, "read_prediction"),
        (evaluating, "read_label_stack"),
    ):
        watch(module, name)
    shape = "training.patch_shape=[16, 16]" if dimensions.endswith("2") else "seed=0"
    config = tiny_config(
        folder, "data.evaluate=[]", "training.steps=5", "evaluation.oracle=true", dimensions, shape
    )
    counted: list[tuple[int, ...]] = []
    count = ContingencyTable.from_labels
    for step in ("train", "predict", "segment", "evaluate", "report"):
        seen.clear()
        if step == "report":
            monkeypatch.setattr(
                ContingencyTable, "from_labels", lambda **labels: counted.append(labels) or count(**labels)
            )
        run(config, folder / f"once {dimensions}", only=[step])
        assert len(seen) == len(set(seen)), step
        assert seen, step
    assert not counted, "the tables of evaluate serve the report"


def test_several_runs_share_a_page(done: Run, folder: Path):
    other = run(tiny_config(folder, "training.steps=60", "segmentation.minimum_size=9"), folder / "other")
    page = write_page([done.directory.path, other.directory.path], folder / "both.html").read_text()
    assert "run" in page
    assert "other" in page


def test_killed_prediction_goes_on_with_the_next_volume(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from objectwise.workflow import predicting as step

    config = tiny_config(folder, "training.steps=5")
    predicted: list[tuple[int, ...]] = []
    predict = step.predict_probabilities

    def killed_at_the_second(network, raw, **options):
        predicted.append(raw.shape)
        if len(predicted) == 2:
            raise KeyboardInterrupt
        return predict(network, raw, **options)

    monkeypatch.setattr(step, "predict_probabilities", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder / "killed")
    done = run(config, folder / "killed")
    assert predicted == [(8, 32, 24), (10, 32, 32), (10, 32, 32)]
    assert [step.state() for step in done.steps] == ["complete"] * 5
    # A file cut short is no whole one.
    affinities = done.directory.prediction_file("test")
    whole = read_affinities(done.directory.affinities("test")).array
    affinities.write_bytes(affinities.read_bytes()[:-100])
    run(config, folder / "killed")
    assert predicted[3:] == [(8, 32, 24)]
    np.testing.assert_array_equal(read_affinities(done.directory.affinities("test")).array, whole)


def test_training_says_how_long_it_waited_for_patches(folder: Path):
    said: list[str] = []

    class Listener(Reporter):
        def message(self, text: str) -> None:
            said.append(text)

    run(tiny_config(folder, "training.steps=5"), folder / "waited", only=["train"], reporter=Listener())
    assert any(re.match(r"train: \d+% of the time went by waiting for patches", text) for text in said), said
