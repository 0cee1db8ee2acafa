"""Scores are those of the volume in 3-D, and the mean over sections in 2-D."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ShapeError
from objectwise.metrics import detection_scores, evaluate, evaluate_sections, mean_scores, pooled_scores
from objectwise.pipeline import detect_in_stack, score_stack


def stacks() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 4, (3, 6, 6)), draw.integers(1, 4, (3, 6, 6))


def test_three_dimensions_score_the_volume():
    truth, segmentation = stacks()
    scores = score_stack(truth=truth, segmentation=segmentation, dimensions=3)
    assert scores.overall == evaluate(truth=truth, segmentation=segmentation)
    assert scores.sections == evaluate_sections(truth=truth, segmentation=segmentation)


def test_two_dimensions_score_the_sections_and_ids_need_not_link():
    truth, segmentation = stacks()
    scores = score_stack(truth=truth, segmentation=segmentation, dimensions=2)
    assert scores.overall == mean_scores(scores.sections)
    unlinked = segmentation + 10 * np.arange(3).reshape(3, 1, 1)
    assert score_stack(truth=truth, segmentation=unlinked, dimensions=2) == scores


def test_objects_are_counted_in_the_volume_or_in_each_section():
    truth, segmentation = stacks()
    labels = {"truth": truth, "segmentation": segmentation, "threshold": 0.2, "overlap": "dice"}
    volume = detect_in_stack(**labels, dimensions=3)
    assert volume.overall == detection_scores(**labels)
    sections = detect_in_stack(**labels, dimensions=2)
    assert sections.overall == pooled_scores(sections.sections)
    assert sections.sections == volume.sections


def test_stacks_of_different_length_are_refused_before_they_are_scored():
    truth, segmentation = stacks()
    with pytest.raises(ShapeError, match="`truth` and `segmentation` must have the same shape"):
        detect_in_stack(truth=truth, segmentation=segmentation[:2], dimensions=2)
