"""Variation of information: hand-counted, by voxel, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from skimage.metrics import variation_of_information

from objectwise.errors import ArgumentError
from objectwise.metrics import voi
from tests.conftest import golden_cases
from tests.metrics.strategies import label_pairs
from tests.oracles.metrics import voi_over_voxels


@given(label_pairs())
def test_voi_equals_the_mean_over_voxels(pair):
    truth, segmentation = pair
    expected = voi_over_voxels(truth.ravel().tolist(), segmentation.ravel().tolist())
    np.testing.assert_allclose(voi(truth=truth, segmentation=segmentation), expected, rtol=0, atol=1e-12)


@given(label_pairs())
def test_voi_equals_scikit_image(pair):
    truth, segmentation = pair
    split, merge = voi(truth=truth, segmentation=segmentation)
    expected = variation_of_information(truth, segmentation, ignore_labels=(0,))
    np.testing.assert_allclose((split, merge), expected, rtol=0, atol=1e-12)


@given(label_pairs(low=1))
def test_swapping_truth_and_segmentation_swaps_split_and_merge(pair):
    there = voi(truth=pair[0], segmentation=pair[1])
    back = voi(truth=pair[1], segmentation=pair[0])
    assert there == (back.voi_merge, back.voi_split)


def test_an_object_cut_in_halves_scores_one_bit_of_split():
    assert voi(truth=np.array([[4, 4, 4, 4]]), segmentation=np.array([[1, 1, 2, 2]])) == (1, 0)


def test_two_equal_objects_made_one_score_one_bit_of_merge():
    assert voi(truth=np.array([[1, 1, 2, 2]]), segmentation=np.array([[4, 4, 4, 4]])) == (0, 1)


def test_background_of_the_segmentation_is_a_segment_like_any_other():
    assert voi(truth=np.array([[1, 1, 2, 2]]), segmentation=np.array([[0, 0, 0, 0]])) == (0, 1)


def test_ignored_ids_take_part_in_nothing():
    truth, segmentation = np.array([1, 1, 1, 1, 2, 2]), np.array([1, 1, 2, 2, 2, 0])
    assert voi(truth=truth, segmentation=segmentation, ignored_truth=[2]) == (1, 0)
    assert voi(truth=truth, segmentation=segmentation, ignored_segmentation=[0, 2]) == (0, 0)
    assert voi(truth=truth, segmentation=segmentation, ignored_truth=()).voi_merge > 0


@pytest.mark.parametrize("path", golden_cases("metrics_*"), ids=lambda path: path.stem)
def test_voi_equals_the_golden_results(path, load_golden):
    golden = load_golden(path)
    result = voi(truth=golden["truth"], segmentation=golden["segmentation"])
    cremi = golden["cremi_voi_split"], golden["cremi_voi_merge"]
    np.testing.assert_allclose(result, cremi, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result, golden["skimage_voi"], rtol=0, atol=1e-10)


def test_a_truth_of_ignored_ids_alone_cannot_be_scored():
    with pytest.raises(ArgumentError, match=r"`truth` must have a voxel that is not ignored.* \[0, 1844"):
        voi(truth=np.zeros((3, 3), int), segmentation=np.ones((3, 3), int))


@pytest.mark.parametrize("name", ["ignored_truth", "ignored_segmentation"])
def test_an_ignored_id_that_no_volume_holds_is_named(name):
    with pytest.raises(ArgumentError, match=f"`{name}` must hold ids from 0 to .*, got -1"):
        voi(truth=np.ones(3, int), segmentation=np.ones(3, int), **{name: [-1]})
