"""`objectwise predict` on plain files: all it needs beside the raw volume is in network.pt."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import fit_normalisation, read_volume, write_volume
from objectwise.networks import AffinityUNet, NetworkRecord, load_network, save_network
from objectwise.networks.registry import build
from objectwise.pipeline import predict_affinities, read_affinities, read_prediction


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_volume(
        tmp_path / "raw.tif", np.random.default_rng(0).integers(0, 256, (8, 16, 16)).astype(np.uint8)
    )
    return tmp_path / "raw.tif"


def predict(network: Path, raw: Path | str, *more: object, code: int = 0) -> str:
    """Return what `objectwise predict` said to stderr."""
    place = network.parent / "a.h5"
    arguments = ["predict", "--network", network, "--raw", raw, "--output", place, *more]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def test_network_of_the_first_format_is_taken_with_a_sentence(tmp_path: Path, raw: Path):
    network = AffinityUNet(3, 3, features=[4, 8])
    content = {"architecture": network.architecture, "state_dict": network.state_dict()}
    torch.save(content, tmp_path / "old.pt")
    said = predict(tmp_path / "old.pt", raw, "--window-shape", "8,16,16", "--dry-run")
    assert said.startswith(f"warning: {tmp_path / 'old.pt'} is of the first format")
    assert "nearest neighbours" in said


@pytest.fixture
def network(tmp_path: Path) -> Path:
    network = AffinityUNet(3, 3, features=[4, 8])
    network.record = NetworkRecord(
        offsets=((0, 0, -1), (0, -3, 0), (-2, 0, 0)),
        window_shape=(8, 16, 8),
        voxel_size=(1.0, 1.0, 1.0),
        normalisation=fit_normalisation([np.arange(256, dtype=np.uint8)]).as_plain(),
    )
    save_network(tmp_path / "network.pt", network)
    return tmp_path / "network.pt"


def test_network_brings_its_offsets_and_its_window(tmp_path: Path, network: Path, raw: Path):
    assert "warning" not in predict(network, raw, "--json")
    affinities = read_affinities(f"{tmp_path}/a.h5:volumes/predictions/affinities")
    assert affinities.offsets.tolist() == [[0, 0, -1], [0, -3, 0], [-2, 0, 0]]
    model = load_network(network)
    expected = predict_affinities(model, read_volume(raw).array, window_shape=(8, 16, 8), accelerator="cpu")
    np.testing.assert_array_equal(affinities.array, expected)


def test_channels_are_read_along_their_axis(tmp_path: Path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "colours.tif", colours, photometric="rgb")
    model = AffinityUNet(3, 3, in_channels=3, features=[4, 8])
    save_network(tmp_path / "colours.pt", model)
    options = ["--window-shape", "8,16,16", "--channel-axis", "-1", "--accelerator", "cpu"]
    predict(tmp_path / "colours.pt", tmp_path / "colours.tif", *options)
    found = read_affinities(f"{tmp_path}/a.h5:volumes/predictions/affinities")
    expected = predict_affinities(
        model, np.moveaxis(colours, -1, 0), window_shape=(8, 16, 16), accelerator="cpu"
    )
    np.testing.assert_array_equal(found.array, expected)


def test_offsets_that_are_not_those_of_the_network_are_refused(network: Path, raw: Path):
    predict(network, raw, "--dry-run", "--offsets", "[[0,0,-1],[0,-3,0],[-2,0,0]]")
    said = predict(network, raw, "--offsets", "nearest", code=2)
    assert (
        "`--offsets` must be those of the network, [[0, 0, -1], [0, -3, 0], [-2, 0, 0]], got [[-1, 0, 0]"
        in said
    )


def test_channels_of_a_network_that_does_not_name_them_are_assumed_aloud(tmp_path: Path, raw: Path):
    save_network(tmp_path / "bare.pt", AffinityUNet(3, 3, features=[4, 8]))
    said = predict(tmp_path / "bare.pt", raw, "--window-shape", "8,16,16", "--dry-run")
    assert said.startswith(
        "warning: the network does not say what its 3 channels are: assumed are the nearest"
    )
    arguments = ["--window-shape", "8,16,16", "--dry-run", "--offsets", "nearest"]
    assert predict(tmp_path / "bare.pt", raw, *arguments) == ""
    save_network(tmp_path / "five.pt", AffinityUNet(3, 5, features=[4, 8]))
    assert "`--offsets` must be given" in predict(
        tmp_path / "five.pt", raw, "--window-shape", "8,16,16", code=2
    )


def test_volume_far_from_the_training_is_warned_of_in_a_line(tmp_path: Path, network: Path):
    write_volume(tmp_path / "far.tif", np.full((8, 16, 16), 4000, np.uint16))
    said = predict(network, tmp_path / "far.tif")
    assert (
        f"warning: the network has not learnt from volumes like {tmp_path / 'far.tif'}: 100% of its" in said
    )


def test_window_that_cannot_fit_is_refused_before_anything_is_read(tmp_path: Path, network: Path, raw: Path):
    said = predict(network, raw, "--window-shape", "100000,100000,100000", "--accelerator", "cpu", code=2)
    assert said.startswith("error: the prediction must fit into the memory of the device (cpu, ")
    said = predict(network, raw, "--batch-size", 10**9, "--accelerator", "cpu", code=2)
    assert "take a smaller window or batch" in said
    assert not (tmp_path / "a.h5").exists()


def test_voxels_of_another_size_than_those_of_the_training_are_warned_of(tmp_path: Path, network: Path):
    model = load_network(network)
    model.record = dataclasses.replace(model.record, voxel_size=(40.0, 4.0, 4.0))
    save_network(network, model)
    place = f"{tmp_path}/raw.h5:raw"
    write_volume(
        place, np.zeros((8, 16, 16), np.uint8) + np.arange(16, dtype=np.uint8) * 16, voxel_size=(40, 4, 8)
    )
    said = predict(network, place, "--dry-run")
    assert said == (
        "warning: voxel size differs from that of the training: (40, 4, 8) against (40, 4, 4), "
        "a factor of 2 along x\n"
    )


def test_trash_is_misuse_in_one_sentence(tmp_path: Path, raw: Path):
    (tmp_path / "trash.pt").write_bytes(b"trash")
    said = predict(tmp_path / "trash.pt", raw, code=2)
    assert said.startswith(
        f"error: {tmp_path / 'trash.pt'} must be a network file, but it is damaged or something"
    )
    assert said.count("\n") == 1


OWN = "tests.networks.anyones:Own"
MASKS = {"name": "masks", "options": {"classes": ["background", "cell"]}}


def masks(folder: Path, name: str, **record: object) -> Path:
    """Write a network of two classes, and return its file."""
    network = build(name, dimensions=3, in_channels=1, out_channels=2, options={})
    parts = {"task": MASKS, "channels": ("background", "cell"), **record}
    plain = fit_normalisation([np.arange(256, dtype=np.uint8)]).as_plain()
    network.record = NetworkRecord((8, 16, 8), (1.0, 1.0, 1.0), plain, **parts)
    save_network(folder / "network.pt", network)
    return folder / "network.pt"


def test_network_of_masks_writes_probabilities(tmp_path: Path, raw: Path):
    network = masks(tmp_path, OWN)
    assert predict(network, raw, "--python", OWN, "--json") == ""
    found = read_prediction(f"{tmp_path}/a.h5:volumes/predictions/probabilities")
    assert list(found.attributes["channels"]) == ["background", "cell"]
    np.testing.assert_allclose(found.array.sum(0), 1, rtol=1e-5)
    assert "`--offsets` must be left out with a network of the task 'masks'" in predict(
        network, raw, "--python", OWN, "--overwrite", "--offsets", "nearest", code=2
    )


def test_network_of_ones_own_is_imported_by_name_alone(tmp_path: Path, raw: Path):
    said = predict(masks(tmp_path, OWN), raw, code=2)
    assert f"where you trust that module, load it with python='{OWN}', or on the command line" in said
    assert f"with --python {OWN}" in said


def test_task_of_ones_own_is_predicted_by_its_run(tmp_path: Path, raw: Path):
    network = masks(tmp_path, OWN, task={"python": "nowhere:Task"})
    said = predict(network, raw, "--python", OWN, code=2)
    assert (
        "a network must be of the task affinities or masks to be used without its run, got 'nowhere:Task'"
        in said
    )


def test_image_of_other_channels_than_the_network_reads_is_refused(tmp_path: Path, raw: Path):
    network = build("convolutional", dimensions=3, in_channels=2, out_channels=3, options={"features": [2]})
    save_network(tmp_path / "network.pt", network)
    said = predict(tmp_path / "network.pt", raw, "--window-shape", "8,16,16", "--offsets", "nearest", code=2)
    assert said.startswith("error: `--raw` must have the channels of the network (2), got 1")
