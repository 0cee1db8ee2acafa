"""What is wrong with a configuration, a volume or a machine is found before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectwise.errors import ArgumentError, ConfigError
from objectwise.workflow import STEPS, run
from tests.workflow.pretended import pretend_gpus
from tests.workflow.tiny import tiny_config


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} if folder.exists() else set()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train.0.raw=nowhere.h5:raw", r"data\.train\.0\.raw: .*nowhere\.h5"),
        ("data.evaluate.0.raw=FOLDER/test.h5:volumes/row", r"data\.evaluate\.0\.raw: .*volumes/raw"),
        (
            "data.evaluate.0.labels=FOLDER/train.h5:volumes/labels/neuron_ids",
            r"data\.evaluate\.0\.labels: .*shape",
        ),
        ("data.train.0.sections=[0, 11]", r"data\.train\.0\.raw: .*sections"),
        (
            "data.train.0.sections=[0, 4]",
            r"patch_shape` must fit into every training volume, got \[8, 16, 16\]",
        ),
        ("training.patch_shape=[8, 64, 64]", r"patch_shape` must fit"),
        ("training.patch_shape=[8, 15, 16]", r"network: `training\.patch_shape` must .* total stride"),
        ("prediction.window_shape=[7, 16, 16]", r"network: `prediction\.window_shape` must .* total stride"),
        ("offsets=[[-1, 0, 0], [0, -20, 0]]", r"offsets: `offsets` must be shorter than the volume"),
        ("training.initial_weights=nowhere.pt", r"training\.initial_weights: nowhere\.pt must exist"),
        ("network.kernel_sizes=[[2, 3, 3], [3, 3, 3]]", "network: `kernel_sizes` must be odd"),
        (
            "training={patch_shape: [8, 16, 16], accelerator: cpu, precision: 16-mixed}",
            r"training\.precision: must",
        ),
    ],
)
def test_problem_is_found_before_anything_is_written(tmp_path: Path, calls, override: str, message: str):
    config = tiny_config(tmp_path, override.replace("FOLDER", str(tmp_path)))
    before = files(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(config, tmp_path / "run")
    assert files(tmp_path) == before
    assert not calls


def damaged(folder: Path, place: str, change) -> str:
    """Write a changed copy of a volume, and return its location."""
    from objectwise.data import read_volume, write_volume

    volume = read_volume(f"{folder}/train.h5:volumes/{place}")
    copy = f"{folder}/damaged.h5:{place}"
    write_volume(copy, change(volume.array), voxel_size=volume.voxel_size, overwrite=True)
    return copy


def with_voxel(value: float, dtype: type) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype)
        array[3, 2, 1] = value
        return array

    return change


@pytest.mark.parametrize(
    ("key", "place", "change", "message"),
    [
        ("raw", "raw", with_voxel(np.nan, np.float32), r"must be finite, got nan at \(3, 2, 1\)"),
        (
            "labels",
            "labels/neuron_ids",
            with_voxel(-7, np.int64),
            r"must not be negative, got -7 at \(3, 2, 1",
        ),
        ("labels", "labels/neuron_ids", np.zeros_like, r"must hold an object .* got only background"),
        (
            "labels",
            "labels/neuron_ids",
            lambda labels: labels * (labels == 1),
            "`minimum_foreground` must be",
        ),
    ],
)
def test_bad_voxels_are_found_before_anything_is_written(
    tmp_path: Path, calls, key: str, place: str, change, message: str
):
    share = "training.minimum_foreground=0.9"
    config = tiny_config(tmp_path)
    bad = tiny_config(tmp_path, f"data.train.0.{key}={damaged(tmp_path, place, change)}", share)
    before = files(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(ArgumentError, match=message):
            run(bad, tmp_path / "run", dry_run=dry_run)
    assert files(tmp_path) == before
    assert not calls
    run(config, tmp_path / "run")
    assert calls == list(STEPS)


def test_weights_of_another_architecture_are_found_before_anything_is_written(tmp_path: Path, calls):
    from objectwise.networks import AffinityUNet, save_network

    save_network(tmp_path / "other.pt", AffinityUNet(3, 3, features=[4, 6]))
    config = tiny_config(tmp_path, f"training.initial_weights={tmp_path}/other.pt")
    with pytest.raises(
        ConfigError, match=r"training\.initial_weights: .*other\.pt must have the architecture"
    ):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("devices", "is_fine"), [("1", True), ("auto", True), ("2", True), ("3", False)])
def test_more_gpus_than_there_are_are_refused(tmp_path: Path, monkeypatch, devices: str, is_fine: bool):
    pretend_gpus(monkeypatch, 2)
    config = tiny_config(tmp_path, f"training.devices={devices}", "training.accelerator=cuda")
    if is_fine:
        run(config, tmp_path / "run", dry_run=True)
    else:
        with pytest.raises(ConfigError, match=r"training\.devices: must be at most 2, .*'cuda' here, got 3"):
            run(config, tmp_path / "run", dry_run=True)


def test_labels_that_are_floats_are_refused(tmp_path: Path):
    import numpy as np

    from objectwise.data import write_volume

    config = tiny_config(tmp_path)
    write_volume(f"{tmp_path}/test.h5:floats", np.ones((8, 32, 24), np.float32))
    config = tiny_config(tmp_path, f"data.evaluate.0.labels={tmp_path}/test.h5:floats")
    with pytest.raises(ConfigError, match=r"data\.evaluate\.0\.labels: .*integer"):
        run(config, tmp_path / "run")


def test_all_problems_are_listed(tmp_path: Path):
    config = tiny_config(tmp_path, "data.train.0.raw=a.h5:raw", "data.evaluate.0.raw=b.h5:raw")
    with pytest.raises(
        ConfigError, match=r"the run has 2 problems:\n  data\.train\.0\.raw.*\n  data\.evaluate"
    ):
        run(config, tmp_path / "run")
