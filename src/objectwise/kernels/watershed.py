"""Seeded watershed on the edges of an affinity graph: a maximum spanning forest with one tree per seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled
from objectwise.kernels.edge_order import strongest_first
from objectwise.kernels.edges import first_inside, stop_inside, voxel_steps
from objectwise.kernels.union_find import find, join, singletons


def flood(
    affinities: NDArray[Any], offsets: NDArray[np.int64], seeds: NDArray[np.int64], mask: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Extend `seeds` (z, y, x) over the voxels of `mask` along the edges of (k, z, y, x) `affinities`.

    Kruskal's algorithm, in the library's order of edges, where two trees with a seed never join.
    """
    shape = (seeds.shape[0], seeds.shape[1], seeds.shape[2])
    strengths, edges = _open_edges(affinities, offsets, seeds, mask)
    return _grow(edges[strongest_first(strengths)], voxel_steps(shape, offsets), seeds.reshape(-1)).reshape(
        shape
    )


@compiled
def _open_edges(
    affinities: NDArray[Any], offsets: NDArray[np.int64], seeds: NDArray[np.int64], mask: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return affinity and index of the edges that may decide something, by ascending index.

    An edge between two seeded voxels decides nothing. They are most edges, and not sorting them is most of
    the time saved.
    """
    n_channels, depth, height, width = affinities.shape
    n_open = 0
    strengths = np.empty(0, affinities.dtype)
    edges = np.empty(0, np.int64)
    for is_counted in (False, True):
        if is_counted:
            strengths = np.empty(n_open, affinities.dtype)
            edges = np.empty(n_open, np.int64)
        n_open = 0
        for c in range(n_channels):
            dz, dy, dx = offsets[c]
            for z in range(first_inside(dz), stop_inside(dz, depth)):
                for y in range(first_inside(dy), stop_inside(dy, height)):
                    row = ((c * depth + z) * height + y) * width
                    for x in range(first_inside(dx), stop_inside(dx, width)):
                        if seeds[z, y, x] != 0 and seeds[z + dz, y + dy, x + dx] != 0:
                            continue
                        if not (mask[z, y, x] and mask[z + dz, y + dy, x + dx]):
                            continue
                        if is_counted:
                            strengths[n_open] = affinities[c, z, y, x]
                            edges[n_open] = row + x
                        n_open += 1
    return strengths, edges


@compiled
def _grow(edges: NDArray[np.int64], steps: NDArray[np.int64], seeds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Walk the sorted edges; `labels` holds at each root the seed of its tree, 0 while it has none."""
    labels = seeds.copy()
    parents = singletons(labels.size)
    for edge in edges:
        u = edge % labels.size
        v = find(parents, u + steps[edge // labels.size])
        u = find(parents, u)
        if u == v:
            continue
        if labels[u] == 0 and labels[v] == 0:
            join(parents, u, v)
        elif labels[u] == 0:
            labels[u] = labels[v]
        elif labels[v] == 0:
            labels[v] = labels[u]
    for voxel in range(labels.size):
        labels[voxel] = labels[find(parents, voxel)]
    return labels
