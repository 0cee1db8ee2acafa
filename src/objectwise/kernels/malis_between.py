"""The walk between objects: Kruskal over any edges, where a set of voxels may hold several objects."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined
from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.edge_lists import channel_bits, edge_ends
from objectwise.kernels.label_pairs import (
    ROOM,
    broken_objects,
    grown,
    merge_several,
    merge_single,
    no_histograms,
)
from objectwise.kernels.prefetch import AHEAD, prefetch
from objectwise.kernels.union_find import contract, find, join

SHORTEST = 64
"""Edges that a stretch of the walk has at least."""


class Pieces(NamedTuple):
    """Sets of voxels of one object each, or of background: single voxels, or what is connected already."""

    parents: NDArray[np.int32]
    """Union-find over the sets; their sizes are labelled voxels."""
    objects: NDArray[np.int32]
    """What each root holds, see `broken_objects`."""
    voxels: NDArray[np.int32]
    """Likewise."""


def single_voxels(labels: NDArray[Any]) -> Pieces:
    """Return every voxel as a piece of its own; `labels` are flat."""
    parents = labelled_singletons(labels)
    return Pieces(parents, *broken_objects(parents, labels))


def connected_pieces(parents: NDArray[np.int32], labels: NDArray[Any]) -> tuple[NDArray[np.int32], Pieces]:
    """Return `~piece` of every voxel, and the pieces that `parents` says are joined; it is used up."""
    roots, sets = contract(parents)
    return parents, Pieces(sets, *broken_objects(sets, labels[roots]))


def labelled_singletons(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return one root per voxel, of size 1 where it has a label and 0 where it has none."""
    parents = np.empty(labels.size, np.int32)
    np.invert((labels != 0).view(np.int8), out=parents)
    return parents


@compiled
def drop_joined(
    words: NDArray[np.uint64], steps: NDArray[np.int64], members: NDArray[np.int32]
) -> NDArray[np.uint64]:
    """Move the edges between different pieces to the front, in order, and return them."""
    bits = channel_bits(len(steps))
    n_kept = 0
    for word in words:
        _, voxel, other = edge_ends(word, bits, steps)
        words[n_kept] = word
        n_kept += members[voxel] != members[other]
    return words[:n_kept]


@compiled
def count_between(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    members: NDArray[np.int32] | None,
    pieces: Pieces,
    out: EdgeCounts,
) -> tuple[EdgeCounts, EdgeCounts]:
    """Count the pairs of one object and those of two that each merge joins.

    Parameters
    ----------
    order : (m,) packed edges, strongest first
    steps : (k,) from a voxel to the other end of its edge, by channel
    members : (n,) `~piece` of each voxel, or None where each voxel is a piece
    pieces : used up
    out : as long as `order`
        Of the kind that there is more of: voxels mostly join their own object, whole objects never do. It may
        lie over `order`, as in `count_within`.
    """
    sets, objects, voxels = pieces
    n_voxels = sets.size if members is None else members.size
    size = min(order.size, sets.size)
    few = EdgeCounts(np.empty(size, np.int64), np.empty(size, np.int64))
    (same_edges, same_pairs), (different_edges, different_pairs) = (
        (out, few) if members is None else (few, out)
    )
    bits = channel_bits(len(steps))
    histograms = no_histograms(1024)
    n_same, n_different, start = 0, 0, 0
    while start < order.size:
        # A stretch of as many edges as there is room for. Numba counts references to all that a loop assigns:
        # with histograms that grow in the inner loop, the counts took 1.7 times as long.
        room = (histograms.label.size - histograms.used[0]) // ROOM
        if room < SHORTEST:
            histograms = grown(histograms)
            continue
        stop = min(order.size, start + room)
        for i in range(start, stop):
            if i + 2 * AHEAD < order.size:
                _, late_u, late_v = edge_ends(order[i + 2 * AHEAD], bits, steps)
                prefetch(sets if members is None else members, late_u)
                prefetch(sets if members is None else members, late_v)
                _, soon_u, soon_v = edge_ends(order[i + AHEAD], bits, steps)
                near_u, near_v = _parent_of(members, sets, soon_u), _parent_of(members, sets, soon_v)
                prefetch(sets, near_u)
                prefetch(sets, near_v)
                if members is None:
                    prefetch(objects, near_u)
                    prefetch(objects, near_v)
            channel, voxel, other = edge_ends(order[i], bits, steps)
            u, v = find(sets, _piece_of(members, voxel)), find(sets, _piece_of(members, other))
            if u == v:
                continue
            pairs = ~np.int64(sets[u]) * ~np.int64(sets[v])
            root = join(sets, u, v)
            if pairs == 0:  # background, which becomes the leaf and holds no object
                continue
            leaf = v if root == u else u
            same_label_pairs = merge_single(objects, voxels, root, leaf)
            if same_label_pairs < 0:
                same_label_pairs = merge_several(histograms, objects, voxels, root, leaf)
            edge = channel * n_voxels + voxel
            if same_label_pairs > 0:
                same_edges[n_same], same_pairs[n_same] = edge, same_label_pairs
                n_same += 1
            if pairs > same_label_pairs:
                different_edges[n_different], different_pairs[n_different] = edge, pairs - same_label_pairs
                n_different += 1
        start = stop
    return (
        EdgeCounts(same_edges[:n_same], same_pairs[:n_same]),
        EdgeCounts(different_edges[:n_different], different_pairs[:n_different]),
    )


@inlined
def _piece_of(members: NDArray[np.int32] | None, voxel: int) -> int:
    """Return the piece that a voxel belongs to."""
    return voxel if members is None else np.int64(~members[voxel])


@inlined
def _parent_of(members: NDArray[np.int32] | None, sets: NDArray[np.int32], voxel: int) -> int:
    """Return a node on the way from a voxel to its root, likely that root."""
    if members is None:
        parent = np.int64(sets[voxel])
        return parent if parent >= 0 else voxel
    return np.int64(~members[voxel])
