"""Every network in its file: it comes back the same, and a file imports and fetches nothing by itself."""

from __future__ import annotations

import sys

import pytest
import torch

from objectwise.errors import ArgumentError, CheckpointError
from objectwise.networks import AffinityUNet, NetworkRecord, load_network, save_network
from objectwise.networks.archive import write_archive
from objectwise.networks.mala import MALA
from objectwise.networks.registry import build
from objectwise.networks.storage import copy_weights
from tests.networks.test_registry import SMALL

OWN = "tests.networks.anyones:Own"
KINDS = {**SMALL, OWN: (3, {"scale": 2.0}, (4, 5, 6))}


def made(name, *, out_channels=3):
    dimensions, options, _ = KINDS[name]
    return build(name, dimensions=dimensions, in_channels=2, out_channels=out_channels, options=options)


@pytest.mark.parametrize("name", KINDS)
def test_every_network_predicts_the_same_when_loaded(tmp_path, name):
    network = made(name).eval()
    save_network(tmp_path / "network.pt", network)
    state = torch.get_rng_state()
    loaded = load_network(tmp_path / "network.pt", python=name if ":" in name else None)
    assert torch.equal(torch.get_rng_state(), state)
    assert (loaded.name, loaded.architecture) == (name, network.architecture)
    assert not loaded.training
    raw = torch.rand(1, 2, *KINDS[name][2])
    with torch.no_grad():
        torch.testing.assert_close(loaded(raw), network(raw), rtol=0, atol=0)


def test_a_network_made_by_hand_is_saved_too(tmp_path):
    save_network(tmp_path / "network.pt", MALA(3, features=1, growth=1))
    content = torch.load(tmp_path / "network.pt", weights_only=True)
    assert (content["format"], content["name"]) == (3, "mala")
    assert content["architecture"] == {
        "dimensions": 3,
        "out_channels": 3,
        "features": 1,
        "growth": 1,
        "factors": [[1, 3, 3]] * 3,
        "in_channels": 1,
    }
    assert load_network(tmp_path / "network.pt").record is None


def test_a_file_of_the_second_format_is_a_unet(tmp_path):
    network = AffinityUNet(2, 2, features=(4, 8))
    content = {"architecture": network.architecture, "state_dict": network.state_dict()}
    record = {
        "dimensions": 2,
        "offsets": [[-1, 0], [0, -3]],
        "window_shape": [8, 8],
        "voxel_size": [1.0, 1.0, 1.0],
        "normalisation": {},
    }
    write_archive(tmp_path / "network.pt", {"format": 2, **content, **record})
    loaded = load_network(tmp_path / "network.pt")
    assert loaded.record == NetworkRecord((8, 8), (1.0, 1.0, 1.0), {}, offsets=((-1, 0), (0, -3)))
    assert (loaded.record.task_name, loaded.record.channels) == ("affinities", ("-1,0", "0,-3"))


def test_a_record_of_masks_comes_back(tmp_path):
    network = made("convolutional")
    task = {"name": "masks", "options": {"classes": ["background", "cell", "vesicle"]}}
    network.record = NetworkRecord(
        (8, 8, 8), (1.0, 1.0, 1.0), {"low": 3.0}, task=task, channels=("background", "cell", "vesicle")
    )
    save_network(tmp_path / "network.pt", network)
    assert load_network(tmp_path / "network.pt").record == network.record


def test_a_file_makes_no_module_be_imported(tmp_path, monkeypatch):
    (tmp_path / "trap_network.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    network = made(OWN)
    network.name = "trap_network:Net"
    path = tmp_path / "network.pt"
    save_network(path, network)
    for python in (None, OWN):
        with pytest.raises(
            CheckpointError,
            match=r"network.pt must be of a network of objectwise or MONAI, or of the one that may be imported "
            r".*, got 'trap_network:Net'; where you trust that module, load it with python='trap_network:Net'",
        ):
            load_network(path, python=python)
    assert "trap_network" not in sys.modules


@pytest.mark.parametrize("name", ["monai.densenet", "monai.Nothing", "monai.os:system", "vnet", "", 3, None])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    network = made("monai.UNet")
    content = {"format": 3, "name": name, "architecture": network.architecture}
    write_archive(tmp_path / "network.pt", {**content, "state_dict": network.state_dict()})
    with pytest.raises(CheckpointError, match=r"network.pt must "):
        load_network(tmp_path / "network.pt")


def test_a_file_fetches_no_weights(tmp_path, monkeypatch):
    options = {"backbone": "efficientnet-b0", "pretrained": False, "decoder_channels": [4, 4, 4, 4, 4]}
    network = build("monai.FlexibleUNet", dimensions=2, in_channels=3, out_channels=2, options=options)
    network.architecture["pretrained"] = True
    save_network(tmp_path / "network.pt", network)
    fetched = []
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: fetched.append(1))
    monkeypatch.setattr(
        "monai.networks.nets.efficientnet.model_zoo.load_url", lambda *_, **__: fetched.append(1)
    )
    assert load_network(tmp_path / "network.pt").architecture["pretrained"] is True
    assert not fetched


def test_a_network_that_fetches_whatever_it_is_told_is_refused(tmp_path):
    network = made("monai.UNet")
    content = {"format": 3, "name": "monai.Transchex", "architecture": network.architecture}
    write_archive(tmp_path / "network.pt", {**content, "state_dict": network.state_dict()})
    with pytest.raises(CheckpointError, match="must be of a network that fetches nothing to be made"):
        load_network(tmp_path / "network.pt")


def test_a_record_of_other_channels_than_the_network_has_is_refused(tmp_path):
    network = made("convolutional", out_channels=2)
    network.record = NetworkRecord((8, 8, 8), (1.0, 1.0, 1.0), {}, offsets=((-1, 0, 0),))
    save_network(tmp_path / "network.pt", network)
    with pytest.raises(
        CheckpointError, match="tells of 1 channels in 3 dimensions where the network has 2 in 3"
    ):
        load_network(tmp_path / "network.pt")


def test_other_modules_cannot_be_saved(tmp_path):
    with pytest.raises(ArgumentError, match=r"or made by objectwise.networks.registry.build, got Conv2d"):
        save_network(tmp_path / "network.pt", torch.nn.Conv2d(1, 1, 1))


def test_weights_of_another_network_are_refused():
    with pytest.raises(CheckpointError, match=r"start must have the architecture .* name mala .* for unet"):
        copy_weights(MALA(3, features=1, growth=1), AffinityUNet(3, 3, features=(4, 8)), name="start")


def recorded(**parts):
    network = AffinityUNet(2, 2, features=(4, 8))
    network.record = NetworkRecord((8, 8), (1.0, 1.0, 1.0), {}, **parts)
    return network


MASKS = {"task": {"name": "masks", "options": {}}, "channels": ("background", "cell")}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"offsets": ((-1, 0), (0, -3))}, r"must have the channels of this run \(\['-1,0', '0,-1'\]\), got"),
        (MASKS, r"must have the task of this run \(affinities\), got masks"),
    ],
)
def test_weights_whose_channels_mean_something_else_are_refused(parts, words):
    target = recorded(offsets=((-1, 0), (0, -1)))
    with pytest.raises(CheckpointError, match=words):
        copy_weights(recorded(**parts), target, name="start")
    copy_weights(AffinityUNet(2, 2, features=(4, 8)), target, name="start")


@pytest.mark.parametrize("parts", [{}, MASKS | {"offsets": ((-1, 0), (0, -1))}])
def test_offsets_belong_to_affinities(parts):
    with pytest.raises(
        ArgumentError, match="`offsets` must be given with the task affinities, and only then"
    ):
        recorded(**parts)
