"""Scores under a protocol: golden results, laws, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import (
    ContingencyTable,
    Protocol,
    Scores,
    cremi_score,
    evaluate,
    evaluate_sections,
    mask_borders,
    mean_scores,
    scores_of_table,
)
from tests.conftest import golden_cases
from tests.metrics.strategies import label_pairs

BOTH = pytest.mark.parametrize("protocol", ["cremi", "distinct_pairs"])


@pytest.mark.parametrize("path", golden_cases("metrics_*"), ids=lambda path: path.stem)
def test_scores_equal_the_golden_results(path, load_golden):
    golden = load_golden(path)
    scores = evaluate(truth=golden["truth"], segmentation=golden["segmentation"])
    for name in ("voi_split", "voi_merge", "adapted_rand_error"):
        np.testing.assert_allclose(getattr(scores, name), golden[f"cremi_{name}"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(scores.cremi_score, golden["cremi_score"], rtol=0, atol=1e-10)


@BOTH
@given(label_pairs(), st.permutations(range(1, 5)), st.sampled_from([1, 2**53, 2**64 - 20]))
def test_relabelling_changes_nothing(protocol, pair, order, base):
    new_ids = np.array([0, *(base + i for i in order)], np.uint64)
    scores = evaluate(truth=pair[0], segmentation=pair[1], protocol=protocol)
    assert evaluate(truth=new_ids[pair[0]], segmentation=new_ids[pair[1]], protocol=protocol) == scores


@BOTH
@given(label_pairs(low=1))
def test_swapping_truth_and_segmentation_swaps_split_and_merge(protocol, pair):
    there = evaluate(truth=pair[0], segmentation=pair[1], protocol=protocol)
    back = evaluate(truth=pair[1], segmentation=pair[0], protocol=protocol)
    assert (there.voi_split, there.voi_merge) == (back.voi_merge, back.voi_split)
    assert there.adapted_rand_error == back.adapted_rand_error


@BOTH
@given(label_pairs())
def test_a_perfect_segmentation_scores_zero(protocol, pair):
    assert evaluate(truth=pair[0], segmentation=pair[0], protocol=protocol) == (0, 0, 0, 0)


@BOTH
@given(label_pairs())
def test_scores_of_summed_blocks_equal_those_of_the_volume(protocol, pair):
    blocks = [ContingencyTable.from_labels(truth=t, segmentation=s) for t, s in zip(*pair, strict=True)]
    summed = scores_of_table(sum(blocks, start=ContingencyTable.empty()), protocol=protocol)
    assert summed == evaluate(truth=pair[0], segmentation=pair[1], protocol=protocol)


@given(label_pairs())
def test_masked_padding_changes_no_information(pair):
    # Adapted Rand is left out: CREMI weighs segmentation 0 by its share of the whole array, padding included.
    scores = evaluate(truth=pair[0], segmentation=pair[1])
    for padding in (2**64 - 1, 2**64 - 2, 2**64 - 3, 0):
        truth = np.pad(pair[0].astype(np.uint64), 1, constant_values=padding)
        padded = evaluate(truth=truth, segmentation=np.pad(pair[1], 1, constant_values=3))
        assert padded[:2] == scores[:2]


def test_a_protocol_with_borders_masks_the_truth_first():
    truth = np.array([[[1, 1, 1, 1, 2, 2, 2, 2]]])
    segmentation = np.array([[[1, 1, 1, 1, 1, 2, 2, 2]]])
    borders = Protocol("mine", border_distance=0)
    assert evaluate(truth=truth, segmentation=segmentation).adapted_rand_error > 0
    assert evaluate(truth=truth, segmentation=segmentation, protocol=borders) == (0, 0, 0, 0)
    assert evaluate_sections(truth=truth, segmentation=segmentation, protocol=borders) == [(0, 0, 0, 0)]
    by_hand = evaluate(truth=mask_borders(truth, 2), segmentation=segmentation)
    assert (
        evaluate(truth=truth, segmentation=segmentation, protocol=Protocol("m", border_distance=2)) == by_hand
    )


def test_cremi_score_is_the_geometric_mean():
    assert cremi_score(1.0, 3.0, 0.25) == 1


def test_sections_are_scored_as_images():
    rng = np.random.default_rng(0)
    truth, segmentation = rng.integers(0, 4, (2, 5, 8, 9))
    sections = evaluate_sections(truth=truth, segmentation=segmentation)
    assert sections == [evaluate(truth=t, segmentation=s) for t, s in zip(truth, segmentation, strict=True)]


def test_a_section_without_truth_has_no_scores_and_no_part_in_the_mean():
    truth = np.array([[[1, 1, 2, 2]], [[0, 0, 0, 0]]])
    sections = evaluate_sections(truth=truth, segmentation=np.full((2, 1, 4), 3))
    assert all(math.isnan(value) for value in sections[1])
    assert mean_scores(sections) == sections[0]


def test_mean_scores_average_each_score():
    scores = [Scores(0.0, 1.0, 0.5, 0.25), Scores(1.0, 3.0, 0.0, 0.75)]
    assert mean_scores(scores) == Scores(0.5, 2.0, 0.25, 0.5)


def test_the_mean_of_no_scores_is_refused():
    with pytest.raises(
        ArgumentError, match="`scores` must hold a section or volume with scores, got 0 without"
    ):
        mean_scores([])


def test_one_voxel_is_scored():
    assert evaluate(truth=np.array([[1]]), segmentation=np.array([[0]])) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("truth", "segmentation", "error", "message"),
    [
        (np.zeros((2, 2), int), np.ones((2, 2), int), ArgumentError, "`truth` must have a voxel that is not"),
        (np.zeros((0, 2), int), np.ones((0, 2), int), ArgumentError, "`truth` must have a voxel that is not"),
        (
            np.ones((2, 2), int),
            np.ones((2, 3), int),
            ShapeError,
            "`truth` and `segmentation` must have the same",
        ),
        (np.ones((2, 2), int), np.ones((2, 2)), DtypeError, "`segmentation` must hold integer ids"),
        (-np.ones((2, 2), int), np.ones((2, 2), int), ArgumentError, "`truth` must not be negative, got -1"),
    ],
)
def test_wrong_labels_are_named(truth, segmentation, error, message):
    with pytest.raises(error, match=message):
        evaluate(truth=truth, segmentation=segmentation)


def test_sections_of_an_image_are_refused():
    with pytest.raises(ShapeError, match=r"`truth` must be a stack \(z, y, x\).*use evaluate"):
        evaluate_sections(truth=np.ones((2, 2), int), segmentation=np.ones((2, 2), int))
