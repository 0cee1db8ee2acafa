"""Networks by name, as a configuration and a network.pt name them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from objectwise.errors import ArgumentError, ObjectwiseError

NETWORKS: dict[str, str] = {
    "unet": "objectwise.networks.affinity_unet:AffinityUNet",
    "mala": "objectwise.networks.mala:MALA",
    "plain_unet": "objectwise.networks.plain_unet:PlainUNet",
    "residual_unet": "objectwise.networks.residual_unet:ResidualSymmetricUNet",
    "convolutional": "objectwise.networks.convolutional:ConvolutionalNetwork",
}
"""Ours. `monai` is any network of `monai.networks.nets`, by its class."""

DIMENSIONS = {"mala": 3, "plain_unet": 2, "residual_unet": 3}
"""Networks for volumes or for images only."""

SPATIAL_NAMES = ("dimensions", "spatial_dims")
INPUT_NAMES = ("in_channels",)
OUTPUT_NAMES = ("out_channels", "num_classes")


def build(
    name: str, *, dimensions: int, in_channels: int, out_channels: int, options: Mapping[str, Any]
) -> nn.Module:
    """Return a network with random weights.

    Parameters
    ----------
    name : str
        One of `NETWORKS`, `monai.CLASS`, or `package.module:Class`.
    dimensions : 2 or 3
    in_channels, out_channels : int
    options : mapping
        Further keyword arguments of the class.

    Raises
    ------
    ArgumentError
        If there is no such network, it is for other dimensions, or an option is none of its.
    """
    if name in NETWORKS:
        needed = DIMENSIONS.get(name, dimensions)
        if needed != dimensions:
            raise ArgumentError(f"the network {name!r} must have dimensions: {needed}, got {dimensions}")
    made = _class_of(name)
    given = _given(made, name, dimensions, in_channels, out_channels)
    known = [one for one in inspect.signature(made).parameters if one not in given]
    for option in options:
        if option not in known:
            raise ArgumentError(f"`network.options` must be among those of {name} {known}, got {option!r}")
    try:
        network = made(**given, **options)
    except ObjectwiseError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArgumentError(
            f"`network.options` must make a network of {name}, got {dict(options)}: {reason}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ArgumentError(f"`network` must be a torch module, got {type(network).__name__} from {name}")
    return network


def _class_of(name: str) -> Callable[..., Any]:
    place = NETWORKS.get(name, name)
    if place.startswith("monai."):
        place = f"monai.networks.nets:{place.removeprefix('monai.')}"
    module, colon, attribute = place.partition(":")
    if not colon:
        raise ArgumentError(
            f"`network.name` must be one of {', '.join(NETWORKS)}, monai.CLASS or package.module:Class, "
            f"got {name!r}"
        )
    try:
        made: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ArgumentError(
            f"`network.name` must name a class that imports, got {name!r}: {error}"
        ) from error
    return made


def _given(
    made: Callable[..., Any], name: str, dimensions: int, in_channels: int, out_channels: int
) -> dict[str, Any]:
    """Return what the run decides, under the names that the class has for it."""
    parameters = inspect.signature(made).parameters
    given: dict[str, Any] = {}
    for names, value, needed in (
        (SPATIAL_NAMES, dimensions, False),
        (INPUT_NAMES, in_channels, True),
        (OUTPUT_NAMES, out_channels, True),
    ):
        found = [one for one in names if one in parameters]
        if needed and not found:
            raise ArgumentError(
                f"`network.name` must name a class with an argument {names[0]!r}, got {name!r}"
            )
        given |= dict.fromkeys(found[:1], value)
    return given
