"""Scores of two masks, against MONAI's and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import mask_scores

# MONAI calls its own functions in a way that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:monai")


def masks(*, ndim=2, seed=0, shape=None):
    """Two blobs that overlap in part."""
    rng = np.random.default_rng(seed)
    shape = shape or (9, 11, 12)[-ndim:]
    return rng.random((2, *shape)) < rng.uniform(0.1, 0.8, (2, *[1] * ndim))


@pytest.mark.parametrize("spacing", [None, (2.0, 0.5), (3.0, 1.0, 1.5)])
@pytest.mark.parametrize("seed", range(8))
def test_scores_equal_those_of_monai_where_both_masks_hold_a_voxel(spacing, seed):
    ndim = 3 if spacing and len(spacing) == 3 else 2
    truth, segmentation = masks(ndim=ndim, seed=seed)
    ours = mask_scores(truth=truth, segmentation=segmentation, tolerance=1.2, spacing=spacing)
    theirs = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (segmentation, truth)]
    options = {"include_background": True, "spacing": spacing}
    assert ours.hausdorff95 == pytest.approx(
        compute_hausdorff_distance(*theirs, percentile=95, **options).item(), abs=1e-5
    )
    assert ours.surface_dice == pytest.approx(
        compute_surface_dice(*theirs, class_thresholds=[1.2], **options).item(), abs=1e-6
    )


def test_the_mean_distance_is_that_of_monai_over_both_surfaces():
    truth, segmentation = masks(seed=3)
    ours = mask_scores(truth=truth, segmentation=segmentation).surface_distance
    theirs = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (segmentation, truth)]
    expected = compute_average_surface_distance(*theirs, include_background=True, symmetric=True).item()
    assert ours == pytest.approx(expected, abs=1e-5)


def test_a_square_beside_its_shifted_self_scores_as_counted_by_hand():
    truth, segmentation = np.zeros((2, 1, 6), bool)
    truth[0, 1:4], segmentation[0, 2:5] = True, True
    scores = mask_scores(truth=truth, segmentation=segmentation, tolerance=0, spacing=(1, 10))
    # Every voxel is surface here. Two of three agree on either side, one on either side is 10 away.
    assert scores == pytest.approx((2 / 3, 1 / 2, 9.0, 2 / 3, 10 / 3))


def test_empty_masks_are_defined():
    none, one = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    one[1, 1] = True
    assert mask_scores(truth=none, segmentation=none) == (1, 1, 0, 1, 0)
    for truth, segmentation in ((none, one), (one, none)):
        scores = mask_scores(truth=truth, segmentation=segmentation, spacing=(2, 1))
        assert scores == pytest.approx((0, 0, math.hypot(6, 4), 0, math.hypot(6, 4)))


def test_what_is_ignored_is_in_neither_mask():
    truth, segmentation = masks(seed=5)
    ignore = np.zeros_like(truth)
    ignore[:, 6:] = True
    changed = truth ^ ignore
    kept = mask_scores(truth=truth, segmentation=segmentation, ignore=ignore)
    assert kept == mask_scores(truth=changed, segmentation=segmentation, ignore=ignore)
    assert kept == mask_scores(truth=truth & ~ignore, segmentation=segmentation & ~ignore)


@given(st.integers(0, 2**16), st.sampled_from([2, 3]))
def test_exchanging_the_masks_changes_nothing(seed, ndim):
    first, second = masks(ndim=ndim, seed=seed, shape=(3, 4, 5)[-ndim:])
    there, back = (mask_scores(truth=a, segmentation=b) for a, b in ((first, second), (second, first)))
    assert there == pytest.approx(back)


def test_larger_voxels_mean_larger_distances():
    truth, segmentation = masks(seed=1)
    near, far = (
        mask_scores(truth=truth, segmentation=segmentation, spacing=(s, s), tolerance=s) for s in (1, 3)
    )
    assert far.hausdorff95 == pytest.approx(3 * near.hausdorff95)
    assert far.surface_dice == near.surface_dice


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"truth": np.zeros((2, 3))}, DtypeError, "`truth` must be a numpy array of bool"),
        ({"segmentation": np.zeros((3, 3), bool)}, ShapeError, "same shape"),
        ({"truth": np.zeros((0, 3), bool)}, ShapeError, "`truth` must not be empty"),
        ({"tolerance": -1}, ArgumentError, "`tolerance` must be finite and not negative"),
        ({"spacing": (1, 0)}, ArgumentError, "positive"),
        ({"spacing": (1, 1, 1)}, ArgumentError, "one number per spatial axis"),
        ({"ignore": np.zeros((2, 3), np.uint8)}, DtypeError, "`ignore` must be"),
    ],
)
def test_bad_masks_are_refused(change, error, words):
    good = {"truth": np.zeros((2, 3), bool), "segmentation": np.zeros((2, 3), bool)}
    with pytest.raises(error, match=words):
        mask_scores(**(good | change))
