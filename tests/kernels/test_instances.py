"""Cells and groups of cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.kernels.instances import group_cells, halve_regions

sizes = st.integers(0, 20)


@given(
    sizes.flatmap(lambda n: st.tuples(*(npst.arrays(d, n) for d in (np.bool_, np.bool_)))),
    st.booleans(),
    st.integers(0, 5),
)
def test_a_region_has_a_cell_with_truth_and_one_without(masks, use_ignored, first):
    true, ignored = masks
    regions = np.arange(true.size, dtype=np.int32) % 4
    cells, voxels = np.empty(true.size, np.int32), np.zeros(2 * (first + 4), np.int64)
    halve_regions(regions, true, ignored if use_ignored else ignored[:0], first, cells, voxels)
    unknown = ignored if use_ignored else np.zeros_like(ignored)
    np.testing.assert_array_equal(cells, np.where(unknown, -1, 2 * (first + regions) + true))
    np.testing.assert_array_equal(voxels, np.bincount(cells[~unknown], minlength=voxels.size))


@given(sizes.flatmap(lambda n: npst.arrays(np.bool_, n)), st.integers(0, 5))
def test_groups_list_their_cells_and_add_up_their_voxels(members, first):
    groups = np.where(members, np.arange(members.size) % 3, -1)
    cell_voxels = np.arange(members.size) + 1
    n = np.count_nonzero(members)
    of_cell, of_group, voxels = np.full(n + 1, -7), np.full(n + 1, -7), np.zeros(first + 3)
    assert group_cells(groups, members, cell_voxels, first, of_cell, of_group, voxels) == n
    np.testing.assert_array_equal(of_cell[:n], np.flatnonzero(members))
    np.testing.assert_array_equal(of_group[:n], first + groups[members])
    expected = np.zeros(first + 3)
    np.add.at(expected, first + groups[members], cell_voxels[members])
    np.testing.assert_array_equal(voxels, expected)
