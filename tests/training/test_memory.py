from __future__ import annotations

import pytest

from objectwise.errors import ArgumentError
from objectwise.training.memory import TrainingMemory, estimate_training, require_training_memory
from tests.training.toys import toy_config


def test_estimate_has_the_volumes_and_a_step():
    small, large = (estimate_training(toy_config(), [((10, 100, size), 9)]) for size in (100, 1000))
    assert large.host - small.host >= 9 * 10 * 100 * 900
    assert large.device == small.device
    batch = estimate_training(toy_config(batch_size=20), [((10, 100, 100), 9)])
    assert batch.device > 5 * small.device


def test_processes_on_one_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr("objectwise.networks.machine.memory_of", lambda device: 100)
    require_training_memory(TrainingMemory(20, 25), "cpu", processes=2)
    require_training_memory(TrainingMemory(50, 100), "cuda", processes=2)
    for needed, device in ((TrainingMemory(20, 31), "cpu"), (TrainingMemory(1, 101), "cuda")):
        with pytest.raises(
            ArgumentError, match=r"training must fit .*; take a smaller training\.patch_shape"
        ):
            require_training_memory(needed, device, processes=2)
