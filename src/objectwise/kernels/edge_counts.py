"""The edges that decide pairs of voxels, and how many each decides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.random_access import scaled_at


class EdgeCounts(NamedTuple):
    """The edges of a pass that decide pairs, in merge order. All others decide none."""

    edges: NDArray[np.int64]
    """Flat index into the affinities, each once."""
    pairs: NDArray[np.int64]
    """How many pairs the edge decides, at least 1."""

    def where(self, kept: NDArray[np.bool_]) -> EdgeCounts:
        """Return those of the edges that `kept` (k, z, y, x) holds."""
        is_kept = np.take(kept.reshape(-1), self.edges)
        return EdgeCounts(self.edges[is_kept], self.pairs[is_kept])


def dense(counts: EdgeCounts, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return the pairs of every edge of affinities of a shape."""
    pairs = np.zeros(shape, np.uint64)
    scaled_at(pairs.reshape(-1), counts.edges, counts.pairs, 1)
    return pairs
