"""MALIS by its definition: find the maximin edge of every pair of voxels, and count."""

from __future__ import annotations

import itertools

import numpy as np

from tests.oracles.graph import edges_of, merges


def pair_counts(affinities, labels, offsets, *, constrained=True, edge_mask=None):
    """Return (positive, negative) by following every pair through a forest of explicit sets."""
    edges = list(edges_of(labels.shape, offsets))
    known = {edge: edge_mask is None or edge_mask[edge] for edge, _, _ in edges}
    within = {edge: known[edge] and labels[u] == labels[v] != 0 for edge, u, v in edges}
    across = {edge: known[edge] and not labels[u] == labels[v] != 0 for edge, u, v in edges}

    def count(order, counts, is_counted):
        for edge, sides in merges(order, labels.shape):
            for u, v in itertools.product(*sides):
                counts[edge] += labels[u] != 0 and labels[v] != 0 and is_counted(edge, labels[u] == labels[v])

    positive = np.zeros(affinities.shape, np.uint64)
    negative = np.zeros(affinities.shape, np.uint64)
    # sorted() is stable and `edges` is in index order, so ties go to the lower index.
    if not constrained:
        order = sorted(edges, key=lambda e: -affinities[e[0]])
        count(order, positive, lambda edge, same: same and known[edge])
        count(order, negative, lambda edge, same: not same and known[edge])
        return positive, negative
    lowered = sorted(edges, key=lambda e: (across[e[0]], -affinities[e[0]]))
    count(lowered, positive, lambda edge, same: same and within[edge])
    raised = sorted(edges, key=lambda e: (not within[e[0]], 0 if within[e[0]] else -affinities[e[0]]))
    count(raised, negative, lambda edge, same: not same and across[edge])
    return positive, negative


def normalised_squared_loss(affinities, labels, offsets):
    """Return the loss of one sample, in float64."""
    total = 0.0
    for counts, truth in zip(pair_counts(affinities, labels, offsets), (1.0, 0.0), strict=True):
        if counts.sum():
            total += float((counts / counts.sum() * (truth - affinities.astype(np.float64)) ** 2).sum())
    return total
