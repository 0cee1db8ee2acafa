from __future__ import annotations

import torch

from objectwise.training import network_of
from tests.training.toys import toy_config


def test_network_is_drawn_without_touching_any_seed(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    state = torch.get_rng_state()
    first, second = network_of(toy_config()).state_dict(), network_of(toy_config()).state_dict()
    assert not seeded
    assert torch.equal(torch.get_rng_state(), state)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_network_without_weights_has_their_shapes_and_no_memory():
    network = network_of(toy_config(), weights=False)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    whole = network_of(toy_config())
    assert network.architecture == whole.architecture
    assert [p.shape for p in network.parameters()] == [p.shape for p in whole.parameters()]
