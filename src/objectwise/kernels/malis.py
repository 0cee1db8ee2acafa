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

from objectwise.kernels.edge_order import radix_sort
from objectwise.kernels.edges import count_edges, first_inside, stop_inside, voxel_steps
from objectwise.kernels.label_pairs import NONE, make_histograms, merge_histograms
from objectwise.kernels.union_find import find, join


@njit(cache=True, nogil=True)
def constrained_counts(
    keys: NDArray[Any],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
    """Add each edge's within-object pairs to `positive` and across-object pairs to `negative`, both flat.

    `keys` (k, z, y, x) ascend where affinities descend.
    """
    steps = voxel_steps(labels.shape, offsets)
    edge_keys, edge_ids, n_within = _split(keys, labels, offsets)
    parents = _labelled_singletons(labels)
    _, order = radix_sort(edge_keys[:n_within], edge_ids[:n_within])
    _join_within(order, labels.size, steps, parents, positive)
    _, order = radix_sort(edge_keys[n_within:], edge_ids[n_within:])
    _join_across(order, steps, parents, labels.ravel(), negative)


@njit(cache=True, nogil=True)
def unconstrained_counts(
    keys: NDArray[Any],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
    """Add, on the one forest of all edges, each edge's same-object and different-object pairs."""
    steps = voxel_steps(labels.shape, offsets)
    edge_keys, edge_ids, _ = _split(keys, labels, offsets)
    # Without constraint the two lists are one; ties go by edge index, so it is put in index order first.
    order = np.argsort(edge_ids, kind="mergesort")
    _, order = radix_sort(edge_keys[order], edge_ids[order])
    _join_mixed(order, steps, labels.ravel(), positive, negative)


@njit(cache=True, nogil=True)
def _split(
    keys: NDArray[Any], labels: NDArray[Any], offsets: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64], int]:
    """List the keys and indices of all edges in index order, those within an object first."""
    depth, height, width = labels.shape
    n_edges = count_edges(labels.shape, offsets)
    edge_keys, edge_ids = np.empty(n_edges, keys.dtype), np.empty(n_edges, np.int64)
    n_within = _count_within(labels, offsets)
    within, across = 0, n_within
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                row = ((c * depth + z) * height + y) * width
                for x in range(first_inside(dx), stop_inside(dx, width)):
                    label = labels[z, y, x]
                    if label != 0 and label == labels[z + dz, y + dy, x + dx]:
                        place = within
                        within += 1
                    else:
                        place = across
                        across += 1
                    edge_keys[place] = keys[c, z, y, x]
                    edge_ids[place] = row + x
    return edge_keys, edge_ids, n_within


@njit(cache=True, nogil=True)
def _count_within(labels: NDArray[Any], offsets: NDArray[np.int64]) -> int:
    """Count the edges that join two voxels of one object."""
    depth, height, width = labels.shape
    n_within = 0
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                for x in range(first_inside(dx), stop_inside(dx, width)):
                    label = labels[z, y, x]
                    n_within += label != 0 and label == labels[z + dz, y + dy, x + dx]
    return n_within


@njit(cache=True, nogil=True)
def _labelled_singletons(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return one root per voxel, of size 1 where it has a label and 0 where it has none."""
    parents = np.empty(labels.size, np.int64)
    for v, label in enumerate(labels.flat):
        parents[v] = ~np.int64(label != 0)
    return parents


@njit(cache=True, nogil=True)
def _join_within(
    order: NDArray[np.int64],
    n_voxels: int,
    steps: NDArray[np.int64],
    parents: NDArray[np.int64],
    positive: NDArray[np.uint64],
) -> None:
    """Kruskal over the within-object edges: each merge joins two pure pieces of one object."""
    for edge in order:
        channel = edge // n_voxels
        voxel = edge - channel * n_voxels
        u, v = find(parents, voxel), find(parents, voxel + steps[channel])
        if u != v:
            positive[edge] = np.uint64(~parents[u] * ~parents[v])
            join(parents, u, v)


@njit(cache=True, nogil=True)
def _join_across(
    order: NDArray[np.int64],
    steps: NDArray[np.int64],
    parents: NDArray[np.int64],
    labels: NDArray[Any],
    negative: NDArray[np.uint64],
) -> None:
    """Go on with the remaining edges: all labelled pairs of a merge, less those of one object in pieces."""
    n_voxels = labels.size
    piece, piece_labels, piece_sizes = _pieces_of_broken_objects(parents, labels)
    sets = make_histograms(piece_labels, piece_sizes)
    for edge in order:
        channel = edge // n_voxels
        voxel = edge - channel * n_voxels
        u, v = find(parents, voxel), find(parents, voxel + steps[channel])
        if u == v:
            continue
        pairs = ~parents[u] * ~parents[v]
        histogram = max(piece[u], piece[v])
        if piece[u] != NONE and piece[v] != NONE:
            histogram, same_label_pairs = merge_histograms(sets, piece[u], piece[v])
            pairs -= same_label_pairs
        negative[edge] = np.uint64(pairs)
        piece[join(parents, u, v)] = histogram


@njit(cache=True, nogil=True)
def _pieces_of_broken_objects(
    parents: NDArray[np.int64], labels: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Give numbers to the pieces of objects in several; return piece by root (or NONE), objects and sizes.

    Objects in one piece never meet themselves again and need no histogram.
    """
    roots = np.flatnonzero((parents < 0) & (labels != 0))
    roots = roots[np.argsort(labels[roots], kind="mergesort")]
    piece = np.full(labels.size, NONE, np.int32)
    broken = np.zeros(roots.size, np.bool_)
    object_number = np.zeros(roots.size, np.int64)
    for i in range(1, roots.size):
        again = labels[roots[i]] == labels[roots[i - 1]]
        object_number[i] = object_number[i - 1] + (not again)
        if again:
            broken[i - 1] = broken[i] = True
    roots, object_number = roots[broken], object_number[broken]
    for i in range(roots.size):
        piece[roots[i]] = i
    return piece, object_number, ~parents[roots]


@njit(cache=True, nogil=True)
def _join_mixed(
    order: NDArray[np.int64],
    steps: NDArray[np.int64],
    labels: NDArray[Any],
    positive: NDArray[np.uint64],
    negative: NDArray[np.uint64],
) -> None:
    """Kruskal over all edges at once; a set may hold any labels."""
    n_voxels = labels.size
    parents = np.empty(n_voxels, np.int64)
    for v in range(n_voxels):
        parents[v] = ~np.int64(labels[v] != 0)
    piece, piece_labels, piece_sizes = _pieces_of_broken_objects(parents, labels)
    sets = make_histograms(piece_labels, piece_sizes)
    for edge in order:
        channel = edge // n_voxels
        voxel = edge - channel * n_voxels
        u, v = find(parents, voxel), find(parents, voxel + steps[channel])
        if u == v:
            continue
        pairs = ~parents[u] * ~parents[v]
        histogram, same_label_pairs = max(piece[u], piece[v]), 0
        if piece[u] != NONE and piece[v] != NONE:
            histogram, same_label_pairs = merge_histograms(sets, piece[u], piece[v])
        positive[edge] = np.uint64(same_label_pairs)
        negative[edge] = np.uint64(pairs - same_label_pairs)
        piece[join(parents, u, v)] = histogram
