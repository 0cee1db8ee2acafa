"""Affinity graphs, one edge at a time."""

from __future__ import annotations

import numpy as np

from objectwise.kernels.malis_reference import edges_of, merges

__all__ = [
    "affinities",
    "components",
    "edges_of",
    "maximin_edges",
    "merges",
    "pair_statistics",
    "widest_paths",
]


def affinities(labels, offsets):
    """Return 1 where an edge joins two voxels of one object."""
    truth = np.zeros((len(offsets), *labels.shape), np.float32)
    for edge, voxel, other in edges_of(labels.shape, offsets):
        truth[edge] = labels[voxel] == labels[other] != 0
    return truth


def components(shape, joined_edges):
    """Flood fill over a list of (voxel, other) pairs; single voxels are 0."""
    neighbours = {voxel: [] for voxel in np.ndindex(*shape)}
    for voxel, other in joined_edges:
        neighbours[voxel].append(other)
        neighbours[other].append(voxel)
    labels = np.zeros(shape, np.int64)
    n_components = 0
    for voxel in np.ndindex(*shape):
        if labels[voxel] or not neighbours[voxel]:
            continue
        n_components += 1
        stack = [voxel]
        while stack:
            here = stack.pop()
            if labels[here] == 0:
                labels[here] = n_components
                stack += neighbours[here]
    return labels


def widest_paths(n, edges):
    """Maximin value of every pair of n nodes, in O(n^3): try every middle node. `edges` are (u, v, value)."""
    best = np.full((n, n), -np.inf)
    np.fill_diagonal(best, np.inf)
    for u, v, value in edges:
        best[u, v] = best[v, u] = max(best[u, v], value)
    for via in range(n):
        best = np.maximum(best, np.minimum(best[:, [via]], best[[via], :]))
    return best


def maximin_edges(affinities, offsets):
    """(maximin, maximin_edge) of every pair of voxels, flat; ties of affinity go to the lower edge index."""
    shape = affinities.shape[1:]
    edges = list(edges_of(shape, offsets))
    ends = [tuple(int(np.ravel_multi_index(end, shape)) for end in row[1:]) for row in edges]
    order = sorted(range(len(edges)), key=lambda i: -affinities[edges[i][0]])  # stable
    n = int(np.prod(shape))
    ranks = widest_paths(n, [(*ends[i], -rank) for rank, i in enumerate(order)])
    values, deciding = np.where(ranks > 0, np.inf, -np.inf), np.full((n, n), -1)
    for rank, i in enumerate(order):
        values[ranks == -rank] = affinities[edges[i][0]]
        deciding[ranks == -rank] = np.ravel_multi_index(edges[i][0], affinities.shape)
    return values, deciding


def pair_statistics(segmentation, labels):
    """(correct, joined, of one object) by looking at every pair of labelled voxels; segment 0 joins nothing."""
    inside = labels.ravel() != 0
    segments, objects = segmentation.ravel()[inside], labels.ravel()[inside]
    u, v = np.triu_indices(len(objects), 1)
    joined = (segments[u] == segments[v]) & (segments[u] != 0)
    same = objects[u] == objects[v]
    return int((joined & same).sum()), int(joined.sum()), int(same.sum())
