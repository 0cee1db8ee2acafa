from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from objectwise.errors import ArgumentError, ObjectwiseWarning
from objectwise.networks import AffinityUNet
from objectwise.networks.convolutional import ConvolutionalNetwork
from objectwise.pipeline.memory import (
    PredictionMemory,
    estimate_prediction_memory,
    require_prediction_memory,
)

MEASURED = """
import sys
import numpy as np, torch
from objectwise.networks import AffinityUNet
from objectwise.pipeline import predict_affinities

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

window = eval(sys.argv[1])
torch.set_num_threads(1)
network = AffinityUNet(len(window), 4, features=(4, 8))
options = {"overlap": 0, "accelerator": "cpu"}
predict_affinities(network, np.zeros((16, 16, 16), np.uint8), window_shape=(8,) * len(window), **options)
before = peak()
raw = np.random.default_rng(0).integers(0, 256, (24, 256, 256)).astype(np.uint8)
predict_affinities(network, raw, window_shape=window, **options)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("window", [(256, 256), (8, 128, 128), (32, 128, 128)])
def test_estimate_is_within_a_factor_of_two_of_what_is_taken(window):
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, repr(window)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    needed = estimate_prediction_memory(
        AffinityUNet(len(window), 4, features=(4, 8)),
        (24, 256, 256),
        itemsize=1,
        channels=4,
        window_shape=window,
        batch_size=4,
    )
    assert 0.5 < sum(needed) / int(ended.stdout) < 2


def test_window_larger_than_the_volume_counts_with_all_of_its_padding():
    network = AffinityUNet(3, 3, features=(4, 8))
    options = {"itemsize": 1, "channels": 3, "batch_size": 1}
    inside = estimate_prediction_memory(network, (8, 64, 64), window_shape=(8, 64, 64), **options)
    around = estimate_prediction_memory(network, (8, 64, 64), window_shape=(800, 64, 64), **options)
    assert around.host > 50 * inside.host
    assert around.device > 50 * inside.device


def test_network_of_valid_convolutions_counts_with_what_it_reads_around():
    options = {"itemsize": 1, "channels": 3, "batch_size": 1, "window_shape": (20, 64, 64)}
    same, valid = (
        estimate_prediction_memory(
            ConvolutionalNetwork(3, 3, features=(2,), kernel_size=9, padding=padding), (4, 48, 48), **options
        )
        for padding in (True, False)
    )
    # It writes 4 x 48 x 48 and no margin, and reads as much as the other.
    assert valid.host < same.host / 2


def test_host_and_device_are_one_on_the_cpu_and_two_on_a_gpu(monkeypatch):
    monkeypatch.setattr("objectwise.networks.machine.memory_of", lambda device: 100)
    require_prediction_memory(PredictionMemory(60, 60), "cuda", what="the prediction")
    with pytest.warns(ObjectwiseWarning, match="the memory of the prediction cannot be told"):
        require_prediction_memory(PredictionMemory(60, None), "cpu", what="the prediction")
    for needed, device in ((PredictionMemory(60, 60), "cpu"), (PredictionMemory(1, 101), "cuda")):
        with pytest.raises(ArgumentError, match="the prediction must fit into the memory of the device"):
            require_prediction_memory(needed, device, what="the prediction")
