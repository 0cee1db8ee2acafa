"""The network of a configuration: its one definition, for training, prediction and the checks before both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from objectwise.config.models import RunConfig
from objectwise.config.network import UNET
from objectwise.networks import Network
from objectwise.networks.registry import build
from objectwise.tasks import task_of


def network_of(config: RunConfig, *, weights: bool = True) -> Network:
    """Return the network of a configuration, with the random weights of its seed.

    The global random state is left as it was, that of the GPUs included: the weights are drawn on the CPU.

    Parameters
    ----------
    config : RunConfig
    weights : bool
        False takes no memory, whatever the size: the weights have shapes and no values (device `meta`). Only
        a network of others that cannot be made so has values.

    Raises
    ------
    ArgumentError
        If there is no such network, it is for other dimensions, or an option is none of its.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        return build(
            config.network.place,
            dimensions=config.dimensions,
            in_channels=config.data.channels,
            out_channels=len(task_of(config).channels),
            options=_options(config),
            weights=weights,
        )


def covered_by(
    config: RunConfig, shape: Sequence[int], *, name: str, training: bool = False
) -> tuple[int, ...]:
    """Return what the output of a configuration's network covers of a patch or a window: its middle.

    Some networks return something else in training than in evaluation; they are asked about that too.

    Raises
    ------
    ShapeError
        If the network does not take the shape, or returns something else than the task has channels.
    """
    return network_of(config, weights=False).shape_of_output(shape, name=name, training=training)


def _options(config: RunConfig) -> dict[str, Any]:
    chosen = config.network
    if chosen.place != UNET:
        return chosen.options
    return {
        "features": chosen.features,
        "kernel_sizes": chosen.kernel_sizes,
        "strides": chosen.strides,
    }
