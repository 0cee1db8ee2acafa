"""The forest in merge order, against Kruskal's algorithm with explicit sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from objectwise.graph.axes import as_channels, as_steps
from objectwise.kernels.edge_order import order_keys
from objectwise.kernels.maximin_tree import ROOT, attached_voxels, spanning_forest
from tests.oracles.graph import edges_of, merges
from tests.strategies import labelled_graphs


def forest_of(affinities, offsets):
    return spanning_forest(as_channels(order_keys(affinities)), as_steps(np.array(offsets)))


def merges_of(affinities, offsets):
    """Return (edge, one set, other set) of every merge, all flat."""
    shape = affinities.shape[1:]
    order = sorted(edges_of(shape, offsets), key=lambda row: -affinities[row[0]])  # stable
    flat = lambda voxels: {int(np.ravel_multi_index(voxel, shape)) for voxel in voxels}  # noqa: E731
    return [
        (int(np.ravel_multi_index(edge, affinities.shape)), *map(flat, sides))
        for edge, sides in merges(order, shape)
    ]


@given(labelled_graphs() | labelled_graphs(levels=1) | labelled_graphs(levels=4))
def test_each_merge_hangs_the_root_of_the_smaller_set_below_that_of_the_larger(graph):
    affinities, _, offsets = graph
    expected = merges_of(affinities, offsets)
    forest = forest_of(affinities, offsets)
    assert forest.edges.tolist() == [edge for edge, _, _ in expected]
    attached = attached_voxels(forest.parents, forest.merges, len(expected))
    for leaf, (_, *sides) in zip(attached.tolist(), expected, strict=True):
        smaller, larger = sorted(sides, key=len)
        if leaf in larger:
            smaller, larger = larger, smaller
        assert leaf in smaller
        assert int(forest.parents[leaf]) in larger
        assert len(smaller) <= len(larger)
    roots = forest.parents == ROOT
    assert (forest.merges[roots] == len(expected)).all()
    assert (forest.merges[~roots] < len(expected)).all()


def test_a_chain_long_enough_to_be_fetched_ahead_is_joined_in_order():
    affinities = np.random.default_rng(0).random((1, 1, 500), np.float32)
    forest = forest_of(affinities, [[0, -1]])
    inside = np.arange(1, 500)
    expected = inside[np.argsort(-affinities[0, 0, 1:], kind="stable")]
    np.testing.assert_array_equal(forest.edges, expected)
