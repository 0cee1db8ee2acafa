"""Distances between the surfaces of two masks, for the evidence tables.

Not `objectwise.metrics.mask_scores`, which has other conventions: there a mask that meets the edge of the image
has a surface on it, and both surfaces are pooled. The tables that are there were measured with these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


class MaskScores(NamedTuple):
    """How two masks agree."""

    dice: float
    """1 where both are empty."""
    hd95: float
    """95 % Hausdorff distance, voxels: the larger of the two directed ones; the diagonal without a surface."""
    boundary_f: float
    """F of the surface voxels within the tolerance of the other surface."""


def mask_scores(truth: Mask, prediction: Mask, *, tolerance: float) -> MaskScores:
    """Compare two masks of one shape; `tolerance` in voxels."""
    sizes = int(truth.sum()) + int(prediction.sum())
    if sizes == 0:
        return MaskScores(1.0, 0.0, 1.0)
    dice = 2 * int((truth & prediction).sum()) / sizes
    if not (truth.any() and prediction.any()):
        return MaskScores(dice, math.dist(truth.shape, [1] * truth.ndim), 0.0)
    surfaces = [_surface(truth), _surface(prediction)]
    away = [ndimage.distance_transform_edt(~surface) for surface in surfaces]
    missed, wrong = away[1][surfaces[0]], away[0][surfaces[1]]
    recall, precision = (float((far <= tolerance).mean()) for far in (missed, wrong))
    both = precision + recall
    return MaskScores(
        dice,
        max(float(np.percentile(missed, 95)), float(np.percentile(wrong, 95))),
        2 * precision * recall / both if both else 0.0,
    )


def _surface(mask: Mask) -> Mask:
    """Return the voxels of a mask with a neighbour outside, beyond the edge of the image counting as inside."""
    inner: Mask = ndimage.binary_erosion(mask, border_value=1)
    return mask & ~inner
