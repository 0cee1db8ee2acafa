"""Small-object removal by size alone, whatever the ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from objectwise.errors import ArgumentError, DtypeError
from objectwise.segmentation import remove_small_objects
from objectwise.segmentation.size import number_objects
from tests.oracles.segmentation import without_small

shapes = hnp.array_shapes(min_dims=2, max_dims=3, max_side=5)


@given(hnp.arrays(np.int64, shapes, elements=st.integers(0, 6)), st.integers(0, 8))
def test_removal_equals_counting_each_id(labels, minimum_size):
    np.testing.assert_array_equal(
        remove_small_objects(labels, minimum_size), without_small(labels, minimum_size)
    )


@given(hnp.arrays(np.int64, shapes, elements=st.integers(0, 6)), st.integers(0, 8))
def test_removal_does_not_depend_on_the_ids(labels, minimum_size):
    huge = np.array([0, 2**53, 2**53 + 1, 2**64 - 1, 2**64 - 2, 9, 2**63], np.uint64)
    small = remove_small_objects(labels, minimum_size)
    np.testing.assert_array_equal(remove_small_objects(huge[labels], minimum_size), huge[small])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint32, np.int64, np.uint64])
def test_removal_keeps_dtype_ids_and_input(dtype):
    labels = np.array([[5, 5, 5], [0, 7, 2]], dtype)
    before = labels.copy()
    removed = remove_small_objects(labels[:, ::-1], 2)
    assert removed.dtype == dtype
    assert removed.tolist() == [[5, 5, 5], [0, 0, 0]]
    np.testing.assert_array_equal(labels, before)


def test_nothing_is_removed_at_size_0_and_1_but_the_result_is_a_copy():
    labels = np.array([[1, 2, 0]])
    for size in (0, 1):
        result = remove_small_objects(labels, size)
        assert result.tolist() == [[1, 2, 0]]
        assert not np.shares_memory(result, labels)


def test_empty_and_background_volumes_stay_as_they_are():
    assert remove_small_objects(np.zeros((0, 3), int), 5).shape == (0, 3)
    assert not remove_small_objects(np.zeros((4, 3), int), 5).any()


def test_numbering_closes_gaps_and_keeps_the_order():
    assert number_objects(np.array([[0, 7, 3], [3, 9, 0]])).tolist() == [[0, 2, 1], [1, 3, 0]]
    assert number_objects(np.zeros((2, 2), np.int64)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("labels", "minimum_size", "error", "message"),
    [
        (np.ones((2, 2)), 2, DtypeError, "`labels` must hold integer ids"),
        (np.array([1, -2]), 2, ArgumentError, "`labels` must not be negative, got -2"),
        (np.ones((2, 2), int), -1, ArgumentError, "`minimum_size` must be 0 or more voxels, got -1"),
        (np.ones((2, 2), int), 2.5, DtypeError, r"`minimum_size` must be an integer \(voxels\), got 2.5"),
    ],
)
def test_wrong_arguments_are_named(labels, minimum_size, error, message):
    with pytest.raises(error, match=message):
        remove_small_objects(labels, minimum_size)
