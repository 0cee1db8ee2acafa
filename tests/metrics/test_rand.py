"""Adapted Rand: hand-counted pairs, all pairs by brute force, scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from skimage.metrics import adapted_rand_error

from objectwise.errors import ArgumentError
from objectwise.metrics import ContingencyTable, adapted_rand, rand_of_table
from tests.conftest import golden_cases
from tests.metrics.strategies import label_pairs
from tests.oracles.metrics import rand_of_cremi, rand_over_distinct_pairs


@given(label_pairs())
def test_cremi_pairs_equal_brute_force_over_ordered_pairs(pair):
    truth, segmentation = pair
    expected = rand_of_cremi(truth.ravel().tolist(), segmentation.ravel().tolist())
    result = adapted_rand(truth=truth, segmentation=segmentation)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@given(label_pairs())
def test_distinct_pairs_equal_brute_force_over_pairs(pair):
    truth, segmentation = pair
    expected = rand_over_distinct_pairs(truth.ravel().tolist(), segmentation.ravel().tolist())
    result = adapted_rand(truth=truth, segmentation=segmentation, pairs="distinct")
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@given(label_pairs(low=1))
def test_swapping_truth_and_segmentation_swaps_precision_and_recall(pair):
    for pairs in ("cremi", "distinct"):
        there = adapted_rand(truth=pair[0], segmentation=pair[1], pairs=pairs)
        back = adapted_rand(truth=pair[1], segmentation=pair[0], pairs=pairs)
        assert there == (back.error, back.recall, back.precision)


def test_distinct_pairs_equal_scikit_image_which_exchanges_precision_and_recall():
    rng = np.random.default_rng(0)
    truth, segmentation = rng.integers(0, 5, (2, 20, 30))
    error, precision, recall = adapted_rand(truth=truth, segmentation=segmentation, pairs="distinct")
    np.testing.assert_allclose(
        (error, recall, precision), adapted_rand_error(truth, segmentation), rtol=1e-12
    )


def test_a_merge_lowers_precision_by_hand_counted_pairs():
    # joined: the 6 pairs of four voxels; right: 1 pair of voxels 1-2 and 1 of voxels 3-4.
    result = adapted_rand(truth=np.array([1, 1, 2, 2]), segmentation=np.array([7, 7, 7, 7]), pairs="distinct")
    assert result == (pytest.approx(1 - 2 * 2 / (6 + 2)), pytest.approx(2 / 6), 1)


def test_a_split_lowers_recall_by_hand_counted_pairs():
    # ordered pairs with self: object 4 * 4 = 16; pieces 3 * 3 + 1 * 1 = 10, all right.
    result = adapted_rand(truth=np.array([1, 1, 1, 1]), segmentation=np.array([7, 7, 7, 9]))
    assert result == (pytest.approx(1 - 20 / 26), 1, pytest.approx(10 / 16))


def test_cremi_background_of_the_segmentation_joins_nothing():
    truth = np.array([1, 1, 1, 1])
    background = adapted_rand(truth=truth, segmentation=np.zeros(4, int))
    # 4 of 4 voxels are background: they add 1 to the joined and right pairs, of 16 in the truth.
    assert background == (pytest.approx(1 - 2 / 17), 1, pytest.approx(1 / 16))
    assert adapted_rand(truth=truth, segmentation=np.zeros(4, int), pairs="distinct").error == 0


def test_one_voxel_has_no_distinct_pairs_and_no_error():
    for pairs in ("cremi", "distinct"):
        result = adapted_rand(truth=np.array([[5]]), segmentation=np.array([[9]]), pairs=pairs)
        assert result == (0, 1, 1)


def test_pairs_are_exact_beyond_the_range_of_int64():
    # 2^40 voxels each of two objects, half of the second merged into the first: squares reach 2^80.
    n = 2**40
    table = ContingencyTable(
        np.array([1, 2, 2], np.uint64), np.array([1, 1, 2], np.uint64), np.array([n, n // 2, n // 2])
    )
    result = rand_of_table(table, n_voxels=2 * n)
    assert result == (
        pytest.approx(1 - 2 * 1.5 / (2.5 + 2)),
        pytest.approx(1.5 / 2.5),
        pytest.approx(1.5 / 2),
    )


@pytest.mark.parametrize("path", golden_cases("metrics_*"), ids=lambda path: path.stem)
def test_adapted_rand_equals_the_golden_results(path, load_golden):
    golden = load_golden(path)
    labels = {"truth": golden["truth"], "segmentation": golden["segmentation"]}
    cremi, distinct = adapted_rand(**labels), adapted_rand(**labels, pairs="distinct")
    np.testing.assert_allclose(cremi.error, golden["cremi_adapted_rand_error"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(distinct.error, golden["skimage_adapted_rand_error"], rtol=0, atol=1e-10)


def test_unknown_pairs_are_named():
    with pytest.raises(ArgumentError, match="`pairs` must be one of 'cremi', 'distinct', got 'all'"):
        adapted_rand(truth=np.ones(2, int), segmentation=np.ones(2, int), pairs="all")


def test_a_truth_of_ignored_ids_alone_cannot_be_scored():
    with pytest.raises(ArgumentError, match=r"`truth` must have a voxel that is not ignored"):
        adapted_rand(truth=np.zeros(3, int), segmentation=np.ones(3, int))
