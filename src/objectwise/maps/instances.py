"""Instances as arrays: components of a mask, and which predicted and true objects overlap by how much."""

from __future__ import annotations

from typing import Any, NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_mask, check_not_empty, check_same_shape
from objectwise.errors import ArgumentError, ShapeError
from objectwise.kernels.overlap import add_pairs, no_pairs, sorted_pairs

CONNECTIVITIES = {2: (4, 8), 3: (6, 18, 26)}
"""Neighbours of a pixel or voxel that may join it: by faces, (edges,) corners."""


def connected_components(mask: NDArray[np.bool_], connectivity: int | None = None) -> NDArray[np.int32]:
    """Label the connected components of a mask.

    Parameters
    ----------
    mask : (y, x) or (z, y, x) bool
    connectivity : 4 or 8 (2-D); 6, 18 or 26 (3-D), optional
        Neighbours that join a voxel; the most by default, so that objects which touch at a corner are one.

    Returns
    -------
    (*spatial) int32
        0 outside, 1..n inside, numbered in C order of their first voxels.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If `mask` is no bool array of two or three axes, or `connectivity` none of its numbers.

    Examples
    --------
    >>> mask = np.array([[True, False], [False, True]])
    >>> connected_components(mask)
    array([[1, 0],
           [0, 1]], dtype=int32)
    >>> connected_components(mask, connectivity=4)
    array([[1, 0],
           [0, 2]], dtype=int32)
    """
    check_mask(mask, name="mask", like=mask, like_name="mask")
    connectivity = check_connectivity(connectivity, mask.ndim, name="mask")
    check_not_empty(mask, name="mask")
    # In C order cc3d numbers components by their first voxels; in Fortran order it would not. Bytes, because
    # its path for bool is wrong in cc3d 4.1: [[0, 0, 0, 1]] comes back as [[0, 1, 0, 1]].
    components: NDArray[np.uint32] = cc3d.connected_components(  # type: ignore[call-overload]
        np.ascontiguousarray(mask).view(np.uint8), connectivity=connectivity, out_dtype=np.uint32
    )
    return components.view(np.int32)


def check_connectivity(connectivity: object, ndim: int, *, name: str) -> int:
    """Return the connectivity to use for `ndim` axes, the highest where None, or say what is wrong."""
    if ndim not in CONNECTIVITIES:
        raise ShapeError(f"`{name}` must have 2 or 3 spatial axes, got {ndim}")
    choices = CONNECTIVITIES[ndim]
    if connectivity is None:
        return choices[-1]
    _check_among(connectivity, choices, f" in {ndim}-D")
    return int(connectivity)  # type: ignore[call-overload, no-any-return]


def check_some_connectivity(connectivity: object) -> None:
    """Require None or a connectivity, before the number of axes is known."""
    if connectivity is not None:
        _check_among(connectivity, sum(CONNECTIVITIES.values(), ()), "")


def _check_among(connectivity: object, choices: tuple[int, ...], where: str) -> None:
    if isinstance(connectivity, int | np.integer) and connectivity in choices:
        return
    listed = ", ".join(map(str, choices))
    raise ArgumentError(f"`connectivity` must be one of {listed}{where}, got {connectivity!r}")


class OverlapTable(NamedTuple):
    """Which predicted and true objects share voxels, and all objects of both sides.

    A row is a pair that shares at least one voxel; `predicted` and `truth` are positions in the lists of
    objects, so `voxels / (predicted_sizes[predicted] + true_sizes[truth] - voxels)` is the IoU of every pair.
    Objects that occur in no row are false or missed.
    """

    predicted: NDArray[np.int64]
    """(r,) Position of the predicted object in `predicted_ids`."""
    truth: NDArray[np.int64]
    """(r,) Position of the true object in `true_ids`."""
    voxels: NDArray[np.int64]
    """(r,) Voxels that both share, at least 1."""
    predicted_sizes: NDArray[np.int64]
    """(p,) Voxels of every predicted object."""
    true_sizes: NDArray[np.int64]
    """(t,) Voxels of every true object."""
    predicted_ids: NDArray[np.uint64]
    """(p,) Ids of the predicted objects, ascending, without 0."""
    true_ids: NDArray[np.uint64]
    """(t,) Ids of the true objects, ascending, without 0."""


def overlap_table(predicted_ids: NDArray[Any], true_ids: NDArray[Any]) -> OverlapTable:
    """Count the voxels that predicted and true objects share.

    Parameters
    ----------
    predicted_ids, true_ids : any equal shape, integer, not negative
        0 is background. Any ids serve: the size of the table does not depend on them, and none passes
        through floating point.

    Returns
    -------
    OverlapTable
        Rows ascending by predicted, then by true object.

    Raises
    ------
    DtypeError, ArgumentError, ShapeError
        If an array holds no integers or negative ones, or if the shapes differ.

    Notes
    -----
    One pass, O(voxels), whatever the number of objects.

    Examples
    --------
    Object 7 covers two of the three voxels of object 1; object 9 hits nothing.

    >>> table = overlap_table(np.array([[7, 7, 0, 0, 9]]), np.array([[1, 1, 1, 0, 0]]))
    >>> table.voxels, table.predicted_sizes, table.true_sizes
    (array([2]), array([2, 1]), array([3]))
    >>> np.setdiff1d(np.arange(2), table.predicted)  # positions of false objects
    array([1])
    """
    check_labels(predicted_ids, name="predicted_ids")
    check_labels(true_ids, name="true_ids")
    check_same_shape(predicted_ids, true_ids, names=("predicted_ids", "true_ids"))
    first, second, counts = sorted_pairs(add_pairs(no_pairs(), _flat(predicted_ids), _flat(true_ids)))
    predicted, predicted_sizes, predicted_rows = counted_objects(first, counts)
    truth, true_sizes, true_rows = counted_objects(second, counts)
    both = (first != 0) & (second != 0)
    return OverlapTable(
        predicted_rows[both], true_rows[both], counts[both], predicted_sizes, true_sizes, predicted, truth
    )


def counted_objects(
    ids: NDArray[np.uint64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids without 0, their voxels, and for each row the position of its id (-1 for 0)."""
    unique, rows = np.unique(ids, return_inverse=True)
    sizes = np.zeros(unique.size, np.int64)
    np.add.at(sizes, rows, counts)  # bincount would add in floating point
    n_background = int(unique.size > 0 and unique[0] == 0)
    return unique[n_background:], sizes[n_background:], rows.astype(np.int64) - n_background


def _flat(ids: NDArray[Any]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(ids).reshape(-1).astype(np.uint64, copy=False)
