"""Networks of MONAI and of users: what they take and return is asked of them."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, ShapeError
from objectwise.networks.registry import build

OWN = "tests.networks.anyones:"


def one(name, *, dimensions=2, options=None, weights=True):
    return build(
        name, dimensions=dimensions, in_channels=1, out_channels=2, options=options or {}, weights=weights
    )


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("name", ["Own", "Looks", "Counts"])
def test_a_network_of_ones_own_says_what_comes_out(name, weights):
    state = torch.get_rng_state()
    network = one(OWN + name, weights=weights)
    if not weights and name != "Counts":
        assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
        assert torch.equal(torch.get_rng_state(), state)
    before = torch.get_rng_state()
    assert network.shape_of_output((5, 6), name="patch") == (5, 6)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["Own", "Looks"])
def test_valid_convolutions_are_known_by_what_comes_out(name):
    assert one(OWN + name, options={"padding": 0}).shape_of_output((5, 6)) == (3, 4)


def test_a_network_that_pools_says_which_shapes_are_near():
    network = one("monai.UNet", options={"channels": [2, 4, 4], "strides": [2, 2]})
    assert network.shape_of_output((8, 12)) == (8, 12)
    with pytest.raises(
        ShapeError,
        match=r"`patch` must fit the network, got \(9, 12\): .*; nearest .* \(8, 12\) and \(12, 12\)",
    ):
        network.shape_of_output((9, 12), name="patch")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Halved", r"must return the resolution of its input, .* got \(8, 4\) for an input of \(8, 8\)"),
        ("Enlarged", r"must return the resolution of its input, .* got \(8, 16\) for an input of \(8, 8\)"),
        ("OneMore", r"anyones:OneMore must return 2 channels, as the task has, got 3"),
        ("Several", r"must return \(n, k, \*spatial\) in training too, got list for inputs of \(8, 8\)"),
    ],
)
def test_a_network_that_returns_something_else_is_refused(name, words):
    with pytest.raises(ShapeError, match=words):
        one(OWN + name).shape_of_output((8, 8), training=True)


def test_another_number_of_axes_is_refused():
    with pytest.raises(ShapeError, match=r"`patch` must have 2 spatial axes, got \(8, 8, 8\)"):
        one(OWN + "Own").shape_of_output((8, 8, 8), name="patch")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Nothing", {}, "must name a class that imports"),
        ("Own", {"scale": print}, "must be text, numbers, lists and mappings, got builtin_function"),
        ("Own", {"scale": "wide"}, "must make a network of tests.networks.anyones:Own"),
        ("Own", {"width": 2}, r"must be among those of .* \['scale', 'padding'\], got 'width'"),
    ],
)
@pytest.mark.parametrize("weights", [True, False])
def test_names_and_options_that_make_no_network_are_refused(name, options, words, weights):
    with pytest.raises(ArgumentError, match=words):
        one(OWN + name, options=options, weights=weights)


def test_a_module_that_raises_as_it_is_imported_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "broken_network.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ArgumentError, match=r"must name a class that imports, got .*: not today"):
        one("broken_network:Net")


def test_functions_of_monai_are_no_networks():
    with pytest.raises(ArgumentError, match=r"must name a class of networks, got 'monai.densenet'"):
        one("monai.densenet")
