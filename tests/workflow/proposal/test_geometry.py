"""Patch and levels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.workflow.proposal.geometry import geometry_for


def test_cubes_of_voxels_give_a_cube_and_every_axis_becomes_coarser():
    found = geometry_for((160, 250, 250), (10, 10, 10), 2**18)
    assert found.patch_shape == (64, 64, 64)
    assert found.strides == ((2, 2, 2),) * 3
    assert found.kernel_sizes == ((3, 3, 3),) * 4


def test_thick_sections_wait_until_pixels_are_as_large():
    found = geometry_for((36, 512, 512), (30, 6, 6), 2**18)
    assert found.strides == ((1, 2, 2), (1, 2, 2), (2, 2, 2))  # as in examples/snemi3d.yaml
    assert found.kernel_sizes == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3))
    assert found.patch_shape[1] / found.patch_shape[0] == pytest.approx(5, rel=0.1)


def test_an_axis_too_short_to_be_coarser_takes_no_kernels_from_the_others():
    found = geometry_for((14, 512, 512), (1, 1, 1), 2**18)
    assert found.strides == ((2, 2, 2), (1, 2, 2), (1, 2, 2))
    assert found.kernel_sizes == ((3, 3, 3),) * 4


def test_what_a_short_axis_leaves_goes_to_the_others():
    assert geometry_for((100, 60), (1, 1), 2**16).patch_shape == (96, 56)
    assert geometry_for((8, 512, 512), (1, 1, 1), 2**18).patch_shape == (8, 176, 176)


@given(
    shape=st.lists(st.integers(1, 200), min_size=2, max_size=3),
    spacing=st.lists(st.sampled_from([0.2, 1.0, 4.0, 50.0]), min_size=3, max_size=3),
    voxels=st.integers(64, 2**18),
)
def test_a_patch_fits_and_is_a_multiple_of_the_strides(shape, spacing, voxels):
    found = geometry_for(shape, spacing[: len(shape)], voxels)
    assert len(found.strides) + 1 == len(found.kernel_sizes) == len(found.features) >= 2
    products = [math.prod(along) for along in zip(*found.strides, strict=True)]
    for length, whole, step in zip(found.patch_shape, shape, products, strict=True):
        assert 1 <= length <= whole
        assert length % step == 0
    assert math.prod(found.patch_shape) <= max(voxels, 1)
