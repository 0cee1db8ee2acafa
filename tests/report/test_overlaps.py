"""The overlap table finds each voxel's cell, whatever the ids."""

from __future__ import annotations

import numpy as np

from objectwise.report.overlaps import CellTable

TRUTH = np.array([[0, 5, 5], [5, 2**64 - 1, 2**64 - 1]], np.uint64)
SEGMENTS = np.array([[1, 1, 3], [3, 3, 0]], np.int32)


def test_table_counts_every_pair() -> None:
    table = CellTable.count(truth=TRUTH, segmentation=SEGMENTS)
    pairs = [
        (int(table.truth_ids[r]), int(table.segment_ids[c]), int(n))
        for r, c, n in zip(table.rows, table.columns, table.voxels, strict=True)
    ]
    assert pairs == [(0, 1, 1), (5, 1, 1), (5, 3, 2), (2**64 - 1, 0, 1), (2**64 - 1, 3, 1)]


def test_cells_at_finds_each_voxel_and_marks_the_unknown() -> None:
    table = CellTable.count(truth=TRUTH, segmentation=SEGMENTS)
    assert table.cells_at(TRUTH, SEGMENTS).tolist() == [[0, 1, 2], [2, 4, 3]]
    assert table.cells_at(np.array([5, 4, 0, 5]), np.array([0, 1, 1, 9])).tolist() == [-1, -1, 0, -1]
