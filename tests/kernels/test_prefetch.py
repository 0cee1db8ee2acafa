"""A prefetch is a hint: it changes nothing, wherever it points."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from objectwise.kernels.prefetch import prefetch


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
