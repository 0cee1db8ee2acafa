"""The tree of maximin edges is kind: nothing to pair, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import MaximinTree, maximin_tree
from tests.graph.trees import CHAIN, chain_tree


def test_background_and_single_voxels_make_no_pairs():
    tree = chain_tree([0.75, 0.5])
    for labels in ([[0, 0, 0]], [[0, 4, 0]]):
        curve = tree.pair_curve(np.array(labels))
        assert not curve.joined_pairs.any()
        assert (curve.precision == 1).all()
        assert (curve.recall == 1).all()
        assert tree.best_threshold(np.array(labels)) == 0.75


def test_the_lowest_float_has_a_threshold_below_it():
    lowest = np.finfo(np.float32).min
    curve = chain_tree([lowest]).pair_curve(np.array([[1, 1]]))
    assert curve.threshold.tolist() == [lowest, -np.inf]
    assert curve.correct_pairs.tolist() == [0, 1]


def test_no_pairs_have_no_maximin():
    tree = chain_tree([0.5])
    assert tree.maximin(np.empty((0, 2), np.int64)).shape == (0,)
    assert tree.maximin_edges(np.empty((0, 2), np.int64)).dtype == np.int64


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([[0, 1]], DtypeError, "`pairs` must be a numpy array, got list"),
        (np.array([[0.0, 1.0]]), DtypeError, "`pairs` must hold integers .* got dtype float64"),
        (np.array([0, 1]), ShapeError, r"`pairs` must have shape \(p, 2\), got \(2,\)"),
        (np.array([[0, 1, 2]]), ShapeError, r"`pairs` must have shape \(p, 2\), got \(1, 3\)"),
        (np.array([[0, 1], [0, 3]]), ArgumentError, r"`pairs` must be in 0..2, got 3 at \(1, 1\)"),
        (np.array([[-1, 1]]), ArgumentError, r"`pairs` must be in 0..2, got -1 at \(0, 0\)"),
        (
            np.array([[0, 2**63]], np.uint64),
            ArgumentError,
            "`pairs` must be in 0..2, got 9223372036854775808",
        ),
    ],
)
def test_bad_pairs_are_named(pairs, error, message):
    tree = chain_tree([0.5, 0.25])
    for query in (tree.maximin, tree.maximin_edges):
        with pytest.raises(error, match=message):
            query(pairs)


@pytest.mark.parametrize(
    ("affinities", "offsets", "error", "message"),
    [
        (np.zeros((1, 2, 2), np.float16), CHAIN, DtypeError, "`affinities` must be float32 or float64"),
        (np.zeros((2, 2), np.float32), CHAIN, ShapeError, r"`affinities` must have shape \(k, y, x\)"),
        (np.zeros((2, 2, 2), np.float32), CHAIN, ShapeError, r"one row per channel .* \(2\), got 1 rows"),
        (np.zeros((1, 2, 2), np.float32), [[0, 2]], ArgumentError, "`offsets` must be shorter"),
        (np.full((1, 2, 2), np.nan), CHAIN, ArgumentError, r"finite, got nan at \(0, 0, 1\)"),
        (np.zeros((1, 0, 2), np.float32), CHAIN, ShapeError, "`affinities` must not be empty"),
    ],
)
def test_bad_graphs_are_named(affinities, offsets, error, message):
    with pytest.raises(error, match=message):
        maximin_tree(affinities, offsets)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.ones((1, 3)), DtypeError, "`labels` must hold integer ids"),
        (np.array([[1, -1, 0]]), ArgumentError, "`labels` must not be negative"),
        (
            np.ones((3, 1), int),
            ShapeError,
            r"`labels` must have the shape of the tree \(1, 3\), got \(3, 1\)",
        ),
    ],
)
def test_bad_labels_are_named(labels, error, message):
    with pytest.raises(error, match=message):
        chain_tree([0.5, 0.25]).pair_curve(labels)


@pytest.mark.parametrize("threshold", [np.nan, "0.5", None, True])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ArgumentError, match=f"`threshold` must be a number, got {threshold!r}"):
        chain_tree([0.5]).cut(threshold)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ({"parents": np.zeros(3, np.int64)}, DtypeError, "`parents` must be int32, got dtype int64"),
        ({"merges": np.zeros(4, np.int32)}, ShapeError, r"`merges` must have shape \(3,\), got \(4,\)"),
        (
            {"affinities": np.ones(1, np.float32)},
            ShapeError,
            r"`affinities` must have shape \(2,\), got \(1,\)",
        ),
        (
            {"parents": np.array([1, 0, -1], np.int32)},
            ArgumentError,
            "`parents` and `merges` must be a forest",
        ),
        (
            {"parents": np.array([7, -1, 1], np.int32)},
            ArgumentError,
            "`parents` and `merges` must be a forest",
        ),
        ({"merges": np.array([0, 2, 0], np.int32)}, ArgumentError, "`parents` and `merges` must be a forest"),
    ],
)
def test_damaged_trees_are_refused(damage, error, message):
    fields = vars(chain_tree([0.5, 0.25]))
    with pytest.raises(error, match=message):
        MaximinTree(**{**fields, **damage})
