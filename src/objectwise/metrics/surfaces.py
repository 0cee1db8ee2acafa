"""How well two masks agree: by their voxels, and by how far their surfaces lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.checks import check_mask, check_not_empty, check_positive, check_spacing
from objectwise.errors import DtypeError

Mask = NDArray[np.bool_]


class MaskScores(NamedTuple):
    """How two masks agree: shares from 0 to 1, higher is better, and distances in the unit of `spacing`."""

    dice: float
    """Twice the overlap over the sum of the sizes; 1 where both are empty."""
    iou: float
    """Overlap over union; 1 where both are empty."""
    hausdorff95: float
    """The larger of the two directed 95 % Hausdorff distances; 0 where both are empty, the diagonal of the
    image where one is."""
    surface_dice: float
    """Share of both surfaces that lies within the tolerance of the other; 1 where both are empty, 0 where
    one is."""
    surface_distance: float
    """Mean distance of the voxels of either surface to the other; as `hausdorff95` where a mask is empty."""


def mask_scores(
    *,
    truth: Mask,
    segmentation: Mask,
    tolerance: float = 1.0,
    spacing: Sequence[float] | None = None,
    ignore: Mask | None = None,
    surfaces: bool = True,
) -> MaskScores:
    """Compare two masks.

    Parameters
    ----------
    truth, segmentation : (*spatial) bool, 2-D or 3-D
    tolerance : float, in the unit of `spacing`
        How far a surface may lie from the other one to count as right.
    spacing : (ndim,) float, optional
        Size of a voxel along z, y, x; 1 by default.
    ignore : (*spatial) bool, optional
        True where the truth is unknown: such voxels are in neither mask, and surfaces that meet them are no
        errors of the segmentation, for both masks end there.
    surfaces : bool
        False leaves out the distances, which take most of the time: they are NaN, where both masks hold a
        voxel.

    Returns
    -------
    MaskScores

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the masks are not bool, differ in shape or are empty, or a size is not positive.

    Notes
    -----
    The surface of a mask are its voxels with a neighbour outside, along an axis; beyond the image is
    outside, as in MONAI, whose `compute_hausdorff_distance`, `compute_surface_dice` and
    `compute_average_surface_distance` these scores equal wherever both masks hold a voxel.

    References
    ----------
    Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", 2021
    (surface Dice).

    Examples
    --------
    >>> truth, segmentation = np.zeros((2, 1, 6), bool)
    >>> truth[0, 1:5], segmentation[0, 2:5] = True, True
    >>> scores = mask_scores(truth=truth, segmentation=segmentation, tolerance=0.5)
    >>> round(scores.dice, 3), scores.iou, scores.surface_distance
    (0.857, 0.75, 0.14285714285714285)
    """
    if not isinstance(truth, np.ndarray) or truth.dtype != np.bool_:
        raise DtypeError(
            f"`truth` must be a numpy array of bool, got {getattr(truth, 'dtype', type(truth).__name__)}"
        )
    check_not_empty(truth, name="truth")
    check_mask(segmentation, name="segmentation", like=truth, like_name="truth")
    check_positive(tolerance, name="tolerance", or_zero=True)
    sizes = (1.0,) * truth.ndim if spacing is None else check_spacing(spacing, ndim=truth.ndim)
    if ignore is not None:
        check_mask(ignore, name="ignore", like=truth, like_name="truth")
        truth, segmentation = truth & ~ignore, segmentation & ~ignore
    n_true, n_predicted = int(truth.sum()), int(segmentation.sum())
    if n_true + n_predicted == 0:
        return MaskScores(1.0, 1.0, 0.0, 1.0, 0.0)
    if n_true == 0 or n_predicted == 0:
        diagonal = math.hypot(*((length - 1) * size for length, size in zip(truth.shape, sizes, strict=True)))
        return MaskScores(0.0, 0.0, diagonal, 0.0, diagonal)
    both = int((truth & segmentation).sum())
    overlap = {"dice": 2 * both / (n_true + n_predicted), "iou": both / (n_true + n_predicted - both)}
    if not surfaces:
        return MaskScores(**overlap, hausdorff95=math.nan, surface_dice=math.nan, surface_distance=math.nan)
    missed, wrong = surface_distances(truth, segmentation, sizes)
    near = int((missed <= tolerance).sum()) + int((wrong <= tolerance).sum())
    n_surface = missed.size + wrong.size
    return MaskScores(
        **overlap,
        hausdorff95=max(float(np.percentile(missed, 95)), float(np.percentile(wrong, 95))),
        surface_dice=near / n_surface,
        surface_distance=float(missed.sum() + wrong.sum()) / n_surface,
    )


def surface_distances(
    first: Mask, second: Mask, spacing: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each surface voxel of both masks, none empty, how far the other surface is."""
    box = _box(first | second)
    surfaces = [surface_voxels(mask[box]) for mask in (first, second)]
    away = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return away[1][surfaces[0]], away[0][surfaces[1]]


def _box(mask: Mask) -> tuple[slice, ...]:
    """Return the bounding box of a mask with a voxel around it, where there is one."""
    found = ndimage.find_objects(mask.view(np.uint8))[0]
    return tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in found)


def surface_voxels(mask: Mask) -> Mask:
    """Return the voxels of a mask with a neighbour outside along an axis; beyond the array is outside."""
    inner: Mask = ndimage.binary_erosion(mask)
    return mask & ~inner
