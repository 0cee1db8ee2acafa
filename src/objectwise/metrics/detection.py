"""Scores that count objects: how many are found, missed and invented, and how well they are outlined."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError
from objectwise.metrics.matching import Matching, Overlap, match_objects
from objectwise.metrics.protocols import RESERVED_IDS

OBJECT_SCORE_DICE = 0.7


class DetectionScores(NamedTuple):
    """How many objects were found; shares are from 0 to 1, higher is better."""

    found: int
    """Matched pairs: true objects found, and predicted objects that are one."""
    missed: int
    """True objects without a partner."""
    false: int
    """Predicted objects without a partner."""
    precision: float
    """Of the predicted objects, those that are one."""
    recall: float
    """Of the true objects, those found."""
    f1: float
    """Harmonic mean of both: found / (found + (missed + false) / 2)."""
    mean_overlap: float
    """Mean overlap of the matched pairs; 1 where there is nothing to match, else 0 without a pair."""


class PanopticQuality(NamedTuple):
    """Panoptic quality and its two factors, each from 0 to 1, higher is better."""

    segmentation_quality: float
    """Mean IoU of the matched pairs (SQ)."""
    recognition_quality: float
    """F1 of the objects (RQ)."""
    panoptic_quality: float
    """Their product (PQ)."""


class SizeClass(NamedTuple):
    """The objects with `least` or more voxels and fewer than `below`."""

    least: int
    """Voxels; the class begins here."""
    below: float
    """Voxels; the class ends before, infinity in the last one."""
    scores: DetectionScores
    """Pairs and missed objects by the size of the true object, false ones by their own."""


def detection_scores(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    threshold: float = 0.5,
    overlap: Overlap = "iou",
    ignored_truth: Collection[int] = RESERVED_IDS,
) -> DetectionScores:
    """Count the objects that were found, missed and invented.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
        Objects are ids, 0 is background.
    threshold, overlap, ignored_truth
        Which pairs may match, see `match_objects`.

    Returns
    -------
    DetectionScores
        A share of nothing is 1: without predicted objects the precision is 1, without true ones the
        recall, and without either F1 and the mean overlap too, for nothing is wrong then.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        As `match_objects`.

    References
    ----------
    J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", 2019.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3]])
    >>> scores = detection_scores(truth=truth, segmentation=np.array([[5, 5, 5, 0, 0, 0, 7, 7]]))
    >>> scores.found, scores.missed, scores.false, scores.precision, scores.f1
    (2, 1, 0, 1.0, 0.8)
    """
    return scores_of_matching(
        match_objects(
            truth=truth,
            segmentation=segmentation,
            threshold=threshold,
            overlap=overlap,
            ignored_truth=ignored_truth,
        )
    )


def scores_of_matching(matching: Matching) -> DetectionScores:
    """Count the objects of a matching."""
    found = len(matching.pairs)
    missed, false = matching.truth.ids.size - found, matching.predicted.ids.size - found
    return _scores(found, missed, false, math.fsum(matching.overlaps.tolist()))


def pooled_scores(scores: Sequence[DetectionScores]) -> DetectionScores:
    """Return the scores of all objects of several images together, each object counting alike.

    Unlike the mean of their F1, this does not reward an image without objects.

    Raises
    ------
    ArgumentError
        If there are no scores.
    """
    if not scores:
        raise ArgumentError("`scores` must hold the scores of an image or more, got none")
    total = math.fsum(one.found * one.mean_overlap for one in scores)
    found, missed, false = (sum(one[field] for one in scores) for field in range(3))
    return _scores(int(found), int(missed), int(false), total)


def panoptic_quality(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    threshold: float = 0.5,
    ignored_truth: Collection[int] = RESERVED_IDS,
) -> PanopticQuality:
    """Compute panoptic quality of one class of objects: how many are found, times how well.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
        Objects are ids, 0 is background.
    threshold : float, 0 or more and below 1
        IoU that a pair must exceed; 0.5 in the paper. See `match_objects` for lower ones.
    ignored_truth : ids
        Voxels that carry one of them take part in nothing, see `match_objects`. The paper moreover drops
        a predicted object most of which lies there; here the rest of it counts as an object.

    Returns
    -------
    PanopticQuality
        1 in all three without any object, true or predicted; 0 in all three with objects but no match.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        As `match_objects`.

    References
    ----------
    A. Kirillov et al., "Panoptic segmentation", 2019.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1, 2, 0]])
    >>> panoptic_quality(truth=truth, segmentation=np.array([[1, 1, 1, 0, 0, 0]])).segmentation_quality
    0.75
    """
    scores = detection_scores(
        truth=truth, segmentation=segmentation, threshold=threshold, ignored_truth=ignored_truth
    )
    return panoptic_of_scores(scores)


def panoptic_of_scores(scores: DetectionScores) -> PanopticQuality:
    """Return panoptic quality from scores by IoU."""
    return PanopticQuality(scores.mean_overlap, scores.f1, scores.mean_overlap * scores.f1)


def object_score(
    *, truth: NDArray[Any], segmentation: NDArray[Any], ignored_truth: Collection[int] = RESERVED_IDS
) -> float:
    """Compute the objects outlined with a Dice above 0.7, over the mean number of true and predicted ones.

    That is F1 with `overlap="dice"` and `threshold=0.7`, where no object has two partners. The objects are
    ids here, 0 is background; number the connected components first where the labels are a mask.

    Returns
    -------
    float, 0 to 1
        1 without any object, true or predicted.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        As `match_objects`.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 0, 2, 2]])
    >>> object_score(truth=truth, segmentation=np.array([[1, 1, 0, 0, 2, 0]]))
    0.5
    """
    return detection_scores(
        truth=truth,
        segmentation=segmentation,
        threshold=OBJECT_SCORE_DICE,
        overlap="dice",
        ignored_truth=ignored_truth,
    ).f1


def detection_by_size(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    edges: Sequence[int],
    threshold: float = 0.5,
    overlap: Overlap = "iou",
    ignored_truth: Collection[int] = RESERVED_IDS,
) -> list[SizeClass]:
    """Count the objects found, missed and invented by their size.

    Parameters
    ----------
    truth, segmentation : any equal shape, any integer dtypes, not negative
        Objects are ids, 0 is background.
    edges : ascending positive int, voxels
        Where a class ends and the next begins: `(100, 1000)` makes three classes, of objects with fewer than
        100 voxels, 100 to 999, and 1000 or more.
    threshold, overlap, ignored_truth
        Which pairs may match, see `match_objects`.

    Returns
    -------
    list of SizeClass, `len(edges) + 1` of them, ascending
        Their counts add up to those of `detection_scores`.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        As `match_objects`, and for edges that do not ascend.
    """
    matching = match_objects(
        truth=truth,
        segmentation=segmentation,
        threshold=threshold,
        overlap=overlap,
        ignored_truth=ignored_truth,
    )
    return size_classes(matching, edges)


def size_classes(matching: Matching, edges: Sequence[int]) -> list[SizeClass]:
    """Divide the objects of a matching by their size, see `detection_by_size`."""
    limits = np.array([0, *edges] if np.iterable(edges) else np.nan)
    if limits.dtype.kind not in "iu" or not (np.diff(limits) > 0).all():
        raise ArgumentError(f"`edges` must be positive integers (voxels) that ascend, got {edges!r}")

    def class_of(sizes: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.searchsorted(limits, sizes, side="right") - 1

    found = class_of(matching.truth.sizes[matching.pairs[:, 0]])
    missed, false = class_of(matching.missed.sizes), class_of(matching.false.sizes)
    return [
        SizeClass(
            int(least),
            below,
            _scores(
                int((found == index).sum()),
                int((missed == index).sum()),
                int((false == index).sum()),
                math.fsum(matching.overlaps[found == index].tolist()),
            ),
        )
        for index, (least, below) in enumerate(zip(limits, [*map(float, edges), math.inf], strict=True))
    ]


def _scores(found: int, missed: int, false: int, total_overlap: float) -> DetectionScores:
    nothing = found + missed + false == 0
    return DetectionScores(
        found=found,
        missed=missed,
        false=false,
        precision=found / (found + false) if found + false else 1.0,
        recall=found / (found + missed) if found + missed else 1.0,
        f1=1.0 if nothing else 2 * found / (2 * found + missed + false),
        mean_overlap=total_overlap / found if found else float(nothing),
    )
