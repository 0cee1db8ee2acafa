from __future__ import annotations

import pytest
import torch

from objectwise.errors import CheckpointError
from objectwise.networks import AffinityUNet, load_network, save_network
from objectwise.networks.storage import copy_weights


def test_saved_network_predicts_the_same_when_loaded(tmp_path):
    network = AffinityUNet(3, 3, features=(4, 8), kernel_sizes=((1, 3, 3), (3, 3, 3)), strides=((1, 2, 2),))
    raw = torch.rand(1, 1, 3, 8, 8)
    save_network(tmp_path / "network.pt", network)
    loaded = load_network(tmp_path / "network.pt")
    assert loaded.architecture == network.architecture
    assert not loaded.training
    torch.testing.assert_close(loaded(raw), network.eval()(raw), rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["network.pt"]


def test_saved_network_is_plain_data(tmp_path):
    save_network(tmp_path / "network.pt", AffinityUNet(2, 2, features=(4, 8)))
    content = torch.load(tmp_path / "network.pt", weights_only=True)
    assert content["architecture"]["features"] == [4, 8]


def test_loading_says_what_is_wrong_with_the_file(tmp_path):
    path = tmp_path / "network.pt"
    with pytest.raises(CheckpointError, match=r"network.pt must exist"):
        load_network(path)
    save_network(path, AffinityUNet(2, 2, features=(4, 8)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"network.pt must be a network file, but it is damaged"):
        load_network(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"network.pt must hold an affinity network"):
        load_network(path)
    torch.save(torch.zeros(2), path)
    with pytest.raises(CheckpointError, match=r"must hold an architecture and weights, got a Tensor"):
        load_network(path)


def test_weights_of_another_architecture_are_refused_by_the_part_that_differs():
    with pytest.raises(
        CheckpointError, match=r"start must have the architecture .* features \[4, 8\] .* \[4, 6\]"
    ):
        copy_weights(AffinityUNet(2, 2, features=(4, 8)), AffinityUNet(2, 2, features=(4, 6)), name="start")
