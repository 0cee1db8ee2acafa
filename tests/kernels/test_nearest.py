"""Nearest points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.kernels import nearest as module
from objectwise.kernels.nearest import nearest_points
from objectwise.kernels.nearest_in_tree import nearest_in_tree

coordinates = st.integers(-20, 20).map(lambda v: v / 4)
clouds = st.integers(1, 30).flatmap(lambda n: npst.arrays(np.float64, (n, 3), elements=coordinates))


def first_of_the_nearest(points, queries):
    """Compare every query with every point."""
    return (((queries[:, None] - points) ** 2).sum(-1)).argmin(1)


@pytest.mark.parametrize("function", [nearest_points, nearest_in_tree])
@given(clouds, clouds)
def test_nearest_points_are_those_of_comparing_all(function, points, queries):
    np.testing.assert_array_equal(function(points, queries), first_of_the_nearest(points, queries))


@pytest.mark.parametrize("function", [nearest_points, nearest_in_tree])
def test_the_first_of_equally_near_points_is_found_across_cells(function):
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = np.random.default_rng(0).permutation(lattice)
    queries = lattice + 0.5
    np.testing.assert_array_equal(function(points, queries), first_of_the_nearest(points, queries))


@pytest.mark.parametrize("far", [np.nan, np.inf, -np.inf, 1e19, -1e19, 1e200])
@pytest.mark.parametrize("function", [nearest_points, nearest_in_tree])
def test_a_query_from_nowhere_has_an_answer(function, far):
    points = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]])
    assert function(points, np.full((1, 3), far)) in (0, 1, 2)
    assert function(points[:1], np.full((1, 3), far)) == [0]
    many = np.tile(points, (20, 1))
    assert function(many, np.full((1, 3), far)) in range(60)


def crowds(kind):
    """Points and queries for which a grid is no good."""
    rng = np.random.default_rng(0)
    points, queries = rng.integers(0, 12, (400, 3)) / 2, rng.integers(0, 24, (200, 3)) / 4
    if kind == "outlier":
        points[17] = 1e6
    elif kind == "clusters":
        points[::2] += 1e5
        queries[::3] += 1e5
    elif kind == "far":
        queries += (0, 300, -2000)
    return points, queries


@pytest.mark.parametrize("kind", ["plain", "outlier", "clusters", "far"])
@pytest.mark.parametrize("function", [nearest_points, nearest_in_tree])
def test_nearest_points_are_found_where_a_grid_is_no_good(function, kind):
    points, queries = crowds(kind)
    np.testing.assert_array_equal(function(points, queries), first_of_the_nearest(points, queries))


@pytest.mark.parametrize("kind", ["outlier", "clusters", "far"])
def test_a_tree_takes_over_where_a_grid_is_no_good(kind, monkeypatch):
    points, queries = crowds(kind)
    monkeypatch.setattr(module, "nearest_in_tree", lambda points, queries: np.full(len(queries), -5))
    python = nearest_points.py_func
    assert set(python(points, queries)) == {-5}
    assert -5 not in python(*crowds("plain"))


@pytest.mark.parametrize("spread", [(100, 100, 100), (0, 100, 100), (0, 0, 100), (0, 0, 0), (1, 1, 1000)])
def test_nearest_points_are_found_in_clouds_of_any_shape(spread):
    rng = np.random.default_rng(0)
    points = rng.random((300, 3)) * spread
    for queries in (rng.random((200, 3)) * spread, rng.normal(0, 300, (50, 3))):
        np.testing.assert_array_equal(nearest_points(points, queries), first_of_the_nearest(points, queries))
