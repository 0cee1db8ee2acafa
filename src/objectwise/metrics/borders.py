"""Masking the voxels near borders between objects, where annotations are not exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels
from objectwise.errors import ArgumentError, ShapeError
from objectwise.metrics.protocols import TRANSPARENT, check_distance


def mask_borders(
    labels: NDArray[Any], distance: float = 1.0, *, masked_id: int = TRANSPARENT
) -> NDArray[np.uint64]:
    """Give the pixels near a border between two ids an id of their own, section by section.

    A pixel lies on a border if one of its 4 neighbours in the section has another id; 0 is an id like any
    other here, and the edge of the image is no border.

    Parameters
    ----------
    labels : (z, y, x) or (y, x), any integer dtype, not negative
    distance : float, pixels
        Pixels at most this far (Euclidean, in the section) from the nearest pixel on a border are masked;
        0 masks the pixels on borders alone.
    masked_id : int
        What masked pixels become: by default 2^64 - 1, which the CREMI protocol ignores.

    Returns
    -------
    same shape, uint64
        A new array; CREMI's border-masked truth.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If `labels` are no integers, negative or not 2-D or 3-D; if `distance` is negative or not finite;
        if `masked_id` does not fit into uint64.

    Examples
    --------
    >>> mask_borders(np.array([[1, 1, 1, 2, 2, 2]]), distance=0, masked_id=9)
    array([[1, 1, 9, 9, 2, 2]], dtype=uint64)
    """
    check_labels(labels)
    if labels.ndim not in (2, 3):
        raise ShapeError(f"`labels` must be 2-D (y, x) or 3-D (z, y, x), got shape {labels.shape}")
    check_distance(distance, name="distance")
    if not 0 <= masked_id < 2**64:
        raise ArgumentError(f"`masked_id` must fit into uint64, got {masked_id}")
    masked = labels.astype(np.uint64)
    for section in masked if masked.ndim == 3 else masked[np.newaxis]:
        section[_near_border(section, distance)] = masked_id
    return masked


def _near_border(section: NDArray[np.uint64], distance: float) -> NDArray[np.bool_]:
    import edt

    interior = np.ones(section.shape, np.bool_)
    differs_y, differs_x = section[1:] != section[:-1], section[:, 1:] != section[:, :-1]
    interior[1:] &= ~differs_y
    interior[:-1] &= ~differs_y
    interior[:, 1:] &= ~differs_x
    interior[:, :-1] &= ~differs_x
    if interior.all():
        return ~interior
    # Squared distances are integers, exact in edt's float32 up to 4,096 pixels.
    near: NDArray[np.bool_] = edt.edtsq(interior, black_border=False) <= distance * distance
    return near
