"""The Voronoi diagram of balls against a look at every pair of voxel and ball."""

import numpy as np
import pytest

from objectwise.kernels.balls import FAR, two_nearest_owners


def two_nearest_by_hand(balls, owners, place):
    """Surface distance to the nearest ball, and to the nearest one of another owner, at one place."""
    surface = np.linalg.norm(place - balls[:, :3], axis=1) - balls[:, 3]
    first = int(np.argmin(surface))
    others = owners != owners[first]
    return surface[first], surface[others].min() if others.any() else FAR


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_owners", [1, 2, 6])
def test_two_nearest_owners_agrees_with_every_pair(seed, n_owners):
    rng = np.random.default_rng(seed)
    shape, spacing = (3, 7, 6), np.array([4, 1, 1.5], np.float32)
    balls = rng.uniform(0, 9, (12, 4)).astype(np.float32)
    owners = rng.integers(n_owners, size=12).astype(np.int32)
    place = (np.indices(shape) * spacing[:, None, None, None]).astype(np.float32)
    distances, nearest = two_nearest_owners(balls, owners, 100.0, place, spacing)
    for voxel in np.ndindex(shape):
        expected = two_nearest_by_hand(balls, owners, place[:, *voxel])
        np.testing.assert_allclose(distances[:, *voxel], expected, atol=1e-4)
    found = nearest[1] >= 0
    assert (owners[nearest[0]] != owners[nearest[1]])[found].all()


def test_two_nearest_owners_leaves_what_is_out_of_reach():
    balls = np.array([[0, 0, 0, 1]], np.float32)
    place = np.indices((1, 1, 5)).astype(np.float32)
    distances, nearest = two_nearest_owners(balls, np.zeros(1, np.int32), 1.0, place, np.ones(3, np.float32))
    np.testing.assert_array_equal(nearest[0, 0, 0], [0, 0, 0, -1, -1])
    np.testing.assert_array_equal(distances[0, 0, 0], [-1, 0, 1, FAR, FAR])
    assert (nearest[1] == -1).all()
