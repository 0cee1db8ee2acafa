"""Scores are those of the volume in 3-D, and the mean over sections in 2-D."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ShapeError
from objectwise.kernels.overlap import add_pairs
from objectwise.metrics import (
    contingency,
    detection_scores,
    evaluate,
    evaluate_sections,
    load_tables,
    mean_scores,
    pooled_scores,
    save_tables,
    section_tables,
)
from objectwise.pipeline import detect_in_stack, score_stack, score_tables


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


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_voxel_is_counted_once(monkeypatch, dimensions: int):
    truth, segmentation = stacks()
    counted: list[int] = []

    def counting(table, first, second):
        counted.append(len(first))
        return add_pairs(table, first, second)

    monkeypatch.setattr(contingency, "add_pairs", counting)
    for score in (score_stack, detect_in_stack):
        counted.clear()
        score(truth=truth, segmentation=segmentation, dimensions=dimensions)
        assert sum(counted) == truth.size


@pytest.mark.parametrize("dimensions", [2, 3])
def test_saved_tables_score_as_the_stack(tmp_path, dimensions: int):
    truth, segmentation = stacks()
    save_tables(tmp_path / "tables.npz", section_tables(truth=truth, segmentation=segmentation))
    scores = score_tables(load_tables(tmp_path / "tables.npz"), dimensions=dimensions)
    assert scores == score_stack(truth=truth, segmentation=segmentation, dimensions=dimensions)


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
