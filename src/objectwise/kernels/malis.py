"""Pair counts of MALIS: how many pairs of voxels each edge of the maximum spanning forest decides.

Arrays are (z, y, x) and (k, z, y, x); edges that leave the volume do not exist. Turaga et al. 2009 count
on one forest, Funke et al. 2019 constrain the two passes. The constrained passes share one forest here: the
positive pass sees within-object edges first (across-object edges are lowered to 0), the negative pass sees
them all at once (they are raised to 1), so Kruskal over the within-object edges followed by Kruskal over the
rest walks both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from objectwise.kernels.cycles import EXISTS, FIRST
from objectwise.kernels.edge_lists import channel_bits, edge_ends, edge_states, edges_to_sort
from objectwise.kernels.edge_order import sort_between
from objectwise.kernels.edges import voxel_steps
from objectwise.kernels.label_pairs import (
    ROOM,
    Histograms,
    broken_objects,
    grown,
    merge_several,
    merge_single,
    no_histograms,
)
from objectwise.kernels.prefetch import AHEAD, prefetch
from objectwise.kernels.random_access import scaled_at
from objectwise.kernels.union_find import contract, find, join


class EdgeCounts(NamedTuple):
    """The edges of a pass that decide pairs, in merge order. All others decide none."""

    edges: NDArray[np.int64]
    """Flat index into the affinities, each once."""
    pairs: NDArray[np.int64]
    """How many pairs the edge decides, at least 1."""

    def where(self, kept: NDArray[np.bool_]) -> EdgeCounts:
        """Return those of the edges that `kept` (k, z, y, x) holds."""
        chosen = np.take(kept.reshape(-1), self.edges)
        return EdgeCounts(self.edges[chosen], self.pairs[chosen])


def constrained_counts(
    keys: NDArray[np.uint32], labels: NDArray[Any], offsets: NDArray[np.int64]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return the within-object and the across-object pairs.

    `keys` (k, z, y, x) ascend where affinities descend, see `order_keys`. They are used up: memory that the
    system has to hand out and clear again costs as much as a pass of the sort.
    """
    states = edge_states(labels, offsets)
    within, across = edges_to_sort(keys, states, offsets)
    del states
    steps, flat_labels = voxel_steps(labels.shape, offsets), labels.reshape(-1)
    parents = labelled_singletons(flat_labels)
    order, spare = sort_between(within, _words_over(keys, within.size))
    del within
    positive = counts_within(order, steps, parents, spare.view(np.int64))
    return positive, counts_between(across, steps, parents, flat_labels)[1]


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
    positive = _counts_of(edges, np.empty_like(edges), steps, flat_labels)[0].where(is_within)
    del edges

    # Negative pass: known within-object edges come first, in any order.
    states &= EXISTS
    states |= FIRST * is_within
    within, edges = edges_to_sort(keys, states, offsets)
    del states, is_within
    parents = labelled_singletons(flat_labels)
    _join_uncounted(within, steps, parents)
    del within
    negative = counts_between(edges, steps, parents, flat_labels)[1].where(is_across)
    return positive, negative


def unconstrained_counts(
    keys: NDArray[np.uint32], labels: NDArray[Any], offsets: NDArray[np.int64]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return, on the one forest of all edges, the same-object and the different-object pairs.

    `keys` are used up, as above.
    """
    states = edge_states(labels, offsets) & EXISTS
    _, edges = edges_to_sort(keys, states, offsets)
    del states
    scratch = _words_over(keys, edges.size)
    return _counts_of(edges, scratch, voxel_steps(labels.shape, offsets), labels.reshape(-1))


def dense(counts: EdgeCounts, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return the pairs of every edge of affinities of a shape."""
    pairs = np.zeros(shape, np.uint64)
    scaled_at(pairs.reshape(-1), counts.edges, counts.pairs, 1)
    return pairs


def counts_within(
    order: NDArray[np.uint64], steps: NDArray[np.int64], parents: NDArray[np.int32], pairs: NDArray[np.int64]
) -> EdgeCounts:
    """Return the pairs of a forest of sorted within-object edges; `parents` are joined.

    The result lies in `order`, which is used up, and in `pairs`.
    """
    n_merges = _join_within(order, steps, parents, pairs)
    return EdgeCounts(order[:n_merges].view(np.int64), pairs[:n_merges])


def _words_over(keys: NDArray[np.uint32], size: int) -> NDArray[np.uint64]:
    """Return an array of `size` words, in the place of `keys` if they are large enough."""
    if 2 * size > keys.size:
        return np.empty(size, np.uint64)
    return keys.reshape(-1)[: 2 * size].view(np.uint64)


def _counts_of(
    words: NDArray[np.uint64], scratch: NDArray[np.uint64], steps: NDArray[np.int64], labels: NDArray[Any]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return the same-object and the different-object pairs of the forest of the listed edges."""
    parents = labelled_singletons(labels)
    return _counts(words, scratch, steps, labels.size, None, parents, labels)


def counts_between(
    words: NDArray[np.uint64], steps: NDArray[np.int64], parents: NDArray[np.int32], labels: NDArray[Any]
) -> tuple[EdgeCounts, EdgeCounts]:
    """Return the same where the voxels are already joined to sets of one object; `parents` is used up."""
    roots, sets = contract(parents)
    words = words[: _drop_joined(words, steps, parents)]
    return _counts(words, np.empty_like(words), steps, labels.size, parents, sets, labels[roots])


def _counts(
    words: NDArray[np.uint64],
    scratch: NDArray[np.uint64],
    steps: NDArray[np.int64],
    n_voxels: int,
    members: NDArray[np.int32] | None,
    sets: NDArray[np.int32],
    labels: NDArray[Any],
) -> tuple[EdgeCounts, EdgeCounts]:
    """Sort, join and count; `members`, `sets` and `labels` as in `_join_any`.

    Voxels are mostly joined to their own object, whole objects never are. What there is more of lies in
    `words` and `scratch`, which are used up: a merge writes where the words are done with.
    """
    objects, voxels = broken_objects(sets, labels)
    order, spare = sort_between(words, scratch)
    many = EdgeCounts(order.view(np.int64), spare.view(np.int64))
    size = min(order.size, sets.size)
    few = EdgeCounts(np.empty(size, np.int64), np.empty(size, np.int64))
    same, different = (many, few) if members is None else (few, many)
    n_same, n_different = _join_any(order, steps, n_voxels, members, sets, objects, voxels, same, different)
    return (
        EdgeCounts(same.edges[:n_same], same.pairs[:n_same]),
        EdgeCounts(different.edges[:n_different], different.pairs[:n_different]),
    )


def labelled_singletons(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return one root per voxel, of size 1 where it has a label and 0 where it has none."""
    parents = np.empty(labels.size, np.int32)
    np.invert((labels != 0).view(np.int8), out=parents)
    return parents


@njit(cache=True, nogil=True)
def _join_within(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    parents: NDArray[np.int32],
    pairs: NDArray[np.int64],
) -> int:
    """Kruskal over the within-object edges: each merge joins two pure pieces of one object.

    Writes the pairs of each merge, and the index of its edge in place of a word of `order` that is done with;
    returns how many merges there are. Written in sequence: only the union-find has random access, and that is
    asked for in two steps, an edge's voxels and then their parents.
    """
    bits = channel_bits(len(steps))
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
            pairs[n_merges] = ~np.int64(parents[u]) * ~np.int64(parents[v])
            order[n_merges] = np.uint64(channel * parents.size + voxel)
            n_merges += 1
            join(parents, u, v)
    return n_merges


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
def _drop_joined(words: NDArray[np.uint64], steps: NDArray[np.int64], members: NDArray[np.int32]) -> int:
    """Move the edges between different sets to the front, in order; return how many there are."""
    bits = channel_bits(len(steps))
    n_kept = 0
    for word in words:
        _, voxel, other = edge_ends(word, bits, steps)
        words[n_kept] = word
        n_kept += members[voxel] != members[other]
    return n_kept


@njit(cache=True, nogil=True)
def _join_any(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    n_voxels: int,
    members: NDArray[np.int32] | None,
    sets: NDArray[np.int32],
    objects: NDArray[np.int32],
    voxels: NDArray[np.int32],
    same: EdgeCounts,
    different: EdgeCounts,
) -> tuple[int, int]:
    """Kruskal over sets that may hold several objects: count both kinds of pairs of each merge.

    `sets` are the voxels, or, if `members` has `~set` for each voxel, sets of them; `objects` and `voxels`
    say what they hold, see `broken_objects`. Returns how many edges were written to `same` and `different`.
    """
    histograms = no_histograms(1024)
    done, n_same, n_different = 0, 0, 0
    while True:
        done, n_same, n_different = _join_some(
            order, steps, n_voxels, members, sets, objects, voxels, histograms,
            same, different, done, n_same, n_different,
        )  # fmt: skip
        if done == order.size:
            return n_same, n_different
        histograms = grown(histograms)


@njit(cache=True, nogil=True)
def _join_some(
    order: NDArray[np.uint64],
    steps: NDArray[np.int64],
    n_voxels: int,
    members: NDArray[np.int32] | None,
    sets: NDArray[np.int32],
    objects: NDArray[np.int32],
    voxels: NDArray[np.int32],
    histograms: Histograms,
    same: EdgeCounts,
    different: EdgeCounts,
    done: int,
    n_same: int,
    n_different: int,
) -> tuple[int, int, int]:
    """Continue `_join_any` until the histograms are full; return the counters.

    They grow outside: Numba counts references to all that a loop assigns.
    """
    used, most = histograms.used, histograms.label.size - ROOM
    bits = channel_bits(len(steps))
    same_edges, same_pairs = same
    different_edges, different_pairs = different
    for i in range(done, order.size):
        if used[0] > most:
            return i, n_same, n_different
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
        u, v = find(sets, _set_of(members, voxel)), find(sets, _set_of(members, other))
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
    return order.size, n_same, n_different


@njit(cache=True, nogil=True, inline="always")
def _set_of(members: NDArray[np.int32] | None, voxel: int) -> int:
    """Return the set that a voxel belonged to at first."""
    return voxel if members is None else np.int64(~members[voxel])


@njit(cache=True, nogil=True, inline="always")
def _parent_of(members: NDArray[np.int32] | None, sets: NDArray[np.int32], voxel: int) -> int:
    """Return a node on the way from a voxel to its root, likely that root."""
    if members is None:
        parent = np.int64(sets[voxel])
        return parent if parent >= 0 else voxel
    return np.int64(~members[voxel])
