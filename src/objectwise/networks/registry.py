"""Networks by name, as a configuration and a network.pt name them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch

from objectwise.errors import ArgumentError
from objectwise.networks.foreign import ForeignNetwork, check_options, given_by_the_run, is_monai, made_of
from objectwise.networks.network import Network, plain_options

NETWORKS: dict[str, str] = {
    "unet": "objectwise.networks.affinity_unet:AffinityUNet",
    "mala": "objectwise.networks.mala:MALA",
    "plain_unet": "objectwise.networks.plain_unet:PlainUNet",
    "residual_unet": "objectwise.networks.residual_unet:ResidualSymmetricUNet",
    "convolutional": "objectwise.networks.convolutional:ConvolutionalNetwork",
}
"""Ours. `monai.CLASS` is any network of `monai.networks.nets`."""

DIMENSIONS = {"mala": 3, "plain_unet": 2, "residual_unet": 3}
"""Networks for volumes or for images only."""


def build(
    name: str,
    *,
    dimensions: int,
    in_channels: int,
    out_channels: int,
    options: Mapping[str, Any],
    weights: bool = True,
) -> Network:
    """Return a network with random weights.

    Parameters
    ----------
    name : str
        One of `NETWORKS`, `monai.CLASS`, or `package.module:Class`.
    dimensions : 2 or 3
    in_channels, out_channels : int
    options : mapping
        Further keyword arguments of the class, plain data.
    weights : bool
        False takes no memory, whatever the size: the weights have shapes and no values (device `meta`). Only
        a network of others that cannot be made so has values.

    Raises
    ------
    ArgumentError
        If there is no such network, it is for other dimensions, or an option is none of its.
    """
    if not isinstance(name, str) or not (name in NETWORKS or is_monai(name) or ":" in name):
        raise ArgumentError(
            f"`network` must be one of {', '.join(NETWORKS)}, monai.CLASS or package.module:Class, got "
            f"{name!r}"
        )
    make = partial(
        _ours if name in NETWORKS else ForeignNetwork,
        name,
        dimensions=dimensions,
        in_channels=in_channels,
        out_channels=out_channels,
        options=plain_options(options),
    )
    if not weights:
        try:
            with torch.device("meta"):
                return make()
        except ArgumentError as error:
            if name in NETWORKS or error.__cause__ is None:  # it is no question of values
                raise
    with torch.device("cpu"):
        return make()


def _ours(
    name: str, *, dimensions: int, in_channels: int, out_channels: int, options: Mapping[str, Any]
) -> Network:
    needed = DIMENSIONS.get(name, dimensions)
    if needed != dimensions:
        raise ArgumentError(f"the network {name!r} must have dimensions: {needed}, got {dimensions}")
    module, _, attribute = NETWORKS[name].partition(":")
    made = getattr(import_module(module), attribute)
    given = given_by_the_run(
        made, name, dimensions=dimensions, in_channels=in_channels, out_channels=out_channels
    )
    check_options(made, name, given, options)
    network = made_of(made, name, {**given, **options})
    assert isinstance(network, Network)
    return network
