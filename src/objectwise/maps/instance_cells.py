"""The structure of an instance loss: a partition of the voxels into cells, and the objects made of them.

A cell holds the voxels of one predicted and one true object. The sum of anything over an object, over an
overlap or over an object without its overlaps is a sum over cells, so a loss adds its voxels up once and
looks at a table after that, however many objects there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import (
    check_labels,
    check_mask,
    check_not_empty,
    check_positive,
    check_same_shape,
    check_spacing,
)
from objectwise.errors import ArgumentError
from objectwise.graph.axes import as_volume, check_spatial
from objectwise.kernels import instances as kernels


class ObjectPlaces(NamedTuple):
    """Where the objects 1..n of a volume are; row i is object i + 1."""

    sizes: NDArray[np.int64]
    """(n,) Voxels; 0 where all of them are ignored."""
    boxes: NDArray[np.int64]
    """(n, ndim, 2) First voxel of the bounding box and first behind it, along every axis."""
    centers_of_mass: NDArray[np.float64]
    """(n, ndim) In voxels; it may lie outside the object."""
    centers: NDArray[np.int64]
    """(n, ndim) The object's own voxel that is nearest to its centre of mass."""
    last: NDArray[np.int64]
    """(n,) Flat C-order index of the last voxel."""


class InstanceCells(NamedTuple):
    """The cells of a volume: which voxels lie in which predicted and which true object."""

    cells: NDArray[np.int32]
    """(*spatial) Cell of every voxel; -1 where it is ignored. Cell 0 is the background of both."""
    predicted: NDArray[np.int64]
    """(c,) Predicted object of every cell, 0 where none."""
    truth: NDArray[np.int64]
    """(c,) True object of every cell, 0 where none."""
    central: NDArray[np.bool_]
    """(c,) Whether the cell lies at the center of an object it belongs to."""
    voxels: NDArray[np.int64]
    """(c,) Voxels of every cell."""
    predicted_objects: ObjectPlaces
    true_objects: ObjectPlaces


def dense_ids(ids: NDArray[Any]) -> tuple[NDArray[np.int32], int]:
    """Renumber ids of any size 1..n, in C order of their first voxels.

    Parameters
    ----------
    ids : any shape, integer, not negative
        0 is background and stays 0.

    Returns
    -------
    (same shape) int32 and the number of ids

    Raises
    ------
    DtypeError, ArgumentError
        If `ids` are no integers, or negative.

    Examples
    --------
    >>> dense_ids(np.array([2**40, 0, 7, 2**40]))
    (array([1, 0, 2, 1], dtype=int32), 2)
    """
    check_labels(ids, name="ids")
    dense = np.empty(ids.shape, np.int32)
    flat = np.ascontiguousarray(ids).reshape(-1).astype(np.uint64, copy=False)
    return dense, kernels.dense_ids(flat, dense.reshape(-1))


def instance_cells(
    predicted_ids: NDArray[np.int32],
    true_ids: NDArray[np.int32],
    *,
    ignore: NDArray[np.bool_] | None = None,
    center_offset: float | None = None,
    spacing: Sequence[float] | None = None,
    overwrite: bool = False,
) -> InstanceCells:
    """Cut a volume into the cells that its predicted and true objects make.

    Parameters
    ----------
    predicted_ids, true_ids : (y, x) or (z, y, x) int32
        Dense ids 0..n, as `connected_components` and `dense_ids` return them.
    ignore : (*spatial) bool, optional
        True where the truth is unknown: these voxels belong to no object and no cell.
    center_offset : float, not negative, optional
        How far, along every axis, the center of an object reaches from its middle, in units of `spacing`;
        None makes no cell central.
    spacing : (ndim,) float, optional
        Size of a voxel; 1 by default.
    overwrite : bool
        Let the result take the memory of `predicted_ids`, which is lost.

    Returns
    -------
    InstanceCells

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If the arrays do not fit each other, hold negative ids, or an option is out of range.

    Notes
    -----
    O(voxels), whatever the number of objects.

    Examples
    --------
    >>> structure = instance_cells(np.array([[1, 1, 0, 2]], np.int32), np.array([[0, 1, 1, 0]], np.int32))
    >>> structure.cells
    array([[1, 2, 3, 4]], dtype=int32)
    >>> structure.predicted, structure.truth
    (array([0, 1, 1, 0, 2]), array([0, 0, 1, 1, 0]))
    """
    for ids, name in ((predicted_ids, "predicted_ids"), (true_ids, "true_ids")):
        _check_dense(ids, name)
    check_same_shape(predicted_ids, true_ids, names=("predicted_ids", "true_ids"))
    voxel_size = np.array(check_spacing(spacing, ndim=true_ids.ndim))
    if center_offset is not None:
        check_positive(center_offset, name="center_offset", or_zero=True)
    n_predicted, n_true = int(predicted_ids.max()), int(true_ids.max())
    if ignore is not None:
        check_mask(ignore, name="ignore", like=true_ids, like_name="true_ids")
        predicted_ids, true_ids = np.where(ignore, 0, predicted_ids), np.where(ignore, 0, true_ids)
        overwrite = True
    predicted_objects = _objects(predicted_ids, n_predicted, voxel_size)
    true_objects = _objects(true_ids, n_true, voxel_size)
    cells = predicted_ids if overwrite else np.empty_like(predicted_ids)
    rows, voxels = kernels.number_cells(
        as_volume(predicted_ids),
        as_volume(true_ids),
        _centers(predicted_objects),
        _centers(true_objects),
        _reach(center_offset, voxel_size),
        as_volume(cells),
    )
    if ignore is not None:
        voxels[0] -= np.count_nonzero(ignore)
        cells[ignore] = -1
    predicted, halves = np.ascontiguousarray(rows.T)
    central = halves % 2 == 1
    return InstanceCells(cells, predicted, halves // 2, central, voxels, predicted_objects, true_objects)


def _check_dense(ids: NDArray[Any], name: str) -> None:
    check_labels(ids, name=name)
    check_spatial(ids.shape, name=name)
    check_not_empty(ids, name=name)
    if ids.dtype != np.int32:
        raise ArgumentError(f"`{name}` must be int32, got {ids.dtype}; number large ids with `dense_ids`")
    if int(ids.max()) > ids.size:
        raise ArgumentError(
            f"`{name}` must be dense, from 1 to at most the number of voxels ({ids.size}), "
            f"got {ids.max()}; number them with `dense_ids`"
        )


def _objects(ids: NDArray[np.int32], n: int, spacing: NDArray[np.float64]) -> ObjectPlaces:
    volume = as_volume(ids)
    moments = kernels.object_moments(volume, n)
    places = moments.sums / np.maximum(moments.sizes, 1)[:, None]
    own = kernels.nearest_own_voxels(volume, places, _with_z(spacing, 1.0))
    axes = slice(3 - ids.ndim, None)
    return ObjectPlaces(
        moments.sizes[1:],
        np.where(moments.sizes[1:, None, None] > 0, moments.boxes[1:, axes], 0),
        places[1:, axes],
        own[1:, axes],
        moments.last[1:],
    )


def _centers(objects: ObjectPlaces) -> NDArray[np.int64]:
    """Return the centers as the kernels want them: three axes, and a row for the background."""
    n, ndim = objects.centers.shape
    centers = np.zeros((n + 1, 3), np.int64)
    centers[1:, 3 - ndim :] = objects.centers
    return centers


def _reach(center_offset: float | None, spacing: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many voxels a center reaches along every axis, -1 for none."""
    if center_offset is None:
        return np.full(3, -1, np.int64)
    # Decimal fractions such as 0.3 / 0.1 fall short of the integer they stand for.
    return np.floor(_with_z(center_offset / spacing, 0.0) + 1e-9).astype(np.int64)


def _with_z(values: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    return values if values.size == 3 else np.concatenate(([z], values))
