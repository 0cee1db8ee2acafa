"""Pair counts of MALIS: how many pairs of voxels each edge of the maximum spanning forest decides.

Arrays are (z, y, x) and (k, z, y, x); edges that leave the volume do not exist. Turaga et al. 2009 count
on one forest, Funke et al. 2019 constrain the two passes. The constrained passes share one forest here: the
positive pass sees within-object edges first (across-object edges are lowered to 0), the negative pass sees
them all at once (they are raised to 1), so Kruskal over the within-object edges followed by Kruskal over the
rest walks both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from objectwise.kernels.cycles import EXISTS, FIRST
from objectwise.kernels.edge_lists import channel_bits, edge_ends, edge_states, edges_to_sort
from objectwise.kernels.edge_order import sort_by_key
from objectwise.kernels.edges import voxel_steps
from objectwise.kernels.label_pairs import broken_objects, merge_labels, no_histograms
from objectwise.kernels.prefetch import AHEAD, prefetch
from objectwise.kernels.union_find import find, join


def constrained_counts(
    keys: NDArray[np.uint32],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
    """Write each edge's within-object pairs to `positive` and across-object pairs to `negative`, both flat.

    `keys` (k, z, y, x) ascend where affinities descend, see `order_keys`.
    """
    states = edge_states(labels, offsets)
    within, across = edges_to_sort(keys, states, offsets)
    del states
    steps, flat_labels = voxel_steps(labels.shape, offsets), labels.reshape(-1)
    parents = _labelled_singletons(flat_labels)
    _join_within(sort_by_key(within), steps, parents, positive)
    _join_any(sort_by_key(across), steps, parents, flat_labels, _NO_COUNTS, negative)


def masked_counts(
    keys: NDArray[np.uint32],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    known: NDArray[np.bool_],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
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
    states[~is_across & (states == EXISTS)] |= FIRST
    edges, _ = edges_to_sort(keys, states, offsets)
    _join_any(sort_by_key(edges), steps, _labelled_singletons(flat_labels), flat_labels, positive, _NO_COUNTS)
    positive[~is_within.reshape(-1)] = 0

    # Negative pass: known within-object edges come first, in any order.
    states &= EXISTS
    states[is_within] |= FIRST
    within, edges = edges_to_sort(keys, states, offsets)
    parents = _labelled_singletons(flat_labels)
    _join_uncounted(within, steps, parents)
    _join_any(sort_by_key(edges), steps, parents, flat_labels, _NO_COUNTS, negative)
    negative[~is_across.reshape(-1)] = 0


def unconstrained_counts(
    keys: NDArray[np.uint32],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
    """Write, on the one forest of all edges, each edge's same-object and different-object pairs."""
    states = edge_states(labels, offsets) & EXISTS
    _, edges = edges_to_sort(keys, states, offsets)
    flat_labels = labels.reshape(-1)
    parents = _labelled_singletons(flat_labels)
    _join_any(
        sort_by_key(edges), voxel_steps(labels.shape, offsets), parents, flat_labels, positive, negative
    )


_NO_COUNTS = np.empty(0, np.uint64)


@njit(cache=True, nogil=True)
def _labelled_singletons(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return one root per voxel, of size 1 where it has a label and 0 where it has none."""
    parents = np.empty(labels.size, np.int32)
    for v in range(labels.size):
        parents[v] = ~np.int32(labels[v] != 0)
    return parents


@njit(cache=True, nogil=True)
def _join_within(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    parents: NDArray[np.int32],
    positive: NDArray[np.uint64],
) -> None:
    """Kruskal over the within-object edges: each merge joins two pure pieces of one object."""
    bits = channel_bits(len(steps))
    for i in range(order.size):
        if i + AHEAD < order.size:
            _, soon_u, soon_v = edge_ends(order[i + AHEAD], bits, steps)
            prefetch(parents, soon_u)
            prefetch(parents, soon_v)
        channel, voxel, other = edge_ends(order[i], bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u != v:
            positive[channel * parents.size + voxel] = np.uint64(
                ~np.int64(parents[u]) * ~np.int64(parents[v])
            )
            join(parents, u, v)


@njit(cache=True, nogil=True)
def _join_uncounted(edges: NDArray[np.uint64], steps: NDArray[np.int64], parents: NDArray[np.int32]) -> None:
    """Join the ends of all edges, in any order."""
    bits = channel_bits(len(steps))
    for word in edges:
        _, voxel, other = edge_ends(word, bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u != v:
            join(parents, u, v)


@njit(cache=True, nogil=True)
def _join_any(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    parents: NDArray[np.int32],
    labels: NDArray[Any],
    same: NDArray[np.uint64],
    different: NDArray[np.uint64],
) -> None:
    """Kruskal over sets that may hold several objects: count both kinds of pairs of each merge.

    An empty `same` or `different` asks for no such counts.
    """
    objects, voxels = broken_objects(parents, labels)
    sets = no_histograms(1024)
    bits = channel_bits(len(steps))
    for word in order:
        channel, voxel, other = edge_ends(word, bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u == v:
            continue
        pairs = ~np.int64(parents[u]) * ~np.int64(parents[v])
        root = join(parents, u, v)
        leaf = v if root == u else u
        sets, same_label_pairs = merge_labels(sets, objects, voxels, root, leaf)
        edge = channel * parents.size + voxel
        if same.size:
            same[edge] = np.uint64(same_label_pairs)
        if different.size:
            different[edge] = np.uint64(pairs - same_label_pairs)
