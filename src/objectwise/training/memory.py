"""How much memory the training of a configuration takes, before it takes any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from objectwise.config.models import RunConfig
from objectwise.networks.machine import require_memory
from objectwise.networks.memory import estimate_training_memory
from objectwise.tasks import task_of
from objectwise.training.network import network_of

LOSS_BYTES = 64
"""On the host, of each logit of a step: MALIS orders the edges and counts the pairs that each decides."""
FOREGROUND_BYTES = 48
"""Of each voxel of the largest volume, while the fullest patch is looked for; see `largest_foreground`."""
PLACE_BYTES = 4
"""Of each voxel of all volumes, where patches are drawn around objects or classes; see `Places`."""
CURE = "take a smaller training.patch_shape, training.batch_size or network"


class TrainingMemory(NamedTuple):
    """Bytes, about."""

    host: int
    """The volumes, and patches and losses of a step."""
    device: int | None
    """Network, gradients, optimiser and activations; None of a network that does not run without values."""


def estimate_training(
    config: RunConfig, volumes: Sequence[tuple[Sequence[int], int]], *, device: str = "cpu"
) -> TrainingMemory:
    """Estimate what each process of a training takes.

    Parameters
    ----------
    config : RunConfig
    volumes : for each volume of the training its shape, and the bytes of each voxel, raw and labels together
    device : "cpu", "cuda" or "mps"

    Returns
    -------
    TrainingMemory
        Within a factor of two of what is taken where that is much.
    """
    settings = config.training
    task, network = task_of(config), network_of(config, weights=False)
    patch = math.prod(settings.patch_shape)
    covered = math.prod(
        network.shape_of_output(settings.patch_shape, name="training.patch_shape", training=True)
    )
    named = [task.losses.get(term.name or "") for term in settings.terms if term.python is None]
    mapped = sum(kind is not None and kind.has_map for kind in named)
    # float32 raw, int64 labels, float32 maps
    voxel = 4 * config.data.channels + 8 + 4 * mapped * len(task.channels)
    loaded = (2 + 2 * settings.workers) * settings.batch_size * patch * voxel
    losses = LOSS_BYTES * settings.batch_size * covered * len(task.channels)
    largest = max((math.prod(shape) for shape, _ in volumes), default=0)
    balanced = settings.balance.around != "anywhere"
    looking = FOREGROUND_BYTES * largest if settings.minimum_foreground > 0 or balanced else 0
    places = PLACE_BYTES if balanced else 0
    held = sum(math.prod(shape) * (size + places) for shape, size in volumes)
    step = estimate_training_memory(
        network,
        settings.patch_shape,
        batch_size=settings.batch_size,
        in_channels=config.data.channels,
        device=device,
    )
    if step is not None and settings.average_weights is not None:
        step += sum(weight.numel() * weight.element_size() for weight in network.parameters())
    return TrainingMemory(held + max(looking, loaded + losses), step)


def require_training_memory(needed: TrainingMemory, device: str, *, processes: int = 1) -> None:
    """Refuse a training that cannot fit; each of several processes takes as much.

    Raises
    ------
    ArgumentError
        If host or device have less memory than it needs.
    """
    shared = device != "cuda" and needed.device is not None
    one = needed.host + (needed.device or 0) if shared else needed.host
    require_memory(processes * one, "cpu", what="the training", cure=CURE)
    require_memory(needed.device, device, what="a step of the training", cure=CURE)
