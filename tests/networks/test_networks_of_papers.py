"""The networks of the papers: shapes, sizes and fields of view as they are stated there."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, ShapeError
from objectwise.networks.convolutional import HISTORIC, ConvolutionalNetwork
from objectwise.networks.mala import MALA
from objectwise.networks.plain_unet import PlainUNet
from objectwise.networks.residual_unet import ResidualSymmetricUNet
from objectwise.networks.shapes import field_of_view, output_shape


def n_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_mala_takes_and_gives_the_shapes_of_the_paper():
    network = MALA(3)
    assert network.shape_of_output((84, 268, 268)) == (56, 56, 56)
    assert output_shape(network, (84, 268, 268), in_channels=1, name="raw") == (3, 56, 56, 56)
    # 12, 60, 300 and 1500 channels: nearly all weights are those of the coarsest level.
    assert n_parameters(network) == 87_753_495


def test_mala_computes_what_it_says():
    network = MALA(2, features=2, growth=2)
    assert network(torch.rand(2, 1, 30, 214, 241)).shape == (2, 2, 2, 2, 29)


def test_mala_sees_as_far_as_its_convolutions_and_pools_reach():
    network = MALA(1, features=1, growth=1, factors=[(1, 2, 2)])
    # Along z six convolutions of 3. In the plane two of them count twice, and pooling adds one.
    assert field_of_view(network, (16, 24, 24)) == (13, 18, 18)


def test_mala_refuses_what_pooling_leaves_over_and_says_what_fits():
    with pytest.raises(ShapeError, match=r"got \(30, 210, 214\); nearest that fit: \(30, 214, 214\)"):
        MALA(1, features=1, growth=1)(torch.rand(1, 1, 30, 210, 214))
    with pytest.raises(ShapeError, match=r"nearest that fit: \(29, 214, 214\)"):
        MALA(1, features=1, growth=1)(torch.rand(1, 1, 28, 214, 214))


@pytest.mark.parametrize(("name", "view", "n_2d"), [("turaga2009", 17, 1642), ("maximin_pairs", 25, 64826)])
def test_convolutional_networks_have_the_layers_and_the_view_of_the_papers(name, view, n_2d):
    network = ConvolutionalNetwork(2, 2, **HISTORIC[name])
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == {"turaga2009": 4, "maximin_pairs": 6}[name]
    assert n_parameters(network) == n_2d
    assert field_of_view(network, (41, 41)) == (view, view)
    assert network(torch.rand(3, 1, 21, 21)).shape == (3, 2, 21, 21)


def test_a_convolutional_network_without_padding_takes_its_view_from_the_input():
    network = ConvolutionalNetwork(3, 3, features=(2,), kernel_size=3, padding=False)
    assert network(torch.rand(1, 1, 7, 8, 9)).shape == (1, 3, 3, 4, 5)


@pytest.mark.parametrize(("padding", "length", "expected"), [(False, 572, 388), (True, 64, 64)])
def test_the_plain_unet_has_the_shapes_of_the_paper(padding, length, expected):
    network = PlainUNet(2, padding=padding)
    assert output_shape(network, (length, length), in_channels=1, name="raw") == (2, expected, expected)
    assert n_parameters(network) == 31_030_658


@pytest.mark.parametrize("up_mode", ["transposed", "bilinear"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_plain_unet_works_with_every_switch(up_mode, batch_norm):
    network = PlainUNet(3, depth=3, width_factor=2, batch_norm=batch_norm, up_mode=up_mode, in_channels=2)
    assert network(torch.rand(2, 2, 16, 24)).shape == (2, 3, 16, 24)


def test_the_residual_unet_keeps_the_shape_and_is_small():
    network = ResidualSymmetricUNet(3)
    assert output_shape(network, (18, 160, 160), in_channels=1, name="raw") == (3, 18, 160, 160)
    assert n_parameters(network) == 1_755_971
    assert network(torch.rand(1, 1, 2, 16, 32)).shape == (1, 3, 2, 16, 32)


def test_the_residual_unet_sees_within_the_section_first():
    network = ResidualSymmetricUNet(1, features=(1, 1))
    # Along z only the coarser level's three convolutions of 3.
    assert field_of_view(network, (11, 48, 48))[0] == 7


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: MALA(0), ArgumentError, "`out_channels`"),
        (lambda: MALA(1, factors=[(1, 3)]), ShapeError, "`factors`"),
        (lambda: ConvolutionalNetwork(4, 1), ArgumentError, "`dimensions`"),
        (lambda: ConvolutionalNetwork(2, 1, kernel_size=4), ArgumentError, "`kernel_size` must be odd"),
        (lambda: ConvolutionalNetwork(2, 1, activation="swish"), ArgumentError, "`activation`"),
        (lambda: ConvolutionalNetwork(2, 1, batch_norm="no"), ArgumentError, "`batch_norm`"),
        (lambda: PlainUNet(1, up_mode="nearest"), ArgumentError, "`up_mode`"),
        (lambda: PlainUNet(1, depth=0), ArgumentError, "`depth`"),
        (lambda: PlainUNet(1)(torch.rand(1, 1, 20, 20)), ShapeError, "4 levels can halve"),
        (lambda: ResidualSymmetricUNet(1, features=(4,)), ShapeError, "at least 2 levels"),
        (lambda: ResidualSymmetricUNet(1, strides=[(1, 2, 2)]), ShapeError, "`strides` must have 4 rows"),
        (lambda: ResidualSymmetricUNet(1)(torch.rand(1, 1, 2, 20, 16)), ShapeError, "multiples of"),
    ],
)
def test_bad_options_and_shapes_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_network_that_returns_something_else_is_refused_by_its_shape():
    class Flat(torch.nn.Module):
        def forward(self, raw):
            return raw.flatten()

    with pytest.raises(ShapeError, match=r"must return \(n, k, \*spatial\)"):
        output_shape(Flat(), (4, 4), in_channels=1, name="patch_shape")
