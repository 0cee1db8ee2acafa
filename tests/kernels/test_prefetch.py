"""A prefetch is a hint: it changes nothing, wherever it points."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from objectwise.kernels.prefetch import address_of, prefetch


@njit
def ask(array, index):
    """Prefetch one place, and return the array's sum."""
    prefetch(array, index)
    return array.sum()


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.uint8])
@pytest.mark.parametrize("index", [0, 9, -1, 10, 2**40, -(2**40), 2**62])
def test_prefetch_does_no_harm_inside_or_outside(dtype, index):
    array = np.arange(10, dtype=dtype)
    assert ask(array, index) == 45
    np.testing.assert_array_equal(array, np.arange(10))


def test_prefetch_of_an_empty_array_does_no_harm():
    assert ask(np.empty(0, np.int32), 3) == 0


@njit
def address(array, index):
    """Return where an element lies."""
    return address_of(array, index)


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.uint8])
@pytest.mark.parametrize("cut", [slice(None), slice(None, None, 2), slice(3, None, 5), slice(None, None, -1)])
def test_the_address_is_that_of_the_element_whatever_the_stride(dtype, cut):
    # What is known of a root lies in two columns of one array: with the stride of a whole array the wrong lines came.
    array = np.arange(40, dtype=dtype)[cut]
    for index in (0, 1, 7):
        assert address(array, index) == array[index:].ctypes.data
