"""Nearest points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.kernels.nearest import nearest_points

coordinates = st.integers(-20, 20).map(lambda v: v / 4)
clouds = st.integers(1, 30).flatmap(lambda n: npst.arrays(np.float64, (n, 3), elements=coordinates))


def first_of_the_nearest(points, queries):
    """Compare every query with every point."""
    return (((queries[:, None] - points) ** 2).sum(-1)).argmin(1)


@given(clouds, clouds)
def test_nearest_points_are_those_of_comparing_all(points, queries):
    np.testing.assert_array_equal(nearest_points(points, queries), first_of_the_nearest(points, queries))


def test_the_first_of_equally_near_points_is_found_across_cells():
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = np.random.default_rng(0).permutation(lattice)
    queries = lattice + 0.5
    np.testing.assert_array_equal(nearest_points(points, queries), first_of_the_nearest(points, queries))


@pytest.mark.parametrize("far", [np.nan, np.inf, -np.inf, 1e19, -1e19, 1e200])
def test_a_query_from_nowhere_has_an_answer(far):
    points = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]])
    assert nearest_points(points, np.full((1, 3), far)) in (0, 1, 2)
    assert nearest_points(points[:1], np.full((1, 3), far)) == [0]


@pytest.mark.parametrize("spread", [(100, 100, 100), (0, 100, 100), (0, 0, 100), (0, 0, 0), (1, 1, 1000)])
def test_nearest_points_are_found_in_clouds_of_any_shape(spread):
    rng = np.random.default_rng(0)
    points = rng.random((300, 3)) * spread
    for queries in (rng.random((200, 3)) * spread, rng.normal(0, 300, (50, 3))):
        np.testing.assert_array_equal(nearest_points(points, queries), first_of_the_nearest(points, queries))
