"""MALIS by its definition, for readers and tests: walk the forest with sets, and look at every pair.

The slow twin of `malis`: it takes images and volumes as they are, and any graph of some dozens of voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Voxel = tuple[int, ...]
Edge = tuple[Voxel, Voxel, Voxel]
"""Index into the affinities, voxel, other voxel."""


def pair_counts(
    affinities: NDArray[Any],
    labels: NDArray[Any],
    offsets: NDArray[np.int64],
    *,
    constrained: bool = True,
    edge_mask: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the pairs of one object and those of two that each edge decides, as `malis_pair_counts` does."""
    edges = list(edges_of(labels.shape, offsets))
    known = {edge: edge_mask is None or bool(edge_mask[edge]) for edge, _, _ in edges}
    within = {edge: known[edge] and labels[u] == labels[v] != 0 for edge, u, v in edges}
    across = {edge: known[edge] and not labels[u] == labels[v] != 0 for edge, u, v in edges}
    strength = {edge: affinities[edge] for edge, _, _ in edges}

    def count(order: Iterable[Edge], same: bool, counted: dict[Voxel, bool]) -> NDArray[np.uint64]:
        counts = np.zeros(affinities.shape, np.uint64)
        for edge, sides in merges(order, labels.shape):
            for u, v in itertools.product(*sides):
                if labels[u] != 0 and labels[v] != 0 and (labels[u] == labels[v]) == same:
                    counts[edge] += np.uint64(counted[edge])
        return counts

    def in_order(rank: Callable[[Voxel], Any]) -> list[Edge]:
        return sorted(edges, key=lambda e: rank(e[0]))  # stable: ties go to the lower index

    if not constrained:
        order = in_order(lambda e: -strength[e])
        return count(order, True, known), count(order, False, known)
    lowered = in_order(lambda e: (across[e], -strength[e]))
    raised = in_order(lambda e: (not within[e], 0 if within[e] else -strength[e]))
    return count(lowered, True, within), count(raised, False, across)


def edges_of(shape: tuple[int, ...], offsets: NDArray[np.int64]) -> Iterator[Edge]:
    """Yield each edge inside the volume, in edge-index order."""
    for channel, offset in enumerate(np.asarray(offsets).tolist()):
        for voxel in np.ndindex(*shape):
            other = tuple(v + o for v, o in zip(voxel, offset, strict=True))
            if all(0 <= i < n for i, n in zip(other, shape, strict=True)):
                yield (channel, *voxel), voxel, other


def merges(
    order: Iterable[Edge], shape: tuple[int, ...]
) -> Iterator[tuple[Voxel, tuple[frozenset[Voxel], frozenset[Voxel]]]]:
    """Kruskal: yield each edge that joins two sets of voxels, and the two; `order` is strongest first."""
    sets = {voxel: frozenset([voxel]) for voxel in np.ndindex(*shape)}
    for edge, u, v in order:
        if sets[u] is not sets[v]:
            yield edge, (sets[u], sets[v])
            union = sets[u] | sets[v]
            for voxel in union:
                sets[voxel] = union
