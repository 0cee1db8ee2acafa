"""The maximum spanning forest in merge order, and walks over it.

Kruskal's algorithm attaches the smaller of two sets below the larger. Kept without path compression, these
attachments are a tree of depth log2(n) at most, and each is marked with the number of its merge:

    v - 0 - a - 3 - b        Marks ascend towards the root, so the merge that joined two voxels is the
    w ----- 2 ------|        largest mark on the path between them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled
from objectwise.kernels.components import numbered
from objectwise.kernels.edge_lists import channel_bits, edge_ends, edges_to_sort
from objectwise.kernels.edge_order import KEY_BITS, sort_by_key
from objectwise.kernels.edges import known_edges_of, voxel_steps
from objectwise.kernels.label_pairs import (
    ROOM,
    broken_objects,
    grown,
    merge_several,
    merge_single,
    no_histograms,
)
from objectwise.kernels.prefetch import AHEAD, prefetch
from objectwise.kernels.union_find import find, join

ROOT = np.int32(-1)
"""Parent of a root; its merge is one past the last, so that marks ascend up to it too."""
SINGLE, SEVERAL = ~np.int32(1), ~np.int32(2)
"""Roots of a union-find, of one voxel and of more."""


class SpanningForest(NamedTuple):
    """The m merges of Kruskal's algorithm over n voxels, first to last."""

    edges: NDArray[np.int64]  # (m,) index of the edge of each merge
    parents: NDArray[np.int32]  # (n,) of each voxel, ROOT where there is none
    merges: NDArray[np.int32]  # (n,) that attached each voxel to its parent, m for roots


def spanning_forest(keys: NDArray[np.uint32], offsets: NDArray[np.int64]) -> SpanningForest:
    """Return the maximum spanning forest; `keys` (k, z, y, x) ascend where affinities descend.

    Large arrays are made here, not in the kernels: NumPy asks the system for huge pages, Numba does not, and
    random access over small ones made Kruskal's loop a sixth slower.
    """
    exists = np.zeros(keys.shape, np.bool_)
    known_edges_of(offsets, exists)
    _, words = edges_to_sort(keys, exists.view(np.uint8), offsets)
    del exists
    steps, n_voxels = voxel_steps(keys.shape[1:], offsets), keys[0].size
    order = sort_by_key(words)
    del words
    sets = np.full(n_voxels, SINGLE, np.int32)
    leaves, roots = np.empty(n_voxels - 1, np.int32), np.empty(n_voxels - 1, np.int32)
    n_merges = _kruskal(order, steps, sets, leaves, roots)
    edges = np.empty(n_merges, np.int64)
    _edge_indices(order, len(offsets), n_voxels, edges)
    del order
    parents, merges = sets, np.empty(n_voxels, np.int32)
    parents.fill(ROOT)
    merges.fill(n_merges)
    _attach(leaves[:n_merges], roots, parents, merges)
    return SpanningForest(edges, parents, merges)


@compiled
def _kruskal(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    sets: NDArray[np.int32],
    leaves: NDArray[np.int32],
    roots: NDArray[np.int32],
) -> int:
    """Write the two sets of each merge, move its edge to the front of `order`, and return how many merges.

    The results are written in sequence and taken to their voxels later, by `_attach`: the random access of
    this loop is left to the union-find. It is asked for in two steps, an edge's voxels and then their
    parents, which took a fifth off the union-find of 64x256x256 voxels against the first step alone.
    """
    bits = channel_bits(len(steps))
    n_merges = 0
    for i in range(order.size):
        if i + 2 * AHEAD < order.size:
            _, late_u, late_v = edge_ends(order[i + 2 * AHEAD], bits, steps)
            prefetch(sets, late_u)
            prefetch(sets, late_v)
            _, soon_u, soon_v = edge_ends(order[i + AHEAD], bits, steps)
            prefetch(sets, sets[soon_u])
            prefetch(sets, sets[soon_v])
        _, voxel, other = edge_ends(order[i], bits, steps)
        u, v = find(sets, voxel), find(sets, other)
        if u != v:
            root = join(sets, u, v)
            leaves[n_merges], roots[n_merges] = v if root == u else u, root
            order[n_merges] = order[i]
            n_merges += 1
            if n_merges == leaves.size:
                break
    return n_merges


@compiled
def _edge_indices(
    words: NDArray[np.uint64], n_channels: int, n_voxels: int, edges: NDArray[np.int64]
) -> None:
    """Write the index of each packed edge to `edges`, which says how many there are."""
    bits = channel_bits(n_channels)
    for i in range(edges.size):
        payload = np.int64(words[i] & np.uint64(2**KEY_BITS - 1))
        edges[i] = (payload & ((1 << bits) - 1)) * n_voxels + (payload >> bits)


@compiled
def _attach(
    leaves: NDArray[np.int32],
    roots: NDArray[np.int32],
    parents: NDArray[np.int32],
    merges: NDArray[np.int32],
) -> None:
    for i in range(leaves.size):
        if i + AHEAD < leaves.size:
            prefetch(parents, leaves[i + AHEAD])
            prefetch(merges, leaves[i + AHEAD])
        parents[leaves[i]], merges[leaves[i]] = roots[i], i


@compiled
def joining_merges(
    parents: NDArray[np.int32], merges: NDArray[np.int32], n_merges: int, pairs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the merge that joined the voxels of each pair (p, 2).

    -1 for a voxel with itself, and `n_merges` where no merge did.
    """
    joined = np.empty(len(pairs), np.int64)
    for p in range(len(pairs)):
        u, v = pairs[p]
        last = np.int64(-1)
        while u != v:
            if merges[u] > merges[v]:
                u, v = v, u
            last = np.int64(merges[u])
            if last == n_merges:
                break
            u = np.int64(parents[u])
        joined[p] = last
    return joined


@compiled
def components_after(parents: NDArray[np.int32], merges: NDArray[np.int32], n_done: int) -> NDArray[np.int64]:
    """Label the components of the first `n_done` merges: 1, 2, ... in C order, single voxels 0; flat."""
    sets = np.full(parents.size, SINGLE, np.int32)
    for v in range(parents.size):
        if merges[v] < n_done:
            sets[v] = parents[v]
    for v in range(parents.size):
        if merges[v] < n_done and sets[parents[v]] < 0:
            sets[parents[v]] = SEVERAL
    return numbered(sets)


@compiled
def attached_voxels(
    parents: NDArray[np.int32], merges: NDArray[np.int32], n_merges: int
) -> NDArray[np.int32]:
    """Return the voxel that each merge attached to its parent, or an empty array where this is no forest."""
    none = np.empty(0, np.int32)
    attached = np.full(n_merges, ROOT, np.int32)
    for v in range(parents.size):
        merge, parent = merges[v], parents[v]
        if parent == ROOT and merge == n_merges:
            continue
        if not (0 <= merge < n_merges and 0 <= parent < parents.size):
            return none
        if attached[merge] != ROOT or merges[parent] <= merge:
            return none
        attached[merge] = v
    return attached if (attached >= 0).all() else none


@compiled
def pairs_of_merges(
    parents: NDArray[np.int32], attached: NDArray[np.int32], labels: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pairs of labelled voxels that each merge joins: those of one object, and all."""
    labelled = np.empty(labels.size, np.int32)
    for v in range(labels.size):
        labelled[v] = labels[v] != 0
    objects, voxels = broken_objects(np.full(labels.size, SINGLE, np.int32), labels)
    sets = no_histograms(1024)
    same, joined = np.empty(attached.size, np.int64), np.empty(attached.size, np.int64)
    for i in range(attached.size):
        leaf = attached[i]
        root = parents[leaf]
        joined[i] = np.int64(labelled[root]) * np.int64(labelled[leaf])
        labelled[root] += labelled[leaf]
        same[i] = merge_single(objects, voxels, root, leaf)
        if same[i] < 0:
            if sets.used[0] + ROOM > sets.label.size:
                sets = grown(sets)
            same[i] = merge_several(sets, objects, voxels, root, leaf)
    return same, joined


@compiled
def partition_tree_parents(parents: NDArray[np.int32], attached: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the parents of a binary tree whose leaves are the voxels and whose node n + i is merge i.

    Trees that no edge joins are joined last, in the order of their roots. The last node is its own parent.
    """
    n_voxels = parents.size
    up = np.empty(2 * n_voxels - 1, np.int64)
    nodes = np.arange(n_voxels)  # of each set, at its root
    for i in range(attached.size):
        leaf = attached[i]
        root = parents[leaf]
        up[nodes[leaf]] = up[nodes[root]] = n_voxels + i
        nodes[root] = n_voxels + i
    node, top = n_voxels + attached.size, np.int64(-1)
    for v in range(n_voxels):
        if parents[v] == ROOT:
            if top >= 0:
                up[top] = up[nodes[v]] = node
                top = node
                node += 1
            else:
                top = nodes[v]
    up[top] = top
    return up
