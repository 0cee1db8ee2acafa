"""Detection scores: values by hand, their formulas on random labels, and what nothing is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError
from objectwise.metrics import (
    DetectionScores,
    detection_by_size,
    detection_scores,
    object_score,
    panoptic_quality,
    pooled_scores,
)
from tests.metrics.strategies import label_pairs
from tests.oracles.detection import best_matching, panoptic_by_hand

NOTHING = np.zeros((3, 4), int)
SOMETHING = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 2, 2, 2]])


@given(label_pairs(), st.sampled_from([0.2, 0.5]), st.sampled_from(["iou", "dice"]))
def test_scores_equal_their_definitions(pair, threshold, kind):
    truth, segmentation = pair
    scores = detection_scores(truth=truth, segmentation=segmentation, threshold=threshold, overlap=kind)
    found, total = best_matching(truth, segmentation, threshold, kind)
    n_truth, n_predicted = (len(set(labels.ravel().tolist()) - {0}) for labels in pair)
    assert scores[:3] == (found, n_truth - found, n_predicted - found)
    assert scores.precision == (found / n_predicted if n_predicted else 1)
    assert scores.recall == found / n_truth
    assert scores.f1 == pytest.approx(found / ((n_truth + n_predicted) / 2))
    assert scores.mean_overlap == pytest.approx(total / found if found else 0)


@given(label_pairs())
def test_panoptic_quality_equals_its_formula(pair):
    quality = panoptic_quality(truth=pair[0], segmentation=pair[1])
    assert quality.panoptic_quality == pytest.approx(panoptic_by_hand(*pair), abs=1e-12)


def test_panoptic_quality_of_a_hand_counted_case():
    # IoU 3/4 and 2/3, one missed, one false: SQ their mean, RQ 2 / (2 + 1/2 + 1/2).
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3, 0]])
    segmentation = np.array([[7, 7, 7, 0, 0, 4, 4, 4, 0, 9]])
    quality = panoptic_quality(truth=truth, segmentation=segmentation)
    assert quality == pytest.approx(((3 / 4 + 2 / 3) / 2, 2 / 3, (3 / 4 + 2 / 3) / 2 * 2 / 3))


def test_object_score_divides_by_the_mean_number_of_objects():
    # Dice 6/7 of the first; 2/3 of the second is too little; one false object: 1 of (2 + 3) / 2.
    truth = np.array([1, 1, 1, 1, 0, 2, 2, 0, 0])
    segmentation = np.array([7, 7, 7, 0, 0, 4, 0, 0, 9])
    assert object_score(truth=truth, segmentation=segmentation) == pytest.approx(1 / 2.5)


@given(label_pairs())
def test_a_perfect_segmentation_scores_one(pair):
    truth = pair[0]
    n = len(set(truth.ravel().tolist()) - {0})
    relabelled = np.array([0, 9, 2**40, 3], np.uint64)[truth]
    assert detection_scores(truth=truth, segmentation=relabelled) == (n, 0, 0, 1, 1, 1, 1)
    assert panoptic_quality(truth=truth, segmentation=relabelled) == (1, 1, 1)
    assert object_score(truth=truth, segmentation=relabelled) == 1


@pytest.mark.parametrize(
    ("truth", "segmentation", "expected"),
    [
        (NOTHING, NOTHING, (0, 0, 0, 1, 1, 1, 1)),
        (SOMETHING, NOTHING, (0, 2, 0, 1, 0, 0, 0)),
        (NOTHING, SOMETHING, (0, 0, 2, 0, 1, 0, 0)),
        (np.ones((1, 1, 1), int), np.full((1, 1, 1), 9), (1, 0, 0, 1, 1, 1, 1)),
    ],
    ids=["both_empty", "no_prediction", "no_truth", "one_voxel"],
)
def test_empty_sides_have_defined_scores(truth, segmentation, expected):
    labels = {"truth": truth, "segmentation": segmentation}
    scores = detection_scores(**labels)
    assert scores == expected
    assert panoptic_quality(**labels) == (scores.mean_overlap, scores.f1, scores.mean_overlap * scores.f1)
    assert object_score(**labels) == scores.f1


@given(label_pairs(), st.sampled_from([(1,), (2, 5), (1, 2, 3, 4)]))
def test_size_classes_add_up_to_all_objects(pair, edges):
    labels = {"truth": pair[0], "segmentation": pair[1], "threshold": 0.3}
    classes = detection_by_size(**labels, edges=edges)
    whole = detection_scores(**labels)
    assert [(one.least, one.below) for one in classes] == list(
        zip([0, *edges], [*edges, math.inf], strict=True)
    )
    assert tuple(sum(one.scores[field] for one in classes) for field in range(3)) == whole[:3]
    np.testing.assert_allclose(pooled_scores([one.scores for one in classes]), whole, rtol=1e-12)


def test_an_object_belongs_to_the_class_that_begins_with_its_size():
    truth = np.array([1, 0, 2, 2, 0, 3, 3, 3, 0, 0])
    segmentation = np.array([0, 0, 5, 5, 5, 0, 0, 0, 0, 8])
    small, large = detection_by_size(truth=truth, segmentation=segmentation, edges=(2,))
    assert small.scores[:3] == (0, 1, 1)  # 1 is missed, 8 is false
    assert large.scores[:3] == (1, 1, 0)  # 2 is found by an object that is larger; 3 is missed
    assert small.scores.f1 == 0
    assert large.scores.f1 == 2 / 3


def test_a_class_without_objects_has_nothing_wrong():
    (_, empty) = detection_by_size(truth=SOMETHING, segmentation=SOMETHING, edges=(100,))
    assert empty.scores == DetectionScores(0, 0, 0, 1, 1, 1, 1)


def test_pooled_scores_count_each_object_alike():
    perfect = detection_scores(truth=SOMETHING, segmentation=SOMETHING)
    missed = detection_scores(truth=SOMETHING, segmentation=NOTHING)
    nothing = detection_scores(truth=NOTHING, segmentation=NOTHING)
    assert pooled_scores([perfect, missed, nothing]) == (2, 2, 0, 1, 0.5, 2 / 3, 1)
    assert pooled_scores([nothing, nothing]) == nothing


def test_no_scores_cannot_be_pooled():
    with pytest.raises(ArgumentError, match="`scores` must hold the scores of an image or more, got none"):
        pooled_scores([])


@pytest.mark.parametrize("edges", [(0,), (5, 5), (9, 3), (-1, 4), (2.5,), 5])
def test_edges_that_do_not_ascend_are_refused(edges):
    with pytest.raises(ArgumentError, match=r"`edges` must be positive integers \(voxels\) that ascend, got"):
        detection_by_size(truth=SOMETHING, segmentation=SOMETHING, edges=edges)
