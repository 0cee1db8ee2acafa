import numpy as np
import pytest

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import Neighborhood, offsets_array


def test_nearest_joins_each_voxel_to_its_predecessors():
    assert Neighborhood.nearest(2).offsets == ((-1, 0), (0, -1))
    assert Neighborhood.nearest(3).offsets == ((-1, 0, 0), (0, -1, 0), (0, 0, -1))


def test_neighborhood_equals_another_of_the_same_edges_and_can_be_hashed():
    assert Neighborhood([[0, -1]]) == Neighborhood(np.array([[0, -1]]))
    assert len({Neighborhood([[0, -1]]), Neighborhood([(0, -1)])}) == 1


def test_neighborhood_lengths_are_physical():
    assert Neighborhood([[-1, 0, 0], [0, 3, 4]], voxel_size=(30, 6, 6)).lengths == (30.0, 30.0)


def test_embedded_neighborhood_joins_nothing_across_sections():
    assert Neighborhood([[-1, 0], [2, 3]]).embedded().offsets == ((0, -1, 0), (0, 2, 3))
    volume = Neighborhood.nearest(3)
    assert volume.embedded() is volume


def test_offsets_array_accepts_a_neighborhood_and_a_table():
    table = [[0, -1], [2, 0]]
    np.testing.assert_array_equal(offsets_array(table), offsets_array(Neighborhood(table)))


@pytest.mark.parametrize(
    ("offsets", "error", "message"),
    [
        ([], ShapeError, r"`offsets` must be a non-empty \(k, ndim\) table"),
        ([1, 0, 0], ShapeError, r"`offsets` must be a non-empty .* got shape \(3,\)"),
        ([[1, 0], [1]], ShapeError, "rows of unequal length"),
        ([[1]], ShapeError, r"`offsets` must have 2 or 3 columns .* got 1"),
        ([[1, 0, 0, 0]], ShapeError, "got 4"),
        ([[1.0, 0.0]], DtypeError, r"`offsets` must hold integers \(voxels\), got dtype float64"),
        ([[0, -(2**63)]], ArgumentError, "`offsets` must be at most 2147483647 voxels long"),
        (
            np.array([[0, 2**63]], np.uint64),
            ArgumentError,
            "`offsets` must be at most 2147483647 voxels long",
        ),
        ([[0, 1], [0, 0]], ArgumentError, "must not join a voxel to itself, got all zeros in row 1"),
        ([[0, 1], [1, 0], [0, 1]], ArgumentError, r"got \[0, 1\] in row 2, equal or opposite to row 0"),
        ([[0, 1], [0, -1]], ArgumentError, r"got \[0, -1\] in row 1, equal or opposite to row 0"),
    ],
)
def test_bad_offsets_are_named(offsets, error, message):
    with pytest.raises(error, match=message):
        Neighborhood(offsets)


@pytest.mark.parametrize(
    ("voxel_size", "message"),
    [
        ((1, 1, 1), r"one number per axis \(2\)"),
        ((1, 0), "must be positive"),
        ((1, float("nan")), "positive"),
    ],
)
def test_bad_voxel_sizes_are_named(voxel_size, message):
    with pytest.raises(ArgumentError, match=message):
        Neighborhood([[0, 1]], voxel_size)


@pytest.mark.parametrize("voxel_size", [2, "ab", (1, None), (1, "x")])
def test_voxel_sizes_that_are_no_numbers_are_named(voxel_size):
    with pytest.raises(DtypeError, match="`voxel_size` must hold one number per axis, got"):
        Neighborhood([[0, 1]], voxel_size)


@pytest.mark.parametrize("ndim", [4, 3.0, True, "3", None])
def test_nearest_refuses_other_dimensions(ndim):
    with pytest.raises(ArgumentError, match=f"`ndim` must be 2 or 3, got {ndim!r}"):
        Neighborhood.nearest(ndim)


def test_the_number_of_dimensions_may_come_from_numpy():
    assert Neighborhood.nearest(np.int64(3)) == Neighborhood.nearest(3)
