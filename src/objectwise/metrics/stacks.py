"""Scores of a segmented stack: over the volume for a 3-D run, over its sections for a 2-D run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_dimensions
from objectwise.metrics.contingency import ContingencyTable
from objectwise.metrics.detection import DetectionScores, pooled_scores, scores_of_matching
from objectwise.metrics.evaluate import (
    Scores,
    evaluate,
    evaluate_sections,
    mean_scores,
    scores_of_sections,
    scores_of_table,
)
from objectwise.metrics.matching import Overlap, matching_of_table
from objectwise.metrics.protocols import RESERVED_IDS
from objectwise.metrics.section_tables import section_tables


class StackScores(NamedTuple):
    """The scores of one volume."""

    overall: Scores
    """Of the whole volume in 3-D; in 2-D the mean over the sections that have a score."""
    sections: list[Scores]
    """One per z; NaN where a section has no voxel to score."""


class StackDetection(NamedTuple):
    """How many objects of one volume were found."""

    overall: DetectionScores
    """Of the whole volume in 3-D; in 2-D of the objects of all sections together."""
    sections: list[DetectionScores]
    """One per z, each section as an image of its own."""


def score_stack(
    *, truth: NDArray[Any], segmentation: NDArray[Any], dimensions: int, protocol: str = "cremi"
) -> StackScores:
    """Score a segmentation, and each of its sections as an image of its own.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer, 0 = background
    dimensions : 2 or 3
        With 2, ids mean nothing across sections, so a score of the volume as one object space would too.
    """
    tables = section_tables(truth=truth, segmentation=segmentation, protocol=protocol)
    return score_tables(tables, dimensions=dimensions, protocol=protocol)


def score_tables(
    tables: Sequence[ContingencyTable], *, dimensions: int, protocol: str = "cremi"
) -> StackScores:
    """Score the sections that tables count, as `score_stack`; with 3 dimensions they add up to the volume."""
    check_dimensions(dimensions)
    sections = scores_of_sections(tables, protocol=protocol)
    if dimensions == 2:
        return StackScores(mean_scores(sections), sections)
    return StackScores(scores_of_table(ContingencyTable.merged(tables), protocol=protocol), sections)


def detect_in_stack(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    dimensions: int,
    threshold: float = 0.5,
    overlap: Overlap = "iou",
) -> StackDetection:
    """Count the objects found, missed and invented, and those of each section as an image of its own.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer, 0 = background
    dimensions : 2 or 3
        With 2, an object is what carries an id in one section.
    threshold, overlap
        See `objectwise.metrics.match_objects`.
    """

    def detected(table: ContingencyTable) -> DetectionScores:
        known = table.without(truth=RESERVED_IDS)
        return scores_of_matching(matching_of_table(known, threshold=threshold, overlap=overlap))

    check_dimensions(dimensions)
    tables = section_tables(truth=truth, segmentation=segmentation)
    sections = list(map(detected, tables))
    if dimensions == 2:
        return StackDetection(pooled_scores(sections), sections)
    return StackDetection(detected(ContingencyTable.merged(tables)), sections)


def scored_units(
    *, truth: NDArray[Any], segmentation: NDArray[np.int64], dimensions: int, protocol: str = "cremi"
) -> list[Scores]:
    """Return what a mean is taken over: the scores of each section in 2-D, of the volume in 3-D."""
    check_dimensions(dimensions)
    if dimensions == 2:
        return evaluate_sections(truth=truth, segmentation=segmentation, protocol=protocol)
    return [evaluate(truth=truth, segmentation=segmentation, protocol=protocol)]
