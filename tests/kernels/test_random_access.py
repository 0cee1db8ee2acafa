"""Reads and writes at random places against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.kernels.random_access import add_at, scaled_at, values_at


@given(places=npst.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 19)))
def test_values_at_one_place_add_up(places):
    values = np.arange(places.size) + 0.5
    out, expected = np.ones(20), np.ones(20)
    add_at(out, places, values)
    np.add.at(expected, places, values)
    np.testing.assert_array_equal(out, expected)


@given(
    places=st.permutations(range(30)), n=st.integers(0, 30), dtype=st.sampled_from([np.float32, np.float64])
)
def test_counts_are_scaled_in_double_precision(places, n, dtype):
    chosen = np.array(places[:n], np.int64)
    pairs = np.arange(n, dtype=np.int64) + 2**40
    out = np.zeros(30, dtype)
    scaled_at(out, chosen, pairs, 1 / 3)
    expected = np.zeros(30, dtype)
    expected[chosen] = (pairs * (1 / 3)).astype(dtype)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_those_at_the_places(dtype):
    values, places = np.random.default_rng(0).random(90).astype(dtype), np.arange(89, -1, -2)
    found = values_at(values, places)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values[places])
    assert values_at(values, np.empty(0, np.int64)).shape == (0,)
