"""Components and overlap tables of instances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps import connected_components, overlap_table

RANKS = {4: (2, 1), 8: (2, 2), 6: (3, 1), 18: (3, 2), 26: (3, 3)}  # connectivity: axes, steps at once


@st.composite
def masks(draw, ndim):
    shape = draw(st.lists(st.integers(1, 6), min_size=ndim, max_size=ndim))
    return draw(npst.arrays(np.bool_, tuple(shape)))


@pytest.mark.parametrize("connectivity", RANKS)
@given(data=st.data())
def test_components_are_those_of_scipy(connectivity, data):
    ndim, steps = RANKS[connectivity]
    mask = data.draw(masks(ndim))
    truth, _ = ndimage.label(mask, ndimage.generate_binary_structure(ndim, steps))
    np.testing.assert_array_equal(connected_components(mask, connectivity), truth)


@pytest.mark.parametrize("connectivity", RANKS)
def test_components_of_larger_masks_are_those_of_scipy(connectivity):
    ndim, steps = RANKS[connectivity]
    rng = np.random.default_rng(connectivity)
    for density in np.linspace(0.05, 0.95, 10):
        mask = rng.random(rng.integers(1, 40 if ndim == 2 else 16, ndim)) < density
        truth, _ = ndimage.label(mask, ndimage.generate_binary_structure(ndim, steps))
        np.testing.assert_array_equal(connected_components(mask, connectivity), truth)


def test_components_of_one_row_are_right():
    np.testing.assert_array_equal(
        connected_components(np.array([[False, False, False, True]])), [[0, 0, 0, 1]]
    )


@given(st.data())
def test_components_join_at_corners_unless_told_otherwise(data):
    for ndim, most in ((2, 8), (3, 26)):
        mask = data.draw(masks(ndim))
        np.testing.assert_array_equal(connected_components(mask), connected_components(mask, most))


def test_components_of_a_view_are_numbered_in_its_own_order():
    mask = np.zeros((4, 5), bool)
    mask[0, 4] = mask[3, 0] = True
    np.testing.assert_array_equal(connected_components(mask.T), ndimage.label(mask.T)[0])


@pytest.mark.parametrize(
    ("mask", "connectivity", "error", "message"),
    [
        (np.zeros((3, 3)), None, DtypeError, "`mask` must be a numpy array of bool, got dtype float64"),
        (np.zeros(3, bool), None, ShapeError, "`mask` must have 2 or 3 spatial axes, got 1"),
        (np.zeros((0, 3), bool), None, ShapeError, "`mask` must not be empty"),
        (np.zeros((3, 3), bool), 6, ArgumentError, "`connectivity` must be one of 4, 8 in 2-D, got 6"),
        (
            np.zeros((3, 3, 3), bool),
            8,
            ArgumentError,
            "`connectivity` must be one of 6, 18, 26 in 3-D, got 8",
        ),
    ],
)
def test_components_refuse_what_they_cannot_number(mask, connectivity, error, message):
    with pytest.raises(error, match=message):
        connected_components(mask, connectivity)


label_pairs = npst.array_shapes(min_dims=1, max_dims=3, max_side=5).flatmap(
    lambda shape: st.tuples(
        *[npst.arrays(np.int64, shape, elements=st.sampled_from([0, 1, 2, 3, 2**24 + 1, 2**40]))] * 2
    )
)


@given(label_pairs)
def test_overlap_table_holds_every_pair_that_shares_voxels(pair):
    predicted, truth = pair
    table = overlap_table(predicted, truth)
    np.testing.assert_array_equal(table.predicted_ids, np.setdiff1d(predicted, 0))
    np.testing.assert_array_equal(table.true_ids, np.setdiff1d(truth, 0))
    rows = {
        (int(table.predicted_ids[p]), int(table.true_ids[t])): int(voxels)
        for p, t, voxels in zip(table.predicted, table.truth, table.voxels, strict=True)
    }
    shared = {}
    for p, t in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if p and t:
            shared[p, t] = shared.get((p, t), 0) + 1
    assert rows == shared
    assert table.predicted_sizes.tolist() == [(predicted == i).sum() for i in table.predicted_ids]
    assert table.true_sizes.tolist() == [(truth == i).sum() for i in table.true_ids]


def test_overlap_table_keeps_neighbouring_huge_ids_apart():
    huge = np.array([2**64 - 1, 2**64 - 2, 2**53, 2**53 + 1], np.uint64)
    table = overlap_table(huge, huge)
    np.testing.assert_array_equal(table.predicted_ids, np.sort(huge))
    np.testing.assert_array_equal(table.predicted, table.truth)


def test_overlap_table_of_no_objects_is_empty():
    table = overlap_table(np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8))
    assert [len(column) for column in table] == [0] * 7


def test_overlap_table_names_what_does_not_fit():
    ids = np.ones((2, 2), np.int64)
    with pytest.raises(ShapeError, match="`predicted_ids` and `true_ids` must have the same shape"):
        overlap_table(ids, ids[:1])
    with pytest.raises(DtypeError, match="`true_ids` must hold integer ids"):
        overlap_table(ids, ids.astype(float))
    with pytest.raises(ArgumentError, match="`predicted_ids` must not be negative, got -1"):
        overlap_table(-ids, ids)
