"""Scores of a segmented stack: over the volume for a 3-D run, over its sections for a 2-D run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.metrics import Scores, evaluate, evaluate_sections, mean_scores


class StackScores(NamedTuple):
    """The scores of one volume."""

    overall: Scores
    """Of the whole volume in 3-D; in 2-D the mean over the sections that have a score."""
    sections: list[Scores]
    """One per z; NaN where a section has no voxel to score."""


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
    sections = evaluate_sections(truth=truth, segmentation=segmentation, protocol=protocol)
    if dimensions == 2:
        return StackScores(mean_scores(sections), sections)
    return StackScores(evaluate(truth=truth, segmentation=segmentation, protocol=protocol), sections)


def scored_units(
    *, truth: NDArray[Any], segmentation: NDArray[np.int64], dimensions: int, protocol: str = "cremi"
) -> list[Scores]:
    """Return what a mean is taken over: the scores of each section in 2-D, of the volume in 3-D."""
    if dimensions == 2:
        return evaluate_sections(truth=truth, segmentation=segmentation, protocol=protocol)
    return [evaluate(truth=truth, segmentation=segmentation, protocol=protocol)]
