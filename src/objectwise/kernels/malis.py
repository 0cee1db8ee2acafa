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

from objectwise.kernels.cycles import EXISTS, FIRST, settle_cycles
from objectwise.kernels.edge_order import KEY_BITS, sort_by_key
from objectwise.kernels.edges import first_inside, stop_inside, voxel_steps
from objectwise.kernels.label_pairs import Histograms, merge_sets, new_set, no_histograms
from objectwise.kernels.prefetch import prefetch
from objectwise.kernels.union_find import find, join

AHEAD = 16
"""Edges between asking for a cache line and using it; 8 and 32 were slower by 5 to 15 %."""


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


def edge_states(labels: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the state of every edge, (k, z, y, x): EXISTS inside the volume, and FIRST within an object."""
    states = np.zeros((len(offsets), *labels.shape), np.uint8)
    _write_states(labels, offsets, states)
    return states


def edges_to_sort(
    keys: NDArray[np.uint32], states: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """List the edges that a forest may need, as words for `sort_by_key`: those FIRST, and the rest."""
    settle_cycles(keys, states, offsets)
    return _list_edges(keys.reshape(len(offsets), -1), states.reshape(len(offsets), -1))


@njit(cache=True, nogil=True)
def channel_bits(n_channels: int) -> int:
    """Return how many low bits of a payload name the channel; the voxel stands above them."""
    bits = 0
    while (1 << bits) < n_channels:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _write_states(labels: NDArray[Any], offsets: NDArray[np.int64], states: NDArray[np.uint8]) -> None:
    depth, height, width = labels.shape
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        low, stop = first_inside(dx), stop_inside(dx, width)
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                here, there = labels[z, y, low:stop], labels[z + dz, y + dy, low + dx : stop + dx]
                row = states[c, z, y, low:stop]
                for x in range(row.size):
                    is_within = (here[x] == there[x]) & (here[x] != 0)
                    row[x] = EXISTS | FIRST if is_within else EXISTS


@njit(cache=True, nogil=True)
def _list_edges(
    keys: NDArray[np.uint32], states: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Pack the edges that are not settled, in index order, into a list for FIRST and one for the others.

    Every edge is written to the end of its list and kept by moving that end: a branch on the state would be
    mispredicted for every other edge.
    """
    n_channels, n_voxels = keys.shape
    n_first, n_later = 0, 0
    for state in states.flat:
        n_first += state == EXISTS | FIRST
        n_later += state == EXISTS
    first, later = np.empty(n_first + 1, np.uint64), np.empty(n_later + 1, np.uint64)
    n_first, n_later = 0, 0
    bits = np.uint64(channel_bits(n_channels))
    for c in range(n_channels):
        for v in range(n_voxels):
            word = (np.uint64(keys[c, v]) << np.uint64(KEY_BITS)) | (np.uint64(v) << bits) | np.uint64(c)
            state = states[c, v]
            first[n_first] = word
            n_first += state == EXISTS | FIRST
            later[n_later] = word
            n_later += state == EXISTS
    return first[:n_first], later[:n_later]


@njit(cache=True, nogil=True)
def _labelled_singletons(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return one root per voxel, of size 1 where it has a label and 0 where it has none."""
    parents = np.empty(labels.size, np.int32)
    for v in range(labels.size):
        parents[v] = ~np.int32(labels[v] != 0)
    return parents


@njit(cache=True, nogil=True, inline="always")
def _ends(word: int, bits: int, steps: NDArray[np.int64]) -> tuple[int, int, int]:
    """Return the channel and the two voxels of a packed edge."""
    payload = np.int64(word & np.uint64(2**KEY_BITS - 1))
    channel, voxel = payload & ((1 << bits) - 1), payload >> bits
    return channel, voxel, voxel + steps[channel]


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
            _, soon_u, soon_v = _ends(order[i + AHEAD], bits, steps)
            prefetch(parents, soon_u)
            prefetch(parents, soon_v)
        channel, voxel, other = _ends(order[i], bits, steps)
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
        _, voxel, other = _ends(word, bits, steps)
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
    objects, voxels = _broken_objects(parents, labels)
    sets = no_histograms(1024)
    bits = channel_bits(len(steps))
    for word in order:
        channel, voxel, other = _ends(word, bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u == v:
            continue
        pairs = ~np.int64(parents[u]) * ~np.int64(parents[v])
        root = join(parents, u, v)
        leaf = v if root == u else u
        same_label_pairs = 0
        if objects[root] == objects[leaf] and objects[root] >= 0:
            same_label_pairs = np.int64(voxels[root]) * np.int64(voxels[leaf])
            voxels[root] += voxels[leaf]
        elif objects[root] == 0:
            objects[root], voxels[root] = objects[leaf], voxels[leaf]
        elif objects[leaf] != 0:
            sets, a = _set_of(sets, objects[root], voxels[root])
            sets, b = _set_of(sets, objects[leaf], voxels[leaf])
            union, same_label_pairs = merge_sets(sets, a, b)
            objects[root] = ~union
        edge = channel * parents.size + voxel
        if same.size:
            same[edge] = np.uint64(same_label_pairs)
        if different.size:
            different[edge] = np.uint64(pairs - same_label_pairs)


@njit(cache=True, nogil=True, inline="always")
def _set_of(sets: Histograms, followed: int, voxels: int) -> tuple[Histograms, int]:
    """Return the histogram of a root, made now if it held one object so far; see `_broken_objects`."""
    return new_set(sets, followed, voxels) if followed > 0 else (sets, np.int64(~followed))


@njit(cache=True, nogil=True)
def _broken_objects(
    parents: NDArray[np.int32], labels: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Follow the objects that begin in several pieces; one in a single piece never meets itself.

    Returns, for each root, the number (from 1) of the one object it holds that is followed, 0 where there is
    none, or `~name` of its histogram where there are several, and the voxels of that one object.
    """
    roots = np.flatnonzero((parents < 0) & (labels != 0))
    roots = roots[np.argsort(labels[roots], kind="mergesort")]
    objects, voxels = np.zeros(labels.size, np.int32), np.zeros(labels.size, np.int32)
    number = 0
    for i in range(1, roots.size):
        before, root = roots[i - 1], roots[i]
        if labels[root] == labels[before]:
            if objects[before] == 0:
                number += 1
                objects[before], voxels[before] = number, ~parents[before]
            objects[root], voxels[root] = number, ~parents[root]
    return objects, voxels
