"""The walk within objects: Kruskal over the edges between two voxels of one object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled
from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.edge_lists import channel_bits, edge_ends
from objectwise.kernels.prefetch import AHEAD, prefetch
from objectwise.kernels.union_find import find, join


@compiled
def count_within(
    order: NDArray[np.uint64], steps: NDArray[np.int64], parents: NDArray[np.int32], out: EdgeCounts
) -> EdgeCounts:
    """Count the pairs of each merge; it joins two pieces of one object, so they are size times size.

    Parameters
    ----------
    order : (m,) packed edges, strongest first
    steps : (k,) from a voxel to the other end of its edge, by channel
    parents : (n,) union-find over the voxels, joined in place
    out : at least as long as there are merges
        It is written in sequence and may lie over `order`: a merge comes after its edge was read. Only the
        union-find has random access, and that is asked for in two steps, an edge's voxels and then their
        parents.
    """
    bits = channel_bits(len(steps))
    edges, pairs = out
    n_merges = 0
    for i in range(order.size):
        if i + 2 * AHEAD < order.size:
            _, late_u, late_v = edge_ends(order[i + 2 * AHEAD], bits, steps)
            prefetch(parents, late_u)
            prefetch(parents, late_v)
            _, soon_u, soon_v = edge_ends(order[i + AHEAD], bits, steps)
            prefetch(parents, parents[soon_u])
            prefetch(parents, parents[soon_v])
        channel, voxel, other = edge_ends(order[i], bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u != v:
            edges[n_merges] = channel * parents.size + voxel
            pairs[n_merges] = ~np.int64(parents[u]) * ~np.int64(parents[v])
            n_merges += 1
            join(parents, u, v)
    return EdgeCounts(edges[:n_merges], pairs[:n_merges])
