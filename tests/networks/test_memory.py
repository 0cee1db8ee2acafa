from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from objectwise.errors import ShapeError
from objectwise.networks import AffinityUNet
from objectwise.networks.memory import (
    MORE_THAN_ANY,
    estimate_inference_memory,
    estimate_training_memory,
)

MEASURED = """
import sys
import torch
from objectwise.networks import AffinityUNet

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

dimensions, features, patch, batch, train = eval(sys.argv[1])
network = AffinityUNet(dimensions, dimensions, features=features)
optimizer = torch.optim.AdamW(network.parameters())

def step(batch, shape):
    raw = torch.rand(batch, 1, *shape)
    if train:
        logits = network(raw)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.rand_like(logits))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    else:
        with torch.inference_mode():
            network.eval()(raw).sigmoid()

torch.set_num_threads(1)
step(1, (8,) * dimensions)
before = peak()
step(batch, patch)
step(batch, patch)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("dimensions", "features", "shape", "batch"),
    [(3, (4, 8), (16, 128, 128), 2), (2, (16, 32, 64), (256, 256), 4)],
)
def test_estimate_is_within_a_factor_of_two_of_what_is_taken(dimensions, features, shape, batch, train):
    case = repr((dimensions, features, shape, batch, train))
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, case], capture_output=True, text=True, timeout=300, check=True
    )
    estimate = estimate_training_memory if train else estimate_inference_memory
    network = AffinityUNet(dimensions, dimensions, features=features)
    ratio = estimate(network, shape, batch_size=batch) / int(ended.stdout)
    assert 0.5 < ratio < 2


def test_bytes_alive_at_once_are_counted_and_nothing_else():
    relus = nn.Sequential(*(nn.ReLU() for _ in range(5)))
    # The input of the whole, and that and the output of one layer.
    assert estimate_inference_memory(relus, (10, 10), batch_size=1, device="cuda") == 3 * 400
    weight = 4
    convolution = nn.Conv2d(1, 1, 1, bias=False)
    assert estimate_inference_memory(convolution, (10, 10), batch_size=3, device="cuda") == weight + 3 * 1200


def test_training_takes_more_than_prediction_and_the_cpu_more_than_a_gpu():
    network = AffinityUNet(2, 2, features=(4, 8))
    training, prediction = (
        [estimate(network, (64, 64), batch_size=2, device=device) for device in ("cpu", "cuda")]
        for estimate in (estimate_training_memory, estimate_inference_memory)
    )
    assert training[0] > training[1] > prediction[1]
    assert prediction[0] > prediction[1]


def test_estimate_grows_with_the_batch():
    network = AffinityUNet(2, 2, features=(4, 8))
    one, four = (estimate_training_memory(network, (64, 64), batch_size=n) for n in (1, 4))
    assert one * 3 < four < one * 4


def test_nothing_happens_to_the_network():
    network = AffinityUNet(2, 2, features=(4, 8)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    estimate_inference_memory(network, (8, 8), batch_size=1)
    estimate_training_memory(network, (8, 8), batch_size=1)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("shape", [(10**15, 8), (2**40, 2**40), (2**28, 2**28)])
def test_shapes_beyond_counting_are_more_than_any_memory(shape):
    network = AffinityUNet(2, 2, features=(64, 128))
    assert estimate_training_memory(network, shape, batch_size=10**6) >= MORE_THAN_ANY


def test_huge_network_without_weights_is_estimated_at_once():
    with torch.device("meta"):
        network = AffinityUNet(3, 3, features=(10**4, 10**5))
    assert estimate_training_memory(network, (8, 8, 8), batch_size=1) > 10**12


def test_network_that_needs_values_has_no_estimate():
    class Looks(nn.Module):
        def forward(self, raw):
            return raw if raw.max() > 0 else -raw

    assert estimate_inference_memory(Looks(), (8, 8), batch_size=1) is None


def test_shape_that_does_not_fit_keeps_its_sentence():
    with pytest.raises(ShapeError, match="multiples of the network's total stride"):
        estimate_inference_memory(AffinityUNet(2, 2, features=(4, 8)), (7, 8), batch_size=1)
