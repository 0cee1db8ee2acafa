"""Runs of the task of masks, from files to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectwise.config import RunConfig
from objectwise.data import read_labels, write_volume
from objectwise.errors import ArgumentError, ConfigError, ObjectwiseError
from objectwise.pipeline import read_prediction
from objectwise.tasks import AffinityTask
from objectwise.workflow import run
from tests.workflow.tiny import cells


def write(folder: Path, name: str, array: np.ndarray) -> str:
    place = f"{folder}/{name}.h5:data"
    write_volume(place, array, voxel_size=(4, 1, 1), overwrite=True)
    return place


def volume(folder: Path, name: str, *, seed: int, shape: tuple[int, ...] = (6, 32, 32)) -> dict[str, Any]:
    """A volume of cells: ids, their classes (odd and even), two channels, and a corner that is unknown."""
    raw, ids = cells(shape, seed=seed)
    classes = np.where(ids == 0, 0, 1 + ids % 2).astype(np.uint8)
    ignore = np.zeros(shape, np.uint8)
    ignore[:, :8, :8] = 1
    return {
        "name": name,
        "raw": [write(folder, f"{name}_a", raw), write(folder, f"{name}_b", 255 - raw)],
        "labels": write(folder, f"{name}_ids", ids),
        "classes": write(folder, f"{name}_classes", classes),
        "ignore": write(folder, f"{name}_ignore", ignore),
    }


def tree(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "task": {"name": "masks", "options": {"classes": ["background", "even", "odd"]}},
        "data": {
            "channels": 2,
            "train": [volume(folder, "train", seed=0)],
            "evaluate": [volume(folder, "test", seed=1)],
        },
        "network": {"features": [4, 8]},
        "training": {
            "patch_shape": [4, 16, 16],
            "steps": 6,
            "threads": 1,
            "loss": [{"name": "dice_cross_entropy"}, {"name": "instance", "from_step": 2}],
        },
        "segmentation": {"candidates": [0.3, 0.5]},
        **changes,
    }


def config_of(content: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate_json(json.dumps(content))


def test_classes_train_predict_segment_and_score(tmp_path: Path):
    done = run(config_of(tree(tmp_path)), tmp_path / "run")
    assert all(step.state() == "complete" for step in done.steps)
    prediction = read_prediction(
        f"{done.directory.prediction_file('test')}:volumes/predictions/probabilities"
    )
    assert prediction.array.shape == (3, 6, 32, 32)
    np.testing.assert_allclose(prediction.array.sum(0), 1, atol=1e-5)
    assert list(prediction.attributes["channels"]) == ["background", "even", "odd"]
    file = done.directory.segmentation_file("test")
    assert read_labels(f"{file}:volumes/labels/odd").array.shape == (6, 32, 32)
    scores = done.scores()
    assert scores is not None
    assert scores["task"] == "masks"
    found = scores["volumes"]["test"]["classes"]
    assert set(found) == {"even", "odd"}
    assert 0 <= found["odd"]["dice"] <= 1
    assert found["odd"]["found"] + found["odd"]["missed"] > 0
    assert scores["mean"]["f1"] == pytest.approx((found["even"]["f1"] + found["odd"]["f1"]) / 2)


def test_scores_leave_out_what_is_ignored(tmp_path: Path):
    content = tree(tmp_path)
    where = content["data"]["evaluate"][0]
    labels = read_labels(where["labels"]).array
    for name in ("labels", "classes"):
        changed = read_labels(where[name]).array.copy()
        changed[:, :6, :6] = 0
        write_volume(f"{tmp_path}/changed_{name}.h5:data", changed, voxel_size=(4, 1, 1))
    assert labels[:, :6, :6].any()
    first = run(config_of(content), tmp_path / "one").scores()
    content["data"]["evaluate"][0] |= {
        name: f"{tmp_path}/changed_{name}.h5:data" for name in ("labels", "classes")
    }
    second = run(config_of(content), tmp_path / "two").scores()
    assert first is not None
    assert second is not None
    assert first["mean"] == second["mean"]


def images(folder: Path, name: str, *, seed: int) -> dict[str, Any]:
    """A stack of three images of cells with ids of one structure."""
    parts = [cells((32, 32), seed=seed + 10 * number) for number in range(3)]
    raw, ids = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    return {
        "name": name,
        "raw": write(folder, f"{name}_raw", raw),
        "labels": write(folder, f"{name}_ids", ids),
    }


def test_structures_in_two_dimensions_choose_the_threshold_on_tune(tmp_path: Path):
    content = tree(
        tmp_path,
        task={"name": "masks", "options": {"structures": ["cell"]}},
        dimensions=2,
        data={
            "train": [images(tmp_path, "image_train", seed=0)],
            "tune": [images(tmp_path, "tune", seed=1)],
            "evaluate": [images(tmp_path, "image_test", seed=2)],
        },
        prediction={"flips": True},
        evaluation={"score": "dice", "sizes": [20], "oracle": True},
    )
    content["training"] |= {"patch_shape": [16, 16], "loss": [{"name": "dice"}, {"name": "instance_center"}]}
    done = run(config_of(content), tmp_path / "run")
    chosen = json.loads(done.directory.threshold.read_text())
    best = max(chosen["sweep"], key=lambda row: (row["dice"], row["threshold"]))
    assert chosen["threshold"] == best["threshold"]
    scores = done.scores()
    assert scores is not None
    found = scores["volumes"]["image_test"]
    assert len(found["classes"]["cell"]["by_size"]) == 2
    assert found["best"]["dice"] >= scores["mean"]["dice"]
    ids = read_labels(done.directory.segmentation("image_test")).array
    assert not set(np.unique(ids[0])) & set(np.unique(ids[1])) - {0}


def test_argmax_has_no_threshold(tmp_path: Path):
    done = run(config_of(tree(tmp_path, segmentation={"method": "argmax"})), tmp_path / "run")
    assert json.loads(done.directory.threshold.read_text())["threshold"] is None


def test_sections_without_annotation_and_marked_voxels_are_unknown(tmp_path: Path):
    content = tree(tmp_path)
    train = content["data"]["train"][0]
    for name in ("labels", "ignore"):
        del train[name], content["data"]["evaluate"][0][name]
    train["annotated"] = [[0, 4]]
    content["data"]["ignore_label"] = 2
    content["training"]["loss"] = [{"name": "dice_cross_entropy"}, {"name": "region_wise"}]
    done = run(config_of(content), tmp_path / "run")
    assert done.is_complete("evaluate")


class Thirds(AffinityTask):
    """A task of one file, which knows of no room above it."""

    name = "thirds"


def test_a_task_of_ones_own_is_named_by_its_place(tmp_path: Path):
    from tests.workflow.tiny import tiny_config

    own = tiny_config(tmp_path).model_copy(
        update={
            "task": RunConfig.model_fields["task"].default.model_copy(
                update={"name": None, "python": f"{__name__}:Thirds"}
            )
        }
    )
    done = run(own, tmp_path / "run")
    scores = done.scores()
    assert scores is not None
    assert scores["task"] == "thirds"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "mask"}, "`task` must be one of affinities, masks, got 'mask'"),
        ({"task": "masks"}, "either `classes`"),
        ({"task": {"name": "masks", "options": {"kinds": ["a"]}}}, "`task.options` must be those of masks"),
        ({"task": {"python": "nowhere:Task"}}, "must name a module that imports"),
        ({"task": {"python": "builtins:int"}}, "must name a class derived from"),
        (
            {"segmentation": {"method": "agglomeration"}},
            "`segmentation.method` must be one of components, watershed",
        ),
        ({"segmentation": {"connectivity": 8}}, "`segmentation.connectivity` must be one of"),
        ({"evaluation": {"score": "voi_split"}}, "`evaluation.score` must be one of f1"),
        ({"evaluation": {"protocol": "distinct_pairs"}}, "`evaluation.protocol` must be left out"),
        (
            {"task": {"name": "masks", "options": {"classes": ["background", "cell"]}}},
            r"data.train.0: `classes of train` must be in 0..1 \(cell\), got 2",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path, change, words):
    with pytest.raises(ObjectwiseError, match=words):
        run(config_of(tree(tmp_path, **change)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_channels_and_masks_that_do_not_fit_are_refused(tmp_path: Path):
    content = tree(tmp_path)
    content["data"]["train"][0]["raw"][1] = write(tmp_path, "short", np.ones((6, 32, 31), np.uint8))
    with pytest.raises(ConfigError, match="channels must have one shape"):
        run(config_of(content), tmp_path / "run")
    content = tree(tmp_path)
    content["data"]["train"][0]["ignore"] = write(tmp_path, "all", np.ones((6, 32, 32), np.uint8))
    with pytest.raises(ArgumentError, match=r"data\.train\.0\.ignore must leave a voxel"):
        run(config_of(content), tmp_path / "run")
    content = tree(tmp_path, task="affinities")
    content["training"]["loss"] = [{"name": "bce"}]
    with pytest.raises(
        ConfigError, match=r"data\.train\.0\.classes: must be left out with the task 'affinities'"
    ):
        run(config_of(content), tmp_path / "run")
