"""How much memory the prediction of a volume takes, before it takes any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn

CURE = "take a smaller window or batch, or fewer sections at a time"


class PredictionMemory(NamedTuple):
    """Bytes, about."""

    host: int
    """Raw and predicted volume, and what lies between them."""
    device: int | None
    """The network and a batch of windows; None of a network that does not run without values."""


def estimate_prediction_memory(
    network: nn.Module,
    shape: Sequence[int],
    *,
    itemsize: int,
    channels: int,
    window_shape: Sequence[int],
    batch_size: int,
    device: str = "cpu",
) -> PredictionMemory:
    """Estimate what `predict_affinities` takes, with the volume that it is given.

    Parameters
    ----------
    network : nn.Module
        Stays as it is.
    shape : (z, y, x) or (channels, z, y, x)
        Of the raw volume.
    itemsize : int
        Bytes of each of its voxels.
    channels : int
        Of the prediction.
    window_shape : 2 or 3 ints, voxels
    batch_size : int
    device : "cpu", "cuda" or "mps"

    Returns
    -------
    PredictionMemory
        Within a factor of two of what is taken where that is much.
    """
    from objectwise.networks.memory import estimate_inference_memory
    from objectwise.networks.network import written_by

    *inner, depth, _, _ = (1, *shape) if len(shape) == 3 else shape
    in_channels = math.prod(inner)
    image = shape[-len(window_shape) :]
    writes = written_by(network, window_shape, in_channels=in_channels, name="window_shape")
    margins = [read - write for read, write in zip(window_shape, writes, strict=True)]
    written = [max(length, write) for length, write in zip(image, writes, strict=True)]
    padded = math.prod(length + margin for length, margin in zip(written, margins, strict=True))
    images = 1 if len(window_shape) == 3 else min(batch_size, depth)
    # Of a few images at once: as float32, padded, what is blended, and the sum of weights.
    blended = 4 * images * in_channels * (padded + math.prod(image))
    blended += 4 * math.prod(written) * (images * channels + 1)
    volume = math.prod(shape[-3:])
    whole = 4 * channels * volume if len(window_shape) == 2 or math.prod(written) > volume else 0
    on_device = estimate_inference_memory(
        network, window_shape, batch_size=batch_size, in_channels=in_channels, device=device
    )
    return PredictionMemory(itemsize * math.prod(shape) + blended + whole, on_device)


def require_prediction_memory(needed: PredictionMemory, device: str, *, what: str) -> None:
    """Refuse a prediction that cannot fit.

    Raises
    ------
    ArgumentError
        If host or device have less memory than it needs.
    """
    from objectwise.networks.machine import require_memory

    shared = device != "cuda" and needed.device is not None
    together = needed.host + (needed.device or 0) if shared else needed.host
    require_memory(together, "cpu", what=what, cure=CURE)
    require_memory(needed.device, device, what=what, cure=CURE)
