"""Segmentations of small affinity graphs as a student would write them."""

from __future__ import annotations

from collections import Counter

import numpy as np


def edges_inside(affinities: np.ndarray, offsets: np.ndarray) -> list[tuple[float, int, int, int]]:
    """Affinity, edge index and the flat indices of both ends of every edge that stays inside."""
    spatial = affinities.shape[1:]
    edges = []
    for position in np.ndindex(affinities.shape):
        end = np.add(position[1:], offsets[position[0]])
        if (end >= 0).all() and (end < spatial).all():
            edge = int(np.ravel_multi_index(position, affinities.shape))
            u, v = (int(np.ravel_multi_index(tuple(p), spatial)) for p in (position[1:], end))
            edges.append((float(affinities[position]), edge, u, v))
    return edges


def flood_one_by_one(
    affinities: np.ndarray, offsets: np.ndarray, seeds: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Grow seeds by Prim's algorithm: always cross the best edge from a labelled to an unlabelled voxel."""
    labels, inside = seeds.ravel().copy(), mask.ravel()
    edges = [edge for edge in edges_inside(affinities, offsets) if inside[edge[2]] and inside[edge[3]]]
    while True:
        border = [edge for edge in edges if (labels[edge[2]] == 0) != (labels[edge[3]] == 0)]
        if not border:
            return labels.reshape(seeds.shape)
        _, _, u, v = min(border, key=lambda edge: (-edge[0], edge[1]))
        labels[u] = labels[v] = labels[u] or labels[v]


def without_small(labels: np.ndarray, minimum_size: int) -> np.ndarray:
    """Set ids that occur less often than `minimum_size` to 0."""
    sizes = Counter(labels.ravel().tolist())
    kept = [label if sizes[label] >= minimum_size else 0 for label in labels.ravel().tolist()]
    return np.array(kept, labels.dtype).reshape(labels.shape)


def merge_by_mean_affinity(
    affinities: np.ndarray, offsets: np.ndarray, fragments: np.ndarray, threshold: float
) -> np.ndarray:
    """Join the two objects with the highest mean affinity, again and again, while it is above the threshold."""
    objects, edges = fragments.ravel().copy(), edges_inside(affinities, offsets)
    while True:
        between: dict[tuple[int, int], list[float]] = {}
        for affinity, _, u, v in edges:
            first, second = sorted((int(objects[u]), int(objects[v])))
            if 0 < first < second:
                between.setdefault((first, second), []).append(affinity)
        best = max(between, key=lambda pair: np.mean(between[pair]), default=None)
        if best is None or np.mean(between[best]) <= threshold:
            return np.searchsorted(np.unique(np.append(objects, 0)), objects).reshape(fragments.shape)
        objects[objects == best[1]] = best[0]
