"""Overlap tables against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectwise.kernels.overlap import FIRST_CAPACITY, add_pairs, no_pairs, sorted_pairs
from tests.oracles.metrics import count_pairs

ids = st.one_of(st.integers(0, 3), st.integers(2**53, 2**53 + 2), st.integers(2**64 - 3, 2**64 - 1))


@given(st.lists(st.tuples(ids, ids)), st.integers(0, 40))
def test_overlap_table_equals_a_dictionary_however_the_voxels_are_cut(pairs, cut):
    first, second = np.array(pairs, np.uint64).reshape(-1, 2).T.copy()
    table = add_pairs(no_pairs(), first[:cut], second[:cut])
    table = add_pairs(table, first[cut:], second[cut:])
    rows = list(zip(*(column.tolist() for column in sorted_pairs(table)), strict=True))
    assert rows == sorted((*pair, count) for pair, count in count_pairs(first, second).items())


def test_overlap_table_grows_with_the_pairs_and_keeps_all_of_them():
    first = np.repeat(np.arange(10 * FIRST_CAPACITY, dtype=np.uint64), 3)
    second = first % np.uint64(7)
    table = add_pairs(no_pairs(), first, second)
    first_ids, second_ids, counts = sorted_pairs(table)
    assert table.n_pairs == 10 * FIRST_CAPACITY
    np.testing.assert_array_equal(first_ids, np.arange(10 * FIRST_CAPACITY))
    np.testing.assert_array_equal(second_ids, first_ids % np.uint64(7))
    assert set(counts.tolist()) == {3}


def test_overlap_table_stays_small_where_the_ids_are_huge():
    huge = np.full(10_000, 2**64 - 1, np.uint64)
    table = add_pairs(no_pairs(), huge, huge)
    assert table.slots.shape == (FIRST_CAPACITY, 3)
