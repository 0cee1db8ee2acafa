"""How many voxels each true object and each segment share: the table that every error is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """The cells (true object, segment) that share voxels, background included, in order of id.

    Parameters
    ----------
    truth_ids, segment_ids : (n,), (m,) integer, ascending
        Every id that occurs.
    keys : (c,) int64, ascending
        `row * m + column` of each cell that has voxels.
    voxels : (c,) int64
    """

    truth_ids: AnyArray
    segment_ids: AnyArray
    keys: Indices
    voxels: Indices

    @classmethod
    def count(cls, *, truth: AnyArray, segmentation: AnyArray) -> OverlapTable:
        """Count the shared voxels of two label arrays of one shape."""
        truth_ids, rows = _dense(truth)
        segment_ids, columns = _dense(segmentation)
        keys = rows * len(segment_ids) + columns
        size = len(truth_ids) * len(segment_ids)
        if size <= 4 * keys.size:  # counting is linear; sorting 3.7 million keys takes 6 times as long
            counts = np.bincount(keys, minlength=size)
            cells = np.flatnonzero(counts)
            return cls(truth_ids, segment_ids, cells, counts[cells])
        cells, counts = np.unique(keys, return_counts=True)
        return cls(truth_ids, segment_ids, cells, counts)

    @property
    def rows(self) -> Indices:
        """Index into `truth_ids` of each cell, (c,)."""
        return self.keys // len(self.segment_ids)

    @property
    def columns(self) -> Indices:
        """Index into `segment_ids` of each cell, (c,)."""
        return self.keys % len(self.segment_ids)

    def cells_at(self, truth: AnyArray, segmentation: AnyArray) -> Indices:
        """Return the index of the cell that each voxel belongs to; -1 where the pair has no cell."""
        rows, known_row = _find(self.truth_ids, truth)
        columns, known_column = _find(self.segment_ids, segmentation)
        cells, known_cell = _find(self.keys, rows * len(self.segment_ids) + columns)
        return np.where(known_row & known_column & known_cell, cells, -1)


def _dense(labels: AnyArray) -> tuple[AnyArray, Indices]:
    """Return the ids that occur, and for each voxel the index of its id."""
    flat = labels.ravel()
    largest = int(flat.max()) if flat.size else 0
    if largest <= 4 * flat.size:
        present = np.zeros(largest + 1, dtype=bool)
        present[flat] = True
        ids = np.flatnonzero(present)
        index = np.cumsum(present) - 1
        return ids.astype(labels.dtype), index[flat]
    ids, inverse = np.unique(flat, return_inverse=True)
    return ids, inverse.astype(np.int64)


def _find(ascending: AnyArray, values: AnyArray) -> tuple[Indices, NDArray[np.bool_]]:
    """Return each value's position in an ascending array, and whether it is there."""
    position = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return position, ascending[position] == values
