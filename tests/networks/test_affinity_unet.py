from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, ShapeError
from objectwise.networks import AffinityUNet


@pytest.mark.parametrize(
    ("dimensions", "options", "spatial"),
    [
        (2, {"features": (4, 8)}, (6, 10)),
        (2, {"features": (4, 8, 12)}, (8, 20)),
        (3, {"features": (4, 8, 8)}, (4, 8, 12)),
        (
            3,
            {
                "features": (4, 6, 10),
                "kernel_sizes": ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
                "strides": ((1, 2, 2), (1, 3, 2)),
            },
            (5, 12, 8),
        ),
        (3, {"features": (4, 8), "strides": ((1, 1, 1),)}, (3, 5, 7)),
        (2, {"features": (4, 8), "kernel_sizes": ((5, 5), (7, 1)), "strides": ((4, 2),)}, (8, 6)),
    ],
)
def test_network_keeps_the_spatial_shape(dimensions, options, spatial):
    network = AffinityUNet(dimensions, 3, **options)
    assert network(torch.rand(2, 1, *spatial)).shape == (2, 3, *spatial)


def test_network_answers_on_its_smallest_input_in_training_and_evaluation_alike():
    network = AffinityUNet(2, 2, features=(4, 8, 8))
    raw = torch.rand(1, 1, *network.total_stride)
    trained = network.train()(raw)
    torch.testing.assert_close(trained, network.eval()(raw))


def test_network_treats_each_image_of_a_batch_for_itself():
    network = AffinityUNet(2, 2, features=(4, 8))
    raw = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(network(raw)[1:2], network(raw[1:2]))


def test_kernels_of_one_along_z_keep_sections_apart():
    network = AffinityUNet(
        3, 1, features=(4, 8), kernel_sizes=((1, 3, 3), (1, 3, 3)), strides=((1, 2, 2),)
    ).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda tensor: tensor  # its statistics join all voxels of a window
    raw = torch.rand(1, 1, 4, 8, 8)
    changed = raw.clone()
    changed[:, :, 0] += 1
    torch.testing.assert_close(network(raw)[:, :, 1:], network(changed)[:, :, 1:])
    assert not torch.allclose(network(raw)[:, :, 0], network(changed)[:, :, 0])


def test_network_names_the_factor_an_input_must_be_a_multiple_of():
    network = AffinityUNet(2, 2, features=(4, 8, 8), strides=((2, 2), (3, 2)))
    assert network.total_stride == (6, 4)
    with pytest.raises(
        ShapeError, match=r"`raw` must have spatial lengths .* multiples .*\(6, 4\), got \(12, 6\)"
    ):
        network(torch.rand(1, 1, 12, 6))


def test_network_refuses_inputs_of_another_rank_or_channel_number():
    network = AffinityUNet(2, 2, features=(4, 8))
    with pytest.raises(ShapeError, match=r"`raw` must have shape \(n, 1, y, x\), got \(1, 2, 8, 8\)"):
        network(torch.rand(1, 2, 8, 8))
    with pytest.raises(ShapeError, match=r"`raw` must have shape"):
        network(torch.rand(1, 1, 4, 8, 8))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"features": (4,)}, ShapeError, "`features` must have at least 2 levels"),
        (
            {"features": (4, 8), "strides": ((2, 2, 2),)},
            ShapeError,
            "`strides` must have 1 rows of 2 numbers",
        ),
        ({"features": (4, 8), "kernel_sizes": ((3, 3),)}, ShapeError, "`kernel_sizes` must have 2 rows"),
        ({"features": (4, 8), "kernel_sizes": ((3, 2), (3, 3))}, ArgumentError, "`kernel_sizes` must be odd"),
        (
            {"features": (4, 8), "strides": ((5, 2),)},
            ArgumentError,
            "`strides` must be at least 1 and at most",
        ),
    ],
)
def test_network_refuses_tables_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        AffinityUNet(2, 2, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_channels": 0}, "`out_channels` must be a whole number, at least 1, got 0"),
        ({"out_channels": True}, "`out_channels` must be a whole number, at least 1, got True"),
        ({"out_channels": 10**40}, "must make a network that fits into memory"),
        ({"in_channels": -1}, "`in_channels` must be a whole number, at least 1, got -1"),
        ({"dimensions": "2"}, "`dimensions` must be 2 or 3, got '2'"),
        ({"dimensions": 4}, "`dimensions` must be 2 or 3, got 4"),
        ({"features": 16}, "`features` must list whole numbers, got 16"),
        ({"features": (4, 8.5)}, "`features` must be a whole number, at least 1, got 8.5"),
        ({"features": (4, 0)}, "`features` must be a whole number, at least 1, got 0"),
        ({"features": (10**9, 10**9)}, "must make a network that fits into memory, got .*1000000000"),
        ({"kernel_sizes": 3}, "`kernel_sizes` must have 2 rows of 2 numbers, got 3"),
        ({"kernel_sizes": ((3, 3), (3, 2.5))}, "`kernel_sizes` must be a whole number"),
        ({"strides": ((0, 2),)}, "`strides` must be a whole number, at least 1, got 0"),
    ],
)
def test_absurd_numbers_are_refused_in_a_sentence(options, message):
    arguments = {"dimensions": 2, "out_channels": 2, "features": (4, 8)} | options
    with pytest.raises(ArgumentError, match=message):
        AffinityUNet(arguments.pop("dimensions"), arguments.pop("out_channels"), **arguments)
