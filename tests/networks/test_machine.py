from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, ObjectwiseWarning
from objectwise.networks.machine import memory_of, require_memory, torch_threads


def test_memory_of_the_machine_is_what_a_container_may_take(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("objectwise.networks.machine.LIMITS", (str(limit),))
    whole = memory_of("cpu")
    assert whole is None or whole > 2**28
    limit.write_text("max\n")
    assert memory_of("cpu") == whole
    limit.write_text("1000000\n")
    assert memory_of("cpu") == (whole and 1000000)


def test_what_cannot_fit_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr("objectwise.networks.machine.memory_of", lambda device: 3 * 2**30)
    require_memory(3 * 2**30, "cpu", what="it", cure="take less")
    with pytest.warns(ObjectwiseWarning, match="the memory of it cannot be told before it begins"):
        require_memory(None, "cpu", what="it", cure="take less")
    with pytest.raises(ArgumentError) as raised:
        require_memory(2**42, "cpu", what="it", cure="take less")
    assert str(raised.value) == (
        "it must fit into the memory of the device (cpu, 3 GiB), got about 4.1e+03 GiB; take less"
    )


def test_threads_are_given_back_whatever_happens():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        _ = 1 / 0
    assert torch.get_num_threads() == before
    with torch_threads(None):
        assert torch.get_num_threads() == before
