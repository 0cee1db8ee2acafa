"""The network of a configuration: its one definition, for training, prediction and the checks before both."""

from __future__ import annotations

import torch

from objectwise.config.models import RunConfig
from objectwise.networks import AffinityUNet
from objectwise.tasks import task_of


def network_of(config: RunConfig, *, weights: bool = True) -> AffinityUNet:
    """Return the network of a configuration, with the random weights of its seed.

    The global random state is left as it was, that of the GPUs included: the weights are drawn on the CPU.

    Parameters
    ----------
    config : RunConfig
    weights : bool
        False takes no memory, whatever the size: the weights have shapes and no values (device `meta`).
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if weights else "meta"):
        torch.default_generator.manual_seed(config.seed)
        return AffinityUNet(
            config.dimensions,
            len(task_of(config).channels),
            in_channels=config.data.channels,
            features=config.network.features,
            kernel_sizes=config.network.kernel_sizes,
            strides=config.network.strides,
        )
