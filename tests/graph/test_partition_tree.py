"""The binary partition tree of a maximin tree, as Higra keeps it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectwise.graph import Neighborhood, maximin_tree
from tests.graph.trees import GRAPHS, all_pairs
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs


def higra_tree(affinities, offsets):
    """Higra's tree of the same graph: edges in index order, what the affinities lack to 1 or the highest."""
    higra = pytest.importorskip("higra")
    shape = affinities.shape[1:]
    edges = list(oracle.edges_of(shape, offsets))
    graph = higra.UndirectedGraph(int(np.prod(shape)))
    sources, targets = (np.array([np.ravel_multi_index(row[end], shape) for row in edges]) for end in (1, 2))
    graph.add_edges(sources, targets)
    values = np.array([affinities[row[0]] for row in edges], np.float64)
    return higra.bpt_canonical(graph, max(1, values.max()) - values)


@given(labelled_graphs() | labelled_graphs(levels=3))
def test_partition_tree_equals_higra_where_the_graph_is_connected(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    ours = tree.ultrametric()
    assert ours.parents.shape == ours.altitudes.shape == (2 * labels.size - 1,)
    if len(tree.edges) == labels.size - 1:
        theirs, altitudes = higra_tree(affinities, offsets)
        np.testing.assert_array_equal(ours.parents, theirs.parents())
        np.testing.assert_array_equal(ours.altitudes, altitudes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 7)])
def test_partition_tree_of_nearest_neighbours_equals_higra(shape, dtype):
    affinities = np.random.default_rng(0).normal(size=(len(shape), *shape)).astype(dtype)
    offsets = Neighborhood.nearest(len(shape))
    theirs, altitudes = higra_tree(affinities, offsets.offsets)
    ours = maximin_tree(affinities, offsets).ultrametric()
    np.testing.assert_array_equal(ours.parents, theirs.parents())
    np.testing.assert_array_equal(ours.altitudes, altitudes)
    assert ours.altitudes.dtype == np.float64


def test_higra_reads_the_partition_tree_and_finds_every_maximin():
    higra = pytest.importorskip("higra")
    affinities = np.random.default_rng(1).random((2, 6, 5), np.float32)
    tree = maximin_tree(affinities, Neighborhood.nearest(2))
    parents, altitudes = tree.ultrametric()
    pairs = all_pairs(30)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    ancestors = higra.Tree(parents).lowest_common_ancestor(pairs[:, 0].copy(), pairs[:, 1].copy())
    np.testing.assert_array_equal(1 - altitudes[ancestors], tree.maximin(pairs))


@given(GRAPHS, st.sampled_from([0, 4]))
@settings(max_examples=150)
def test_horizontal_cuts_of_higra_are_those_of_the_tree(graph, logits):
    higra = pytest.importorskip("higra")
    affinities, _, offsets = graph
    tree = maximin_tree((affinities - np.float32(0.5)) * logits if logits else affinities, offsets)
    parents, altitudes = tree.ultrametric()
    hierarchy = higra.Tree(parents)  # the explorer does not keep it alive
    explorer = higra.HorizontalCutExplorer(hierarchy, altitudes)
    assert (np.diff(explorer.altitude_cuts()) < 0).all()
    top = max(1, tree.affinities[0].astype(np.float64))
    for threshold in np.unique(tree.affinities)[:-1]:
        just_below = np.nextafter(top - threshold.astype(np.float64), 0)
        nodes = explorer.horizontal_cut_from_altitude(just_below).nodes()
        labels = tree.cut(threshold).ravel()
        ids = np.where(labels > 0, labels, -1 - np.arange(labels.size))  # an unjoined voxel is one of its own
        found = [
            {ids[leaf] for leaf in range(ids.size) if node in hierarchy.ancestors(leaf)} for node in nodes
        ]
        assert sorted(found, key=min) == [{one} for one in np.unique(ids)]


@given(GRAPHS)
def test_trees_that_no_edge_joins_are_joined_last_at_infinity(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    parents, altitudes = tree.ultrametric()
    n_voxels, n_merges = labels.size, len(tree.edges)
    assert np.isinf(altitudes).sum() == n_voxels - 1 - n_merges
    assert parents[-1] == len(parents) - 1
    assert (parents[:-1] > np.arange(len(parents) - 1)).all()
    children = np.bincount(parents[:-1], minlength=len(parents))
    assert (children[:n_voxels] == 0).all()
    assert (children[n_voxels:] == 2).all()
    assert (altitudes[parents] >= altitudes).all()
    assert (altitudes[:n_voxels] == 0).all()
