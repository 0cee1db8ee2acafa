"""Runs on files with an axis of channels: colour images, and arrays with channels in front."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
import torch
import yaml

from objectwise.config import RunConfig, load_config
from objectwise.data import write_volume
from objectwise.errors import ArgumentError, ConfigError, ObjectwiseError
from objectwise.networks import load_network
from objectwise.pipeline import read_prediction
from objectwise.pipeline.stacks import describe_stack, read_raw_stack
from objectwise.workflow import run
from objectwise.workflow.fingerprint import InputDigests, voxels_digest
from tests.workflow.tiny import cells

STAIN = np.array([1.0, 0.8, 0.5])


def save_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))


def stained(seed: int, *, opacity: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A colour image (y, x, 3) of cells, and their ids."""
    raw, ids = cells((32, 32), seed=seed)
    image = (raw[..., None] * STAIN).astype(np.uint8)
    if opacity is not None:
        image = np.concatenate([image, np.full((32, 32, 1), opacity, np.uint8)], axis=-1)
    return image, ids.astype(np.uint8)


def write_folder(folder: Path) -> Path:
    """Write a folder of colour images with their ids, one of them with complete opacity, and the configuration."""
    for number in range(4):
        image, ids = stained(number, opacity=255 if number == 1 else None)
        save_png(folder / "images" / f"{number}.png", image)
        save_png(folder / "labels" / f"{number}.png", ids)
    tree = {
        "task": {"name": "masks", "options": {"structures": ["cell"]}},
        "dimensions": 2,
        "data": {
            "source": {"raw": f"{folder}/images/*.png", "labels": f"{folder}/labels/*.png"},
            "split": {"train": 0.5, "evaluate": 0.5},
            "channels": 3,
            "channel_axis": -1,
        },
        "network": {"features": [4, 8]},
        "training": {"patch_shape": [16, 16], "steps": 4, "threads": 1, "loss": [{"name": "dice"}]},
        "segmentation": {"candidates": [0.3, 0.5]},
    }
    file = folder / "colours.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def test_folder_of_colour_images_becomes_scores(tmp_path: Path):
    done = run(load_config(write_folder(tmp_path)), tmp_path / "run")
    assert all(step.state() == "complete" for step in done.steps)
    network = load_network(done.directory.network)
    assert network.architecture["in_channels"] == 3
    assert network.record is not None
    assert [one["high"] for one in network.record.normalisation["channels"]] == [255.0] * 3
    scores = done.scores()
    assert scores is not None
    assert 0 <= scores["mean"]["dice"] <= 1
    again = run(load_config(done.directory.path / "config.yaml"), tmp_path / "run")
    assert all(step.state() == "complete" for step in again.steps)


def test_changed_colour_of_one_pixel_is_noticed(tmp_path: Path):
    config = load_config(write_folder(tmp_path), ["data.split={train: ['0', '1'], evaluate: ['2', '3']}"])
    run(config, tmp_path / "run", only=["train"])
    image, _ = stained(0)
    image[3, 4, 2] ^= 1
    save_png(tmp_path / "images" / "0.png", image)
    with pytest.raises(ArgumentError, match=r"inputs of step 'train' in .* changed"):
        run(config, tmp_path / "run", only=["train"])


def config_of(content: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate_json(json.dumps(content))


def arrays(folder: Path, *, axis: int | None) -> dict[str, Any]:
    """A run on two channels of unlike intensities: as two data sets of a file, or as one with an axis."""
    raw, ids = cells((6, 32, 32), seed=0)
    channels = np.stack([raw.astype(np.uint16) * 7, 40_000 - raw.astype(np.uint16) * 90])
    file = folder / f"axis{axis}.h5"
    if axis is None:
        for index, channel in enumerate(channels):
            write_volume(f"{file}:{index}", channel, voxel_size=(4, 1, 1))
        place: Any = [f"{file}:0", f"{file}:1"]
    else:
        with h5py.File(file, "w") as opened:
            opened["raw"] = np.moveaxis(channels, 0, axis)
            opened["raw"].attrs["resolution"] = (4.0, 1.0, 1.0)
        place = f"{file}:raw"
    write_volume(f"{file}:ids", ids, voxel_size=(4, 1, 1))
    volume = {"name": "cells", "raw": place, "labels": f"{file}:ids", "sections": [1, 6]}
    return {
        "data": {"channels": 2, "train": [volume], **({} if axis is None else {"channel_axis": axis})},
        "network": {"features": [4, 8]},
        "training": {"patch_shape": [4, 16, 16], "steps": 3, "threads": 1, "loss": [{"name": "bce"}]},
        "segmentation": {"threshold": 0.5},
        "evaluation": {"allow_training_data": True},
    }


def test_axis_of_channels_gives_the_network_that_a_list_gives(tmp_path: Path):
    runs = [
        run(config_of(arrays(tmp_path, axis=axis)), tmp_path / f"run{axis}", only=["train", "predict"])
        for axis in (None, 0, -1)
    ]
    first, *others = (load_network(one.directory.network) for one in runs)
    expected, *predicted = (
        read_prediction(f"{one.directory.prediction_file('cells')}:volumes/predictions/affinities").array
        for one in runs
    )
    for network, prediction in zip(others, predicted, strict=True):
        assert network.record == first.record
        for name, value in first.state_dict().items():
            torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)
        np.testing.assert_array_equal(prediction, expected)


def test_digest_is_that_of_what_is_read_whichever_way_it_lies(tmp_path: Path):
    places = {axis: arrays(tmp_path, axis=axis)["data"]["train"][0]["raw"] for axis in (0, -1)}
    digests = InputDigests()
    found = {axis: digests.of_volume(place, (1, 6), channel_axis=axis) for axis, place in places.items()}
    assert found[0] == found[-1] == voxels_digest(read_raw_stack(places[0], (1, 6), 0))
    assert len(digests.sections_of(found[0])) == 5
    assert digests.of_volume(places[0], (1, 5), channel_axis=0) != found[0]
    (key,) = (key for key in digests.known if key.endswith("sections 1 to 6 channels along 0"))
    digests.forget(places[0], (1, 6), 0)
    assert key not in digests.known


def test_image_is_a_stack_of_one(tmp_path: Path):
    image, _ = stained(0)
    save_png(tmp_path / "a.png", image)
    volume, info = (
        read_raw_stack(f"{tmp_path}/a.png", None, -1),
        describe_stack(f"{tmp_path}/a.png", None, -1),
    )
    np.testing.assert_array_equal(volume.array, np.moveaxis(image, -1, 0)[:, None])
    assert (info.shape, info.channels, info.voxel_size) == ((1, 32, 32), 3, (1, 1, 1))


def test_voxel_that_is_no_number_is_found_in_any_channel(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros((2, 3, 4, 4), np.float32)
        file["raw"][1, 2, 3, 0] = np.nan
    with pytest.raises(ArgumentError, match="must be finite"):
        InputDigests().of_volume(f"{tmp_path}/a.h5:raw", None, channel_axis=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            ["data.channels=4"],
            r"data\.train\.0\.raw: `.*png` must have as many channels as `data.channels` says, 4, "
            r"got 3 along axis -1 \(opacity is none\)",
        ),
        (
            ["data.channel_axis=0"],
            r"raw: `channel_axis` must be -1 for colours of a PNG, the last axis, got 0",
        ),
        (["data.channel_axis=7"], r"raw: `channel_axis` must be an axis of .*, got 7"),
        (
            ["data.channel_axis=null", "data.channels=null"],
            r"raw: `.*` must be grey, got 3 colour channels; .*`data\.channel_axis: -1` and `data\.channels: 3`",
        ),
        (
            ["data.channel_axis=null"],
            r"must be 3 locations .*, got 1; data\.channel_axis says where one file",
        ),
    ],
)
def test_channels_that_do_not_fit_are_refused_before_anything_is_written(
    tmp_path: Path, changes: list[str], words: str
):
    file = write_folder(tmp_path)
    split = "data.split={train: ['0', '2'], evaluate: ['3']}"
    with pytest.raises(ConfigError, match=words):
        run(load_config(file, [split, *changes]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (stained(3, opacity=254)[0], "must be opaque to be read by channels, got transparent pixels"),
        (stained(3)[0][..., 0], "must hold colours to have channels, got a grey PNG"),
    ],
)
def test_image_unlike_the_others_is_refused_before_anything_is_written(
    tmp_path: Path, image: np.ndarray, words: str
):
    file = write_folder(tmp_path)
    save_png(tmp_path / "images" / "3.png", image)
    with pytest.raises(ObjectwiseError, match=rf"raw: `.*3\.png` {words}"):
        run(load_config(file), tmp_path / "run")
    assert not (tmp_path / "run").exists()
