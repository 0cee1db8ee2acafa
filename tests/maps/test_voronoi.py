"""Voronoi partitions of objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps import voronoi_regions
from tests.oracles.instances import voronoi_distances

label_images = st.integers(2, 3).flatmap(
    lambda ndim: npst.arrays(
        np.int64,
        npst.array_shapes(min_dims=ndim, max_dims=ndim, max_side=7),
        elements=st.sampled_from([0, 0, 0, 0, 0, 1, 2, 2**40]),
    )
)
spacings = st.lists(st.sampled_from([0.5, 1.0, 2.0, 7.0]), min_size=3, max_size=3)


@given(label_images, st.none() | spacings)
def test_regions_belong_to_a_nearest_object(labels, spacing):
    spacing = None if spacing is None else spacing[: labels.ndim]
    regions = voronoi_regions(labels, spacing)
    assert regions.dtype == labels.dtype
    distances = voronoi_distances(labels, spacing)
    if not distances:
        assert not regions.any()
        return
    nearest = np.min(list(distances.values()), axis=0)
    own = np.choose(np.searchsorted(list(distances), regions), list(distances.values()))
    np.testing.assert_allclose(own, nearest, rtol=1e-6)


def test_regions_of_a_large_volume_belong_to_a_nearest_object():
    labels = np.zeros((20, 30, 40), np.uint16)
    rng = np.random.default_rng(0)
    labels[tuple(rng.integers(0, labels.shape, (30, 3)).T)] = np.arange(1, 31)
    distances = voronoi_distances(labels, (3, 1, 1))
    own = np.choose(voronoi_regions(labels, (3, 1, 1)) - 1, list(distances.values()))
    np.testing.assert_allclose(own, np.min(list(distances.values()), axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint64])
@pytest.mark.parametrize("shape", [(23, 17), (9, 10, 11)])
def test_regions_do_not_depend_on_the_number_of_threads_or_the_ids(monkeypatch, shape, dtype):
    labels = (np.random.default_rng(0).random(shape) < 0.05) * np.arange(1, 1 + np.prod(shape)).reshape(shape)
    regions = []
    for threads in (1, 2, 7):
        monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", threads)
        regions.append(voronoi_regions(labels.astype(dtype)))
        huge = voronoi_regions(labels.astype(np.uint64) << np.uint64(40))
        np.testing.assert_array_equal(huge >> np.uint64(40), regions[-1])
    np.testing.assert_array_equal(regions[0], regions[1])
    np.testing.assert_array_equal(regions[0], regions[2])


@given(label_images)
def test_the_first_in_c_order_of_equally_near_voxels_is_taken(labels):
    if not labels.any():
        return
    voxels = np.argwhere(labels)
    places = np.argwhere(np.ones(labels.shape, bool))
    nearest = ((places[:, None] - voxels) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(voronoi_regions(labels).reshape(-1), labels[tuple(voxels[nearest].T)])


@pytest.mark.parametrize("spacing", [(1e-9, 10.0), (10.0, 1e-9), (1e-7, 100.0), (1e6, 1e-6)])
def test_regions_are_right_with_an_odd_spacing(spacing):
    labels = np.zeros((40, 30), int)
    rng = np.random.default_rng(0)
    labels[tuple(rng.integers(0, labels.shape, (9, 2)).T)] = np.arange(1, 10)
    distances = voronoi_distances(labels, spacing)
    regions = voronoi_regions(labels, spacing)
    own = np.choose(np.searchsorted(list(distances), regions), list(distances.values()))
    np.testing.assert_allclose(own, np.min(list(distances.values()), axis=0), rtol=1e-6)
    np.testing.assert_array_equal(regions[labels > 0], labels[labels > 0])


ODD_SPACINGS = [
    (1e-25, 1e-25, 1e-25),
    (1e25, 1e25, 1e25),
    (5e-324, 5e-324, 5e-324),
    (1e308, 1e308, 1e308),
    (1e-25, 2e-25, 1e-25),
    (1.0, 1e-25, 1e-25),
    (1e-25, 1.0, 1e-25),
    (1e-25, 1e-25, 1.0),
    (1e-15, 1.0, 1e15),
]


@pytest.mark.parametrize("spacing", ODD_SPACINGS)
def test_regions_are_right_where_squares_of_the_spacing_do_not_fit(spacing):
    labels = np.zeros((7, 9, 11), int)
    rng = np.random.default_rng(0)
    labels[tuple(rng.integers(0, labels.shape, (9, 3)).T)] = np.arange(1, 10)
    distances = voronoi_distances(labels, np.divide(spacing, max(spacing)))
    regions = voronoi_regions(labels, spacing)
    own = np.choose(np.searchsorted(list(distances), regions), list(distances.values()))
    np.testing.assert_allclose(own, np.min(list(distances.values()), axis=0), rtol=1e-6)


@given(label_images, spacings, st.integers(-140, 140))
def test_the_unit_of_the_spacing_does_not_matter(labels, spacing, exponent):
    spacing = spacing[: labels.ndim]
    scaled = np.ldexp(spacing, exponent)
    np.testing.assert_array_equal(voronoi_regions(labels, scaled), voronoi_regions(labels, spacing))


UNITS = [*(10.0**power for power in range(-25, 10)), 0.1, 0.3, 0.7, 1 / 3, 3.3]


@pytest.mark.parametrize("ratios", [(1, 1), (3, 1), (4, 2), (1, 1, 1), (3, 1, 1), (10, 1, 1), (2.5, 1, 1)])
def test_the_unit_decides_no_tie(ratios):
    shape, rng = (40, 50) if len(ratios) == 2 else (12, 20, 24), np.random.default_rng(0)
    for n in (5, 20, 80):
        labels = np.zeros(shape, int)
        labels[tuple(rng.integers(0, shape, (n, len(shape))).T)] = np.arange(1, n + 1)
        expected = voronoi_regions(labels, ratios)
        for unit in UNITS:
            regions = voronoi_regions(labels, np.multiply(ratios, unit))
            np.testing.assert_array_equal(regions, expected, err_msg=f"unit {unit}")


def test_a_spacing_whose_axes_no_number_compares_is_refused():
    with pytest.raises(
        ArgumentError, match=r"`spacing` must not differ by more than about 1e30 .*\(1e-50, 1"
    ):
        voronoi_regions(np.eye(4, dtype=int), (1e-50, 1.0))


@given(label_images)
def test_objects_keep_their_own_voxels(labels):
    np.testing.assert_array_equal(voronoi_regions(labels)[labels > 0], labels[labels > 0])


@pytest.mark.parametrize(
    ("labels", "spacing", "error", "message"),
    [
        (np.zeros((2, 2)), None, DtypeError, "`labels` must hold integer ids"),
        (np.zeros(3, int), None, ShapeError, "`labels` must be 2-D"),
        (np.zeros((2, 0), int), None, ShapeError, "`labels` must not be empty"),
        (np.zeros((2, 2), int), (1, 1, 1), ShapeError, "`spacing` must have one number per spatial axis"),
        (np.zeros((2, 2), int), (0, 1), ArgumentError, "`spacing` must be positive"),
    ],
)
def test_regions_refuse_what_they_cannot_partition(labels, spacing, error, message):
    with pytest.raises(error, match=message):
        voronoi_regions(labels, spacing)
