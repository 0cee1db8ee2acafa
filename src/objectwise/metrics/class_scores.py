"""All scores of one class or structure: its voxels, its surface and its objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_mask, check_same_shape
from objectwise.errors import ArgumentError
from objectwise.metrics.detection import (
    OBJECT_SCORE_DICE,
    DetectionScores,
    PanopticQuality,
    SizeClass,
    detection_scores,
    panoptic_of_scores,
    pooled_scores,
    scores_of_matching,
    size_classes,
)
from objectwise.metrics.matching import match_objects
from objectwise.metrics.surfaces import MaskScores, mask_scores


class ClassScores(NamedTuple):
    """How well one class of a volume was found."""

    masks: MaskScores
    """Of its voxels; in 2-D the mean over the sections in which truth or segmentation hold it."""
    detection: DetectionScores
    """Of its objects, matched by IoU above 0.5; in 2-D those of all sections together."""
    panoptic: PanopticQuality
    """Of the same matching."""
    object_score: float
    """Objects outlined with a Dice above 0.7, over the mean number of true and predicted ones."""
    by_size: tuple[SizeClass, ...]
    """Detection by the size of the objects."""


def class_scores(
    *,
    truth: NDArray[Any],
    segmentation: NDArray[Any],
    dimensions: int,
    spacing: Sequence[float] | None = None,
    tolerance: float = 1.0,
    ignore: NDArray[np.bool_] | None = None,
    edges: Sequence[int] = (),
    surfaces: bool = True,
) -> ClassScores:
    """Score one class of a volume.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer
        Ids of the objects of the class, 0 elsewhere; voxels with an id are its mask.
    dimensions : 2 or 3
        With 2 every section is an image of its own, and an object is what carries an id in one section.
    spacing : (dimensions,) float, optional
        Size of a voxel; 1 by default.
    tolerance : float, in the unit of `spacing`
        Of the surface Dice.
    ignore : (z, y, x) bool, optional
        True where the truth is unknown: neither mask holds such a voxel, and objects that lie there entirely
        are none.
    edges : ascending positive int, voxels
        Between the classes of size, see `detection_by_size`; one class of all objects by default.
    surfaces : bool
        False leaves out the distances between surfaces, see `mask_scores`.

    Returns
    -------
    ClassScores

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If arrays or options do not fit each other.
    """
    check_labels(truth, name="truth")
    check_labels(segmentation, name="segmentation")
    check_same_shape(truth, segmentation, names=("truth", "segmentation"))
    if dimensions not in (2, 3):
        raise ArgumentError(f"`dimensions` must be 2 or 3, got {dimensions!r}")
    if ignore is not None:
        check_mask(ignore, name="ignore", like=truth, like_name="truth")
        truth, segmentation = np.where(ignore, 0, truth), np.where(ignore, 0, segmentation)
    images = [(truth, segmentation)] if dimensions == 3 else list(zip(truth, segmentation, strict=True))
    matchings = [match_objects(truth=t, segmentation=s) for t, s in images]
    detection = pooled_scores([scores_of_matching(matching) for matching in matchings])
    outlined = [
        detection_scores(truth=t, segmentation=s, threshold=OBJECT_SCORE_DICE, overlap="dice")
        for t, s in images
    ]
    sizes = zip(*(size_classes(matching, edges) for matching in matchings), strict=True)
    return ClassScores(
        masks=_mean_of_masks(images, tolerance, spacing, surfaces),
        detection=detection,
        panoptic=panoptic_of_scores(detection),
        object_score=pooled_scores(outlined).f1,
        by_size=tuple(
            SizeClass(
                first.least, first.below, pooled_scores([first.scores, *(one.scores for one in others)])
            )
            for first, *others in sizes
        ),
    )


def _mean_of_masks(
    images: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    tolerance: float,
    spacing: Sequence[float] | None,
    surfaces: bool,
) -> MaskScores:
    held = [(t != 0, s != 0) for t, s in images if t.any() or s.any()]
    if not held:  # nothing to find, and nothing invented
        return MaskScores(1.0, 1.0, 0.0, 1.0, 0.0)
    scores = [
        mask_scores(truth=t, segmentation=s, tolerance=tolerance, spacing=spacing, surfaces=surfaces)
        for t, s in held
    ]
    return MaskScores(*(math.fsum(column) / len(column) for column in zip(*scores, strict=True)))
