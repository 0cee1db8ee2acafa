"""Affinity graphs, one edge at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def edges_of(shape, offsets) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield (edge, voxel, other voxel) of each edge inside the volume, in edge-index order."""
    for channel, offset in enumerate(np.asarray(offsets).tolist()):
        for voxel in np.ndindex(*shape):
            other = tuple(v + o for v, o in zip(voxel, offset, strict=True))
            if all(0 <= i < n for i, n in zip(other, shape, strict=True)):
                yield (channel, *voxel), voxel, other


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


def merges(order, shape):
    """Kruskal with explicit sets: yield each edge of `order` that joins two sets, with the two sets.

    `order` holds (edge, voxel, other voxel) as `edges_of` yields them, strongest first.
    """
    sets = {voxel: frozenset([voxel]) for voxel in np.ndindex(*shape)}
    for edge, u, v in order:
        if sets[u] is not sets[v]:
            yield edge, (sets[u], sets[v])
            union = sets[u] | sets[v]
            for voxel in union:
                sets[voxel] = union
