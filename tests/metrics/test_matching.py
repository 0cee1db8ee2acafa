"""Matching: every way to pair by brute force, uniqueness above one half, ids that do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import ContingencyTable, match_objects, matching_of_table
from tests.metrics.strategies import label_pairs
from tests.oracles.detection import best_matching, overlap_of

KINDS = ("iou", "dice")
thresholds = st.sampled_from([0.0, 0.1, 0.2, 0.34, 0.5, 2 / 3, 0.9])


@given(label_pairs(), thresholds, st.sampled_from(KINDS))
def test_matching_equals_the_best_of_every_way_to_pair(pair, threshold, kind):
    truth, segmentation = pair
    matching = match_objects(truth=truth, segmentation=segmentation, threshold=threshold, overlap=kind)
    count, total = best_matching(truth, segmentation, threshold, kind)
    assert len(matching.pairs) == count
    assert matching.overlaps.sum() == pytest.approx(total, abs=1e-12)


@given(label_pairs(), thresholds, st.sampled_from(KINDS))
def test_each_object_has_one_partner_at_most_and_each_pair_its_overlap(pair, threshold, kind):
    truth, segmentation = pair
    matching = match_objects(truth=truth, segmentation=segmentation, threshold=threshold, overlap=kind)
    for column, objects, left in zip((0, 1), matching[:2], (matching.missed, matching.false), strict=True):
        partners = matching.pairs[:, column]
        assert len(set(partners.tolist())) == len(partners)
        assert sorted([*objects.ids[partners], *left.ids]) == objects.ids.tolist()
    for (t, s), overlap in zip(matching.pairs, matching.overlaps, strict=True):
        masks = truth == matching.truth.ids[t], segmentation == matching.predicted.ids[s]
        assert overlap == overlap_of(*masks, kind) > threshold


@given(label_pairs(), st.sampled_from([(0.5, "iou"), (2 / 3, "dice")]))
def test_above_one_half_every_pair_is_matched(pair, rule):
    threshold, kind = rule
    truth, segmentation = pair
    matching = match_objects(truth=truth, segmentation=segmentation, threshold=threshold, overlap=kind)
    candidates = [
        (t, s)
        for t in range(matching.truth.ids.size)
        for s in range(matching.predicted.ids.size)
        if overlap_of(truth == matching.truth.ids[t], segmentation == matching.predicted.ids[s], kind)
        > threshold
    ]
    assert [tuple(row) for row in matching.pairs.tolist()] == candidates


@given(label_pairs(), thresholds)
def test_swapping_truth_and_segmentation_swaps_missed_and_false(pair, threshold):
    there = match_objects(truth=pair[0], segmentation=pair[1], threshold=threshold)
    back = match_objects(truth=pair[1], segmentation=pair[0], threshold=threshold)
    assert len(there.pairs) == len(back.pairs)
    assert len(there.missed.ids) == len(back.false.ids)
    assert there.overlaps.sum() == pytest.approx(back.overlaps.sum(), abs=1e-12)


def test_more_pairs_beat_one_better_pair():
    # 1 overlaps 8 best (3 of 6) and 9 by 1; 2 overlaps 8 alone. The greedy choice, 1 with 8, leaves 2 alone.
    truth = np.array([[1, 1, 1, 1, 2, 2, 0]])
    segmentation = np.array([[8, 8, 8, 9, 8, 0, 9]])
    matching = match_objects(truth=truth, segmentation=segmentation, threshold=0.1)
    assert matching.pairs.tolist() == [[0, 1], [1, 0]]
    assert matching.overlaps.tolist() == [1 / 5, 1 / 5]


def test_an_overlap_that_only_equals_the_threshold_does_not_match():
    truth, segmentation = np.array([1, 1, 1, 1]), np.array([5, 5, 0, 0])
    assert len(match_objects(truth=truth, segmentation=segmentation, threshold=0.5).pairs) == 0
    assert len(match_objects(truth=truth, segmentation=segmentation, threshold=0.49).pairs) == 1


def test_the_largest_of_many_candidates_is_taken():
    # A row of dominoes, each over the border of two: two equally long matchings, one with the larger overlaps.
    truth = np.repeat(np.arange(1, 1001), 4)
    segmentation = np.roll(truth, 1)
    matching = match_objects(truth=truth, segmentation=segmentation, threshold=0.05)
    assert len(matching.pairs) == 1000
    np.testing.assert_array_equal(matching.pairs[:, 0], matching.pairs[:, 1])


@given(label_pairs(), thresholds)
def test_huge_ids_and_uint64_change_nothing(pair, threshold):
    ids = np.array([0, 2**63 + 11, 2**24 + 1, 2**31 + 5], np.uint64)
    small = match_objects(truth=pair[0], segmentation=pair[1], threshold=threshold)
    large = match_objects(truth=ids[pair[0]], segmentation=ids[pair[1]], threshold=threshold)
    assert len(small.pairs) == len(large.pairs)
    np.testing.assert_allclose(np.sort(small.overlaps).sum(), np.sort(large.overlaps).sum(), rtol=1e-12)


def test_arrays_that_are_not_contiguous_give_the_same():
    rng = np.random.default_rng(3)
    truth, segmentation = rng.integers(0, 4, (2, 6, 8, 10))
    parts = {"truth": truth[::2, :, ::-1], "segmentation": segmentation[::2, :, ::-1]}
    copies = {name: part.copy() for name, part in parts.items()}
    for there, here in zip(match_objects(**parts), match_objects(**copies), strict=True):
        np.testing.assert_array_equal(there, here)


def test_tables_of_blocks_add_up_to_the_volume():
    rng = np.random.default_rng(4)
    truth, segmentation = rng.integers(0, 6, (2, 8, 9, 10))
    blocks = [
        ContingencyTable.from_labels(truth=truth[part], segmentation=segmentation[part])
        for part in (slice(0, 3), slice(3, 8))
    ]
    whole = match_objects(truth=truth, segmentation=segmentation, threshold=0.05)
    summed = matching_of_table(sum(blocks, start=ContingencyTable.empty()), threshold=0.05)
    np.testing.assert_array_equal(whole.pairs, summed.pairs)
    np.testing.assert_array_equal(whole.overlaps, summed.overlaps)


def test_voxels_with_an_ignored_id_take_part_in_nothing():
    truth = np.array([1, 1, 2**64 - 1, 2**64 - 1], np.uint64)
    segmentation = np.array([5, 5, 5, 6])
    matching = match_objects(truth=truth, segmentation=segmentation)
    assert (matching.truth.ids.tolist(), matching.predicted.ids.tolist()) == ([1], [5])
    assert matching.overlaps.tolist() == [1.0]
    counted = match_objects(truth=truth, segmentation=segmentation, ignored_truth=())
    assert len(counted.truth.ids) == 2


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0, 2)])
def test_no_voxels_have_no_objects(shape):
    matching = match_objects(truth=np.zeros(shape, int), segmentation=np.zeros(shape, int))
    assert [len(part) for part in (*matching.truth, *matching.predicted, *matching[2:])] == [0] * 6


@pytest.mark.parametrize("threshold", [-0.1, 1, float("nan")])
def test_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(ArgumentError, match=f"`threshold` must be at least 0 and below 1, got {threshold}"):
        match_objects(truth=np.ones(2, int), segmentation=np.ones(2, int), threshold=threshold)


def test_bad_labels_are_refused():
    good = np.ones((2, 2), int)
    with pytest.raises(DtypeError, match="`truth` must hold integer ids"):
        match_objects(truth=good * 1.0, segmentation=good)
    with pytest.raises(ShapeError, match="`truth` and `segmentation` must have the same shape"):
        match_objects(truth=good, segmentation=good[:1])
    with pytest.raises(ArgumentError, match="`threshold` must be a number, got '0"):
        match_objects(truth=good, segmentation=good, threshold="0.5")
    with pytest.raises(ArgumentError, match="`overlap` must be one of 'iou', 'dice', got 'jaccard'"):
        match_objects(truth=good, segmentation=good, overlap="jaccard")
    with pytest.raises(ArgumentError, match=r"`ignored_truth` must hold ids from 0 .*, got -1"):
        match_objects(truth=good, segmentation=good, ignored_truth=(-1,))
