"""The walk over any edges against the maximum spanning forest and its merges, counted one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.graph import maximin_tree
from objectwise.graph.axes import as_steps
from objectwise.kernels.edge_counts import dense
from objectwise.kernels.edge_order import order_keys
from objectwise.kernels.malis import unconstrained_counts
from objectwise.kernels.maximin_tree import attached_voxels, pairs_of_merges

OFFSETS = as_steps(np.array([[-1, 0, 0], [0, -1, 0], [0, 0, -1]]))


@pytest.mark.parametrize("n_labels", [1, 2, 60, 900, 4000])
def test_counts_of_many_sets_of_many_labels_are_those_of_the_merges(n_labels):
    # Far more histograms than there is room for at first.
    rng = np.random.default_rng(n_labels)
    affinities = rng.random((3, 20, 20, 20), np.float32)
    labels = rng.integers(0, n_labels + 1, (20, 20, 20)).astype(np.uint32)
    same, different = unconstrained_counts(order_keys(affinities), labels, OFFSETS)
    tree = maximin_tree(affinities, OFFSETS)
    attached = attached_voxels(tree.parents, tree.merges, len(tree.edges))
    of_one, joined = pairs_of_merges(tree.parents, attached, labels.reshape(-1))
    np.testing.assert_array_equal(dense(same, affinities.shape).flat[tree.edges], of_one)
    np.testing.assert_array_equal(dense(different, affinities.shape).flat[tree.edges], joined - of_one)
    assert same.pairs.sum() == of_one.sum()
    assert different.pairs.sum() == (joined - of_one).sum()
