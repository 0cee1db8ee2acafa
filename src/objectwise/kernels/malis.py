"""Pair counts of MALIS: how many pairs of voxels each edge of the maximum spanning forest decides.

Arrays are (z, y, x) and (k, z, y, x); edges that leave the volume do not exist. Turaga et al. 2009 count
on one forest, Funke et al. 2019 constrain the two passes. The constrained passes share one forest here: the
positive pass sees within-object edges first (across-object edges are lowered to 0), the negative pass sees
them all at once (they are raised to 1), so Kruskal over the within-object edges (`malis_within`) followed by
Kruskal over the rest (`malis_between`) walks both. What they compute says `malis_reference` in forty lines.

Large arrays that a step is done with are written over by the next, the keys of the edges by their sort, and
the sorted edges by the merges: memory that the system has to hand out and clear again costs as much as a pass
of the sort. What that gains is a row of docs/performance.md. What is not written over goes at once, by `del`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.cycles import EXISTS, FIRST
from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.edge_lists import edge_states, edges_to_sort, join_ends
from objectwise.kernels.edge_order import sort_between
from objectwise.kernels.edges import voxel_steps
from objectwise.kernels.malis_between import (
    connected_pieces,
    count_between,
    drop_joined,
    labelled_singletons,
    single_voxels,
)
from objectwise.kernels.malis_within import count_within


def constrained_counts(
    keys: NDArray[np.uint32], labels: NDArray[Any], offsets: NDArray[np.int64]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return the within-object and the across-object pairs.

    `keys` (k, z, y, x) ascend where affinities descend, see `order_keys`; they are used up.
    """
    within, across = edges_to_sort(keys, edge_states(labels, offsets), offsets)
    steps, flat_labels = voxel_steps(labels.shape, offsets), labels.reshape(-1)
    parents = labelled_singletons(flat_labels)
    order, spare = sort_between(within, words_over(keys, within.size))
    del within
    positive = count_within(order, steps, parents, merges_over(order, spare))
    members, pieces = connected_pieces(parents, flat_labels)
    across = drop_joined(across, steps, members)
    order, spare = sort_between(across, np.empty_like(across))
    return positive, count_between(order, steps, members, pieces, merges_over(order, spare))[1]


def masked_counts(
    keys: NDArray[np.uint32], labels: NDArray[Any], offsets: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Do the same where edges outside `known` (k, z, y, x) keep their place in both passes, uncounted.

    Now the passes differ. In the positive pass unknown edges may join different objects before an object is
    whole; in the negative pass they compete with the across-object edges.
    """
    steps, flat_labels = voxel_steps(labels.shape, offsets), labels.reshape(-1)
    states = edge_states(labels, offsets)
    is_within = (states & FIRST) != 0
    is_across = (states != 0) & ~is_within & known
    is_within &= known

    # Positive pass: across-object edges come last, and count nothing there.
    states &= EXISTS
    states |= FIRST * ((states == EXISTS) & ~is_across)
    edges, _ = edges_to_sort(keys, states, offsets)
    order, spare = sort_between(edges, np.empty_like(edges))
    del edges
    positive = count_between(order, steps, None, single_voxels(flat_labels), merges_over(order, spare))[0]
    del order, spare
    positive = positive.where(is_within)

    # Negative pass: known within-object edges come first, in any order.
    states &= EXISTS
    states |= FIRST * is_within
    within, across = edges_to_sort(keys, states, offsets)
    del states, is_within
    parents = labelled_singletons(flat_labels)
    join_ends(within, steps, parents)
    del within
    members, pieces = connected_pieces(parents, flat_labels)
    across = drop_joined(across, steps, members)
    order, spare = sort_between(across, np.empty_like(across))
    del across
    negative = count_between(order, steps, members, pieces, merges_over(order, spare))[1]
    del order, spare, parents, members, pieces
    return positive, negative.where(is_across)


def unconstrained_counts(
    keys: NDArray[np.uint32], labels: NDArray[Any], offsets: NDArray[np.int64]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return, on the one forest of all edges, the same-object and the different-object pairs.

    `keys` are used up, as above.
    """
    _, edges = edges_to_sort(keys, edge_states(labels, offsets) & EXISTS, offsets)
    order, spare = sort_between(edges, words_over(keys, edges.size))
    pieces = single_voxels(labels.reshape(-1))
    steps = voxel_steps(labels.shape, offsets)
    return count_between(order, steps, None, pieces, merges_over(order, spare))


def words_over(keys: NDArray[np.uint32], size: int) -> NDArray[np.uint64]:
    """Return an array of `size` words, in the place of `keys` if they are large enough."""
    if 2 * size > keys.size:
        return np.empty(size, np.uint64)
    return keys.reshape(-1)[: 2 * size].view(np.uint64)


def merges_over(order: NDArray[np.uint64], spare: NDArray[np.uint64]) -> EdgeCounts:
    """Return room for as many merges as there are edges, over two arrays that are not needed any more."""
    return EdgeCounts(order.view(np.int64), spare.view(np.int64))
