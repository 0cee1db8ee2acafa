"""Walks over the edges of an affinity graph. All arrays are 3-D volumes; a 2-D image is one section.

The edge of channel c at voxel v has the index c * n_voxels + v, its place in the flat affinities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined


@inlined
def first_inside(step: int) -> int:
    """Return the first coordinate from which `step` stays inside."""
    return max(0, -step)


@inlined
def stop_inside(step: int, length: int) -> int:
    """Return one past the last coordinate from which `step` stays inside."""
    return min(length, length - step)


@compiled
def voxel_steps(shape: tuple[int, int, int], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each offset, the distance between the flat indices of the two ends."""
    steps = np.empty(len(offsets), np.int64)
    for c in range(len(offsets)):
        steps[c] = (offsets[c, 0] * shape[1] + offsets[c, 1]) * shape[2] + offsets[c, 2]
    return steps


@compiled
def count_edges(shape: tuple[int, int, int], offsets: NDArray[np.int64]) -> int:
    """Count the edges that stay inside the volume."""
    n_edges = 0
    for c in range(len(offsets)):
        edges = 1
        for axis in range(3):
            edges *= shape[axis] - abs(offsets[c, axis])
        n_edges += edges
    return n_edges


@compiled
def affinities_of(labels: NDArray[Any], offsets: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Write 1 into the zeroed `out` (k, z, y, x) where an edge joins two voxels of one object."""
    depth, height, width = labels.shape
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                for x in range(first_inside(dx), stop_inside(dx, width)):
                    label = labels[z, y, x]
                    if label != 0 and label == labels[z + dz, y + dy, x + dx]:
                        out[c, z, y, x] = 1


@compiled
def known_edges_of(offsets: NDArray[np.int64], out: NDArray[np.bool_]) -> None:
    """Write True into the False `out` (k, z, y, x) where an edge stays inside the volume."""
    _, depth, height, width = out.shape
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        out[
            c,
            first_inside(dz) : stop_inside(dz, depth),
            first_inside(dy) : stop_inside(dy, height),
            first_inside(dx) : stop_inside(dx, width),
        ] = True
