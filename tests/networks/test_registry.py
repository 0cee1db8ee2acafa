"""Networks by name."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, ObjectwiseError
from objectwise.networks.registry import NETWORKS, build
from objectwise.networks.shapes import output_shape

SMALL = {
    "unet": (2, {"features": [2, 4]}, (8, 8)),
    "mala": (3, {"features": 1, "growth": 2}, (30, 214, 214)),
    "plain_unet": (2, {"depth": 2, "width_factor": 1}, (8, 8)),
    "residual_unet": (3, {"features": [2, 3]}, (4, 8, 8)),
    "convolutional": (3, {"features": [2]}, (5, 6, 7)),
    "monai.BasicUNet": (2, {"features": [2, 2, 2, 2, 2, 2]}, (32, 32)),
    "monai.UNet": (3, {"channels": [2, 4], "strides": [2]}, (8, 8, 8)),
    "torch.nn:Conv2d": (2, {"kernel_size": 3, "padding": 1}, (4, 4)),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_network_is_built_by_name_with_the_channels_of_the_run(name):
    dimensions, options, shape = SMALL[name]
    network = build(name, dimensions=dimensions, in_channels=2, out_channels=3, options=options)
    assert output_shape(network, shape, in_channels=2, name="patch_shape")[0] == 3


def test_all_of_ours_are_tried():
    assert set(NETWORKS) < set(SMALL)


@pytest.mark.parametrize(
    ("name", "dimensions", "options", "words"),
    [
        ("vnet", 3, {}, "must be one of unet"),
        ("mala", 2, {}, "must have dimensions: 3, got 2"),
        ("plain_unet", 2, {"wf": 3}, "must be among those of plain_unet"),
        ("plain_unet", 2, {"out_channels": 3}, "must be among those of plain_unet"),
        ("monai.UNett", 2, {}, "must name a class that imports"),
        ("monai.UNet", 2, {"channels": [2], "strides": [2]}, "must make a network of monai.UNet"),
        ("nowhere:Net", 2, {}, "must name a class that imports"),
        ("torch.nn:ReLU", 2, {}, "with an argument 'in_channels'"),
    ],
)
def test_names_and_options_that_lead_nowhere_are_refused(name, dimensions, options, words):
    with pytest.raises(ObjectwiseError, match=words):
        build(name, dimensions=dimensions, in_channels=1, out_channels=2, options=options)


def not_a_network(in_channels, out_channels):
    """Return what is no module."""
    return [in_channels, out_channels]


def test_a_function_that_makes_no_network_is_refused():
    with pytest.raises(ArgumentError, match="must be a torch module, got list"):
        build(f"{__name__}:not_a_network", dimensions=2, in_channels=1, out_channels=1, options={})


def test_weights_follow_from_the_random_state():
    def one(seed):
        torch.manual_seed(seed)
        network = build("plain_unet", dimensions=2, in_channels=1, out_channels=1, options={"depth": 1})
        return network.head.weight

    with torch.random.fork_rng():
        assert torch.equal(one(0), one(0))
        assert not torch.equal(one(0), one(1))
