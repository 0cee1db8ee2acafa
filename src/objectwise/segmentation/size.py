"""Objects by their size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels
from objectwise.errors import ArgumentError, DtypeError


def remove_small_objects(labels: NDArray[Any], minimum_size: int) -> NDArray[Any]:
    """Make objects with fewer voxels than `minimum_size` background.

    Parameters
    ----------
    labels : any shape, any integer dtype, not negative
        An object is an id, connected or not.
    minimum_size : int, voxels
        The smallest object that stays; 0 and 1 remove nothing.

    Returns
    -------
    same shape and dtype
        A new array; the ids of the objects that stay are unchanged.

    Raises
    ------
    DtypeError, ArgumentError
        If `labels` are no integers or negative, or `minimum_size` is no integer or negative.

    Examples
    --------
    >>> remove_small_objects(np.array([[7, 7, 0, 9]]), minimum_size=2)
    array([[7, 7, 0, 0]])
    """
    check_labels(labels)
    check_minimum_size(minimum_size)
    if minimum_size <= 1 or labels.size == 0:
        return labels.copy()
    flat = labels.reshape(-1)
    if int(flat.max()) <= flat.size:  # ids that can index a table need no sort
        numbers, ids = flat.astype(np.intp, copy=False), np.arange(int(flat.max()) + 1).astype(labels.dtype)
    else:
        ids, numbers = np.unique(flat, return_inverse=True)
    is_kept = np.bincount(numbers, minlength=ids.size) >= minimum_size
    kept: NDArray[Any] = np.where(is_kept, ids, labels.dtype.type(0))[numbers]
    return kept.reshape(labels.shape)


def number_objects(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber ids 1, 2, ... in their order, without gaps; memory grows with the largest id."""
    is_used = np.zeros(int(labels.max(initial=0)) + 1, bool)
    is_used[labels.reshape(-1)] = True
    is_used[0] = False
    numbers: NDArray[np.int64] = np.cumsum(is_used) * is_used
    return numbers[labels]


def check_minimum_size(minimum_size: int) -> None:
    """Require a number of voxels."""
    if isinstance(minimum_size, bool) or not isinstance(minimum_size, int | np.integer):
        raise DtypeError(f"`minimum_size` must be an integer (voxels), got {minimum_size!r}")
    if minimum_size < 0:
        raise ArgumentError(f"`minimum_size` must be 0 or more voxels, got {minimum_size}")
