"""Lists of edges that decide pairs."""

from __future__ import annotations

import numpy as np

from objectwise.kernels.edge_counts import EdgeCounts, dense

COUNTS = EdgeCounts(np.array([5, 0, 2]), np.array([1, 2**40, 3]))


def test_all_other_edges_decide_nothing():
    pairs = dense(COUNTS, (2, 1, 3))
    assert pairs.dtype == np.uint64
    assert pairs.ravel().tolist() == [2**40, 0, 3, 0, 0, 1]


def test_a_mask_keeps_edges_in_their_order():
    kept = COUNTS.where(np.array([[[True, False, False]], [[True, True, True]]]))
    assert kept.edges.tolist() == [5, 0]
    assert kept.pairs.tolist() == [1, 2**40]
