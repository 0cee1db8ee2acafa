"""The tree of maximin edges is right, and lawful."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objectwise
from objectwise.graph import MaximinTree, components_from_affinities, known_edges, maximin_tree
from objectwise.maps import malis_pair_counts
from tests.conftest import golden_cases
from tests.graph.trees import CHAIN, GRAPHS, all_pairs, chain_tree
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs


def thresholds_of(affinities):
    """Every affinity, one between each two, and one beyond each end."""
    values = np.unique(affinities).astype(np.float64)
    return [values[0] - 1, *values, *((values[1:] + values[:-1]) / 2), values[-1] + 1]


# Right


@given(GRAPHS)
@settings(max_examples=150)
def test_maximin_of_every_pair_equals_the_widest_path(graph):
    affinities, labels, offsets = graph
    values, deciding = oracle.maximin_edges(affinities, offsets)
    tree, pairs = maximin_tree(affinities, offsets), all_pairs(labels.size)
    np.testing.assert_array_equal(tree.maximin(pairs), values.ravel())
    np.testing.assert_array_equal(tree.maximin_edges(pairs), deciding.ravel())


@given(GRAPHS)
@settings(max_examples=150)
def test_cut_equals_the_components_at_every_threshold(graph):
    affinities, _, offsets = graph
    tree = maximin_tree(affinities, offsets)
    for threshold in thresholds_of(affinities):
        expected = components_from_affinities(affinities, offsets, threshold)
        np.testing.assert_array_equal(tree.cut(threshold), expected)
    assert not tree.cut(np.inf).any()
    np.testing.assert_array_equal(tree.cut(-np.inf), tree.cut(-1.0))


@given(GRAPHS)
@settings(max_examples=150)
def test_pair_curve_equals_the_counted_pairs_of_every_cut(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    curve = tree.pair_curve(labels)
    for i, threshold in enumerate(curve.threshold):
        correct, joined, of_objects = oracle.pair_statistics(tree.cut(threshold), labels)
        assert (curve.correct_pairs[i], curve.joined_pairs[i], curve.object_pairs) == (
            correct,
            joined,
            of_objects,
        )
        assert curve.precision[i] == (correct / joined if joined else 1)
        assert curve.recall[i] == (correct / of_objects if of_objects else 1)
        total = joined + of_objects
        assert curve.f_score[i] == (2 * correct / total if total else 1)


@given(GRAPHS)
def test_pair_curve_has_one_entry_for_each_different_segmentation(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    threshold = tree.pair_curve(labels).threshold
    assert (np.diff(threshold) < 0).all()
    on_curve = [tree.cut(one) for one in threshold]
    assert all((a != b).any() for a, b in itertools.pairwise(on_curve))
    for one in thresholds_of(affinities):
        assert any((tree.cut(one) == labels).all() for labels in on_curve)


@given(GRAPHS)
def test_the_cut_at_the_best_threshold_attains_the_best_f_score_of_all_thresholds(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)

    def f_score(threshold):
        correct, joined, of_objects = oracle.pair_statistics(tree.cut(threshold), labels)
        return 2 * correct / (joined + of_objects) if joined + of_objects else 1

    best = tree.best_threshold(labels)
    assert f_score(best) == max(f_score(one) for one in thresholds_of(affinities))
    assert isinstance(best, float)


@given(GRAPHS)
def test_pairs_of_the_curve_are_those_of_unconstrained_malis(graph):
    affinities, labels, offsets = graph
    curve = maximin_tree(affinities, offsets).pair_curve(labels)
    positive, negative = malis_pair_counts(affinities, labels, offsets, constrained=False)
    assert curve.correct_pairs[-1] == positive.sum()
    assert curve.joined_pairs[-1] == positive.sum() + negative.sum()


@pytest.mark.parametrize("path", golden_cases("malis_*"), ids=lambda path: path.stem)
def test_maximin_edges_of_golden_graphs_are_those_that_the_published_counts_name(path, load_golden):
    case = load_golden(path)
    tree = maximin_tree(case["affinities"], case["offsets"])
    labels = case["labels"].ravel()
    voxels = np.flatnonzero(labels)
    if voxels.size > 1500:  # a million pairs say as much as all of them
        voxels = voxels[:: voxels.size // 1500 + 1]
    else:
        assert len(np.setdiff1d(np.flatnonzero(case["unconstrained_pos"]), tree.edges)) == 0
    u, v = (voxels[i] for i in np.triu_indices(voxels.size, 1))
    edges = tree.maximin_edges(np.stack([u, v], 1))
    for same, name in ((True, "unconstrained_pos"), (False, "unconstrained_neg")):
        chosen = edges[((labels[u] == labels[v]) == same) & (edges >= 0)]
        counts = np.bincount(chosen, minlength=case["affinities"].size)
        if voxels.size == np.count_nonzero(labels):
            np.testing.assert_array_equal(counts, case[name].ravel())
        assert (counts <= case[name].ravel()).all()


def test_a_chain_by_hand():
    tree = chain_tree([0.75, 0.25, 0.5])
    assert tree.edges.tolist() == [1, 3, 2]
    assert tree.maximin(np.array([[0, 1], [3, 0], [2, 3], [1, 1]])).tolist() == [0.75, 0.25, 0.5, np.inf]
    assert tree.maximin_edges(np.array([[0, 1], [3, 0], [2, 3], [1, 1]])).tolist() == [1, 2, 3, -1]
    assert tree.cut(0.3).tolist() == [[1, 1, 2, 2]]


def test_voxels_without_a_path_are_minus_infinity_apart():
    tree = maximin_tree(np.full((1, 2, 2), 0.5, np.float32), CHAIN)  # two rows, no edge between them
    pairs = np.array([[0, 1], [0, 2], [1, 3]])
    assert tree.maximin(pairs).tolist() == [0.5, -np.inf, -np.inf]
    assert tree.maximin_edges(pairs).tolist() == [1, -1, -1]


# Lawful


@given(GRAPHS)
def test_the_forest_is_shallow_descending_and_spans_every_component(graph):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    assert (np.diff(tree.affinities) <= 0).all()
    assert known_edges(labels.shape, offsets).ravel()[tree.edges].all()
    np.testing.assert_array_equal(affinities.ravel()[tree.edges], tree.affinities)
    whole = tree.cut(-np.inf)
    n_components = whole.max() + (whole == 0).sum()
    assert len(tree.edges) == labels.size - n_components == (tree.parents >= 0).sum()
    for voxel in range(labels.size):
        depth = 0
        while tree.parents[voxel] >= 0:
            voxel, depth = tree.parents[voxel], depth + 1
        assert 2**depth <= labels.size


@given(labelled_graphs())
def test_only_the_order_of_affinities_matters(graph):
    affinities, labels, offsets = graph
    logits = np.log(affinities.astype(np.float64) / (1 - affinities))
    tree, same = maximin_tree(affinities, offsets), maximin_tree(logits, offsets)
    for name in ("edges", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(same, name))
    assert same.affinities.dtype == np.float64
    np.testing.assert_array_equal(tree.pair_curve(labels).f_score, same.pair_curve(labels).f_score)


@given(labelled_graphs(), st.data())
def test_flipping_an_axis_flips_the_tree(graph, data):
    affinities, labels, offsets = graph
    axis = data.draw(st.integers(0, labels.ndim - 1))
    mirrored = np.array(offsets)
    mirrored[:, axis] *= -1
    tree = maximin_tree(affinities, offsets)
    flipped = maximin_tree(np.flip(affinities, axis + 1), mirrored)
    np.testing.assert_array_equal(flipped.affinities, tree.affinities)
    moved = np.flip(np.arange(labels.size).reshape(labels.shape), axis).ravel()
    pairs = all_pairs(labels.size)
    np.testing.assert_array_equal(flipped.maximin(moved[pairs]), tree.maximin(pairs))


@given(GRAPHS, st.permutations([2**24 + 1, 2**24 + 2, 2**63 + 3]))
def test_the_curve_does_not_depend_on_the_ids(graph, ids):
    affinities, labels, offsets = graph
    tree = maximin_tree(affinities, offsets)
    renamed = tree.pair_curve(np.array([0, *ids], np.uint64)[labels])
    for one, other in zip(tree.pair_curve(labels), renamed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_strided_inputs_give_the_tree_of_their_copies():
    rng = np.random.default_rng(3)
    affinities = rng.random((6, 8, 4), np.float32).transpose(2, 0, 1)[::2, ::-1]
    labels = np.asfortranarray(rng.integers(0, 4, (6, 8)))
    offsets = [[-1, 0], [0, -1]]
    tree, copied = maximin_tree(affinities, offsets), maximin_tree(affinities.copy(), offsets)
    for name in ("edges", "affinities", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(copied, name))
    for one, other in zip(tree.pair_curve(labels), tree.pair_curve(labels.copy()), strict=True):
        np.testing.assert_array_equal(one, other)
    pairs = all_pairs(48)
    np.testing.assert_array_equal(
        tree.maximin(np.asfortranarray(pairs)[::2]), tree.maximin(pairs[::2].copy())
    )


def test_pairs_beyond_32_bits_are_exact():
    labels = np.repeat(np.array([1, 2]), 70_000)[np.newaxis]
    affinities = np.full((1, *labels.shape), 0.5, np.float32)
    affinities[0, 0, 70_000] = 0.25
    curve = maximin_tree(affinities, CHAIN).pair_curve(labels)
    within = 70_000 * 69_999
    assert curve.correct_pairs.tolist() == [0, within, within]
    assert curve.joined_pairs.tolist() == [0, within, within + 70_000**2]


def test_a_saved_tree_is_the_tree(tmp_path):
    tree = maximin_tree(np.random.default_rng(0).random((2, 5, 6)), [[-1, 0], [0, -1]])
    np.savez(tmp_path / "tree.npz", **vars(tree))
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as archive:
        loaded = MaximinTree(**archive)
    assert loaded.shape == tree.shape == (5, 6)
    np.testing.assert_array_equal(loaded.cut(0.6), tree.cut(0.6))
    np.testing.assert_array_equal(loaded.offsets, tree.offsets)


def test_a_threshold_equal_to_an_affinity_does_not_join_it():
    # 0.1 is not a float32: the threshold is compared in the dtype of the affinities, so equal stays equal.
    assert not chain_tree([0.1]).cut(0.1).any()
    assert not chain_tree([0.1]).cut(1e300).any()


def test_the_tree_is_on_the_face():
    assert objectwise.maximin_tree is maximin_tree
    assert objectwise.MaximinTree is MaximinTree


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_whatever_stands_where_an_edge_leaves_the_volume_is_not_read(dtype, value):
    affinities = np.random.default_rng(0).random((2, 4, 5)).astype(dtype)
    offsets = [[1, 0], [0, -2]]
    changed = np.where(known_edges((4, 5), offsets), affinities, dtype(value))
    expected, tree = maximin_tree(affinities, offsets), maximin_tree(changed, offsets)
    for name in ("edges", "affinities", "parents", "merges"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(expected, name))
