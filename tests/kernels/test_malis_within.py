"""The walk within objects, on edges one can count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.kernels.edge_counts import EdgeCounts
from objectwise.kernels.edge_order import KEY_BITS
from objectwise.kernels.malis import merges_over
from objectwise.kernels.malis_within import count_within

STEPS = np.array([-1, -2])
BITS = 1


def words(edges):
    """Pack (channel, voxel) of edges, strongest first."""
    return np.array(
        [(rank << KEY_BITS) | (voxel << BITS) | channel for rank, (channel, voxel) in enumerate(edges)],
        np.uint64,
    )


@pytest.mark.parametrize("over", [True, False], ids=["over the edges", "in arrays of their own"])
def test_each_merge_decides_size_times_size(over):
    # Voxels 0..4: 3-4 joins 1 x 1, 1-2 joins 1 x 1, 2-4 joins 2 x 2, 1-3 joins nothing new, 0-1 joins 1 x 4.
    order = words([(0, 4), (0, 2), (1, 4), (1, 3), (0, 1)])
    parents = np.full(5, ~np.int32(1))
    out = merges_over(order, np.empty_like(order))
    if not over:
        out = EdgeCounts(np.empty(4, np.int64), np.empty(4, np.int64))
    counts = count_within(order, STEPS, parents, out)
    assert counts.edges.tolist() == [4, 2, 5 + 4, 1]
    assert counts.pairs.tolist() == [1, 1, 4, 4]
    assert sorted(parents)[0] == ~5


def test_no_edges_decide_nothing():
    none = np.empty(0, np.uint64)
    counts = count_within(none, STEPS, np.full(3, ~np.int32(1)), merges_over(none, none))
    assert counts.edges.size == counts.pairs.size == 0
