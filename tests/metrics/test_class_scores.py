"""All scores of one class, against the scores they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps import connected_components
from objectwise.metrics import (
    class_scores,
    detection_by_size,
    detection_scores,
    mask_scores,
    object_score,
    panoptic_quality,
)


def volume(seed=0):
    """Blobs, and blobs like them."""
    rng = np.random.default_rng(seed)
    truth = rng.random((5, 12, 14)) < 0.2
    found = truth ^ (rng.random(truth.shape) < 0.05)
    return connected_components(truth, 6), connected_components(found, 6)


def test_a_volume_scores_as_the_single_scores_say():
    truth, segmentation = volume()
    sides = {"truth": truth, "segmentation": segmentation}
    scores = class_scores(**sides, dimensions=3, spacing=(3, 1, 1), tolerance=2, edges=(2, 8))
    masks = {name: side > 0 for name, side in sides.items()}
    assert scores.masks == mask_scores(**masks, spacing=(3, 1, 1), tolerance=2)
    assert scores.detection == detection_scores(**sides)
    assert scores.panoptic == panoptic_quality(**sides)
    assert scores.object_score == object_score(**sides)
    assert list(scores.by_size) == detection_by_size(**sides, edges=(2, 8))


def test_a_stack_of_images_pools_objects_and_means_masks_where_there_are_any():
    truth, segmentation = volume()
    truth[1], segmentation[1] = 0, 0
    scores = class_scores(truth=truth, segmentation=segmentation, dimensions=2)
    sections = [
        (detection_scores(truth=t, segmentation=s), mask_scores(truth=t > 0, segmentation=s > 0))
        for t, s in zip(truth, segmentation, strict=True)
    ]
    assert scores.detection.found == sum(one.found for one, _ in sections)
    assert scores.masks.dice == pytest.approx(
        np.mean([m.dice for i, (_, m) in enumerate(sections) if i != 1])
    )


def test_nothing_to_find_and_nothing_invented_is_perfect():
    empty = np.zeros((2, 3, 4), int)
    for dimensions in (2, 3):
        scores = class_scores(truth=empty, segmentation=empty, dimensions=dimensions)
        assert scores.masks == (1, 1, 0, 1, 0)
        assert (scores.detection.f1, scores.panoptic.panoptic_quality, scores.object_score) == (1, 1, 1)


def test_what_is_ignored_does_not_count():
    truth, segmentation = volume()
    ignore = np.zeros(truth.shape, bool)
    ignore[:, :, 8:] = True
    changed = np.where(ignore, 0, segmentation)
    given = class_scores(truth=truth, segmentation=segmentation, dimensions=3, ignore=ignore)
    assert given == class_scores(truth=np.where(ignore, 0, truth), segmentation=changed, dimensions=3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"truth": np.zeros((2, 3, 4))}, DtypeError, "`truth`"),
        ({"segmentation": np.zeros((2, 3, 5), int)}, ShapeError, "same shape"),
        ({"dimensions": 4}, ArgumentError, "`dimensions`"),
        ({"edges": (5, 2)}, ArgumentError, "`edges`"),
        ({"ignore": np.zeros((2, 3, 4), int)}, DtypeError, "`ignore`"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    good = {"truth": np.ones((2, 3, 4), int), "segmentation": np.ones((2, 3, 4), int), "dimensions": 3}
    with pytest.raises(error, match=words):
        class_scores(**(good | change))
