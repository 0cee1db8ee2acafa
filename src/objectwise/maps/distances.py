"""Exact Euclidean distances to the border of a class, several classes in one pass where that is possible."""

from __future__ import annotations

from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray

from objectwise.threads import thread_count

Distances = NDArray[np.float32]


def distances_within(indices: NDArray[Any], spacing: tuple[float, ...]) -> Distances:
    """Return, for every voxel, the distance to the nearest voxel of another class.

    `indices` are unsigned, (*spatial). Where only one class is there, distances are infinite. All classes
    take one pass, which rounds to float32; with a spacing of 1 the squared distances are exact.
    """
    # 0 would be background to the transform, of which no distance is taken.
    return _transform(indices + indices.dtype.type(1), spacing)


def signed_distances(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Distances:
    """Return the distance to the nearest voxel on the other side of the border, negative inside the mask.

    Infinite where there is no border.
    """
    distances = _transform(mask.astype(np.uint8) + np.uint8(1), spacing)
    return np.negative(distances, out=distances, where=mask)


def _transform(regions: NDArray[Any], spacing: tuple[float, ...]) -> Distances:
    regions = np.ascontiguousarray(regions)
    # Threads within a transform, not transforms side by side: edt keeps the GIL.
    return np.asarray(edt.edt(regions, anisotropy=spacing, black_border=False, parallel=thread_count()))
