"""Objects of masks and of probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from objectwise.errors import ArgumentError, DtypeError, ObjectwiseError, ShapeError
from objectwise.segmentation import grown_objects, objects_of_mask, objects_of_probabilities


@given(st.integers(0, 2**16), st.sampled_from([(5, 6), (3, 4, 5)]), st.booleans())
def test_objects_equal_scipys_labels_of_the_filled_mask_where_none_lies_in_another(seed, shape, fill_holes):
    mask = np.random.default_rng(seed).random(shape) < 0.6
    structure = ndimage.generate_binary_structure(len(shape), len(shape))
    before, n = ndimage.label(mask, structure)
    ours = objects_of_mask(mask, fill_holes=fill_holes)
    assert ours.max() == n
    if not fill_holes:
        np.testing.assert_array_equal(ours, before)
    else:
        np.testing.assert_array_equal(ours > 0, ndimage.binary_fill_holes(mask))
        np.testing.assert_array_equal(ours[mask], before[mask])


def test_an_object_in_the_hole_of_another_stays_one():
    mask = np.ones((7, 7), bool)
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    labels = objects_of_mask(mask, fill_holes=True)
    assert labels[3, 3] == 2
    assert np.count_nonzero(labels == 1) == 48


def test_holes_are_filled_before_sizes_are_compared():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert objects_of_mask(ring, minimum_size=9).max() == 0
    assert objects_of_mask(ring, minimum_size=9, fill_holes=True).max() == 1


def test_a_threshold_is_strict_and_compared_in_the_dtype_of_the_probabilities():
    probabilities = np.full((1, 3), np.float32(0.4))
    assert objects_of_probabilities(probabilities, threshold=0.4).max() == 0
    assert objects_of_probabilities(probabilities, threshold=0.39).max() == 1


def test_objects_lie_inside_the_mask():
    probabilities, mask = np.ones((1, 5)), np.array([[1, 1, 0, 1, 0]], bool)
    np.testing.assert_array_equal(
        objects_of_probabilities(probabilities, threshold=0.5, mask=mask), [[1, 1, 0, 2, 0]]
    )


def test_connectivity_joins_corners_or_not():
    mask = np.eye(3, dtype=bool)
    assert objects_of_mask(mask).max() == 1
    assert objects_of_mask(mask, connectivity=4).max() == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: objects_of_mask(np.ones((2, 2))), DtypeError, "`mask` must be a numpy array of bool"),
        (lambda: objects_of_mask(np.ones(4, bool)), ShapeError, "2 or 3 spatial axes"),
        (lambda: objects_of_mask(np.ones((2, 2), bool), connectivity=6), ArgumentError, "`connectivity`"),
        (lambda: objects_of_mask(np.ones((2, 2), bool), fill_holes="no"), ArgumentError, "`fill_holes`"),
        (lambda: objects_of_mask(np.ones((2, 2), bool), minimum_size=-1), ArgumentError, "`minimum_size`"),
        (
            lambda: objects_of_probabilities(np.ones((2, 2), int), threshold=0.5),
            DtypeError,
            "`probabilities`",
        ),
        (lambda: objects_of_probabilities(np.full((2, 2), 1.5), threshold=0.5), ArgumentError, "in 0..1"),
        (lambda: objects_of_probabilities(np.full((2, 2), np.nan), threshold=0.5), ArgumentError, "in 0..1"),
        (lambda: objects_of_probabilities(np.ones((2, 2)), threshold=1.0), ArgumentError, "`threshold`"),
        (
            lambda: objects_of_probabilities(np.ones((2, 2)), threshold=0.5, mask=np.ones((3, 2), bool)),
            ShapeError,
            "same shape",
        ),
    ],
)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


@given(probabilities=arrays(np.float64, (5, 6), elements=st.sampled_from([0.1, 0.3, 0.6, 0.7, 0.9])))
def test_grown_objects_hold_their_seeds_and_end_at_the_extent(probabilities):
    grown = grown_objects(probabilities, threshold=0.65, extent=0.5)
    assert not grown[probabilities <= 0.5].any()
    seeds = objects_of_probabilities(probabilities, threshold=0.65, connectivity=4, minimum_size=2)
    assert len(set(grown[grown != 0])) == seeds.max(initial=0)
    for index in range(1, int(seeds.max(initial=0)) + 1):
        (owner,) = set(grown[seeds == index])
        assert owner != 0
    # What reaches a seed over voxels above the extent is part of an object.
    whole = objects_of_probabilities(probabilities, threshold=0.5, connectivity=4)
    for index in range(1, int(whole.max(initial=0)) + 1):
        here = whole == index
        assert (grown[here] != 0).all() == (seeds[here] != 0).any()


def test_grown_objects_are_refused_what_components_are():
    for options, words in (
        ({"threshold": 1.5}, "`threshold` must be in 0..1"),
        ({"threshold": 0.5, "extent": -1}, "`extent` must be in 0..1"),
        ({"threshold": 0.5, "fill_holes": "no"}, "`fill_holes` must be"),
    ):
        with pytest.raises(ObjectwiseError, match=words):
            grown_objects(np.full((3, 4), 0.5), **options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (1, 4, 4), (1, 1, 1)])
def test_grown_objects_take_axes_of_one_voxel(shape):
    grown = grown_objects(np.full(shape, 0.9), threshold=0.8)
    # Objects grow from two voxels at least.
    assert set(np.unique(grown)) == ({0} if np.prod(shape) == 1 else {1})
