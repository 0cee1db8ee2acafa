"""2-D images as volumes of one section, so that each kernel is written for three axes only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ShapeError


def check_spatial(shape: Sequence[int], *, name: str) -> None:
    """Require 2 or 3 spatial axes."""
    if len(shape) not in (2, 3):
        raise ShapeError(f"`{name}` must be 2-D (y, x) or 3-D (z, y, x), got shape {tuple(shape)}")


def as_volume(voxels: NDArray[Any]) -> NDArray[Any]:
    """View (y, x) or (z, y, x) as (z, y, x)."""
    return voxels if voxels.ndim == 3 else voxels[np.newaxis]


def as_channels(edges: NDArray[Any]) -> NDArray[Any]:
    """View (k, y, x) or (k, z, y, x) as (k, z, y, x)."""
    return edges if edges.ndim == 4 else edges[:, np.newaxis]


def as_steps(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (k, 2) or (k, 3) offsets as (k, 3), with 0 in z."""
    return offsets if offsets.shape[1] == 3 else np.pad(offsets, ((0, 0), (1, 0)))
