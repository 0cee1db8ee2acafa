"""Connected components of a thresholded affinity graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled
from objectwise.kernels.edges import first_inside, stop_inside
from objectwise.kernels.union_find import find, join, singletons


@compiled
def components_above(
    affinities: NDArray[Any], offsets: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """Label the components that edges above `threshold` join: 1, 2, ... in C order, single voxels 0.

    `affinities` is (k, z, y, x); the result is (z, y, x).
    """
    _, depth, height, width = affinities.shape
    parents = singletons(depth * height * width)
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        step = (dz * height + dy) * width + dx
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                row = (z * height + y) * width
                for x in range(first_inside(dx), stop_inside(dx, width)):
                    if affinities[c, z, y, x] > threshold:
                        u, v = find(parents, row + x), find(parents, row + x + step)
                        if u != v:
                            join(parents, u, v)
    return numbered(parents).reshape((depth, height, width))


@compiled
def numbered(parents: NDArray[Any]) -> NDArray[np.int64]:
    """Give numbers to the sets of a union-find in order of their first member; sets of one member get 0."""
    ids = np.zeros(parents.size, np.int64)
    labels = np.zeros(parents.size, np.int64)
    n_components = 0
    for v in range(parents.size):
        root = find(parents, v)
        if ~parents[root] > 1:
            if ids[root] == 0:
                n_components += 1
                ids[root] = n_components
            labels[v] = ids[root]
    return labels
