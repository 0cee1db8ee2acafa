"""How many voxels each true object and each segment share, and which of these cells a voxel lies in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objectwise.metrics import ContingencyTable

AnyArray = NDArray[Any]
Ids = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CellTable:
    """The cells (true object, segment) that share voxels, background included, in order of id.

    Parameters
    ----------
    truth_ids, segment_ids : (n,), (m,) uint64, ascending
        Every id that occurs.
    rows, columns : (c,) int64
        Index into `truth_ids` and `segment_ids` of each cell; ascending by row, then by column.
    voxels : (c,) int64
    """

    truth_ids: Ids
    segment_ids: Ids
    rows: Indices
    columns: Indices
    voxels: Indices

    @classmethod
    def count(cls, *, truth: AnyArray, segmentation: AnyArray) -> Self:
        """Count the shared voxels of two label arrays of one shape."""
        return cls.of(ContingencyTable.from_labels(truth=truth, segmentation=segmentation))

    @classmethod
    def of(cls, table: ContingencyTable) -> Self:
        """Return the cells that a contingency table counts."""
        truth_ids, rows = np.unique(table.truth_ids, return_inverse=True)
        segment_ids, columns = np.unique(table.segmentation_ids, return_inverse=True)
        return cls(truth_ids, segment_ids, rows.astype(np.int64), columns.astype(np.int64), table.counts)

    def cells_at(self, truth: AnyArray, segmentation: AnyArray) -> Indices:
        """Return the index of the cell that each voxel belongs to; -1 where the pair has no cell."""
        rows, known_row = _find(self.truth_ids, truth.astype(np.uint64, copy=False))
        columns, known_column = _find(self.segment_ids, segmentation.astype(np.uint64, copy=False))
        width = len(self.segment_ids)
        cells, known_cell = _find(self.rows * width + self.columns, rows * width + columns)
        return np.where(known_row & known_column & known_cell, cells, -1)

    def columns_of(self, segmentation: AnyArray) -> Indices:
        """Return the column of each voxel's segment, which must occur in the table."""
        return _find(self.segment_ids, segmentation.astype(np.uint64, copy=False))[0]


def _find(ascending: AnyArray, values: AnyArray) -> tuple[Indices, NDArray[np.bool_]]:
    """Return each value's position in an ascending array, and whether it is there."""
    position = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return position, ascending[position] == values
