"""Pictures of masks show each kind of object in its own way, and surfaces as the scores measure them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from objectwise.metrics import mask_scores
from objectwise.metrics.surfaces import surface_voxels
from objectwise.report.mask_pictures import (
    OBJECT_COLOURS,
    PREDICTED_SURFACE,
    TRUE_SURFACE,
    Surfaces,
    find_surfaces,
    is_photograph,
    paint_objects,
    paint_one,
    paint_surfaces,
    tissue_of,
)
from objectwise.report.pictures import Grid


def blobs(shape: tuple[int, ...], seed: int, density: float = 0.25) -> np.ndarray:
    """Round masks of random places."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return (noise > np.quantile(noise, 1 - density)).astype(np.int64)


def squares() -> dict[str, np.ndarray]:
    """A found, a missed and a false object, side by side."""
    masks = {kind: np.zeros((40, 120), bool) for kind in OBJECT_COLOURS}
    for index, mask in enumerate(masks.values()):
        mask[8:32, 8 + 40 * index : 32 + 40 * index] = True
    return masks


def test_each_kind_of_object_has_its_colour_and_its_pattern() -> None:
    masks = squares()
    tissue = np.full((40, 120), 128, np.uint8)
    painted = paint_objects(
        tissue,
        truth=masks["missed"].astype(int),
        segments=(masks["found"] | masks["false"]).astype(int),
        masks=masks,
    )
    untouched = painted[0, 0]
    inside = ndimage.binary_erosion(np.logical_or.reduce([*masks.values()]), iterations=5)
    tones = {kind: len(np.unique(painted[mask & inside], axis=0)) for kind, mask in masks.items()}
    assert tones["found"] == 1
    assert tones["missed"] == tones["false"] == 2
    for kind, mask in masks.items():
        assert (painted[mask] == OBJECT_COLOURS[kind]).all(axis=-1).any()  # its outline
        assert not (painted[mask & inside] == untouched).all(axis=-1).any()
    # Crossed lines cover more than lines in one direction.
    share = {
        kind: (np.abs(painted[mask & inside].astype(int) - OBJECT_COLOURS[kind]).sum(-1) < 120).mean()
        for kind, mask in masks.items()
    }
    assert share["missed"] > 1.5 * share["false"] > 0 == share["found"]


def test_what_is_unknown_is_darkened() -> None:
    masks = {kind: np.zeros((20, 20), bool) for kind in OBJECT_COLOURS}
    unknown = np.zeros((20, 20), bool)
    unknown[:10] = True
    nothing = np.zeros((20, 20), int)
    painted = paint_objects(
        np.full((20, 20), 200, np.uint8), truth=nothing, segments=nothing, masks=masks, unknown=unknown
    )
    assert painted[:10].max() < painted[10:].min() / 2


def test_one_object_is_drawn_alone_among_white_outlines() -> None:
    masks = squares()
    others = np.zeros((40, 120), int)
    others[5:20, 60:70] = 3
    painted = paint_one(np.zeros((40, 120), np.uint8), masks["missed"], others, "missed")
    assert (painted == 255).all(axis=-1).any()
    assert not (painted == OBJECT_COLOURS["found"]).all(axis=-1).any()
    assert (painted == OBJECT_COLOURS["missed"]).all(axis=-1).any()


@pytest.mark.parametrize(
    ("tolerance", "spacing"),
    [(1.0, (1.0, 1.0, 1.0)), (7.0, (5.0, 2.0, 1.0)), (0.0, (2.0, 1.0, 1.0)), (90.0, (5.0, 2.0, 1.0))],
)
def test_surfaces_of_all_sections_make_the_surface_dice_of_the_volume(
    tolerance: float, spacing: tuple[float, float, float]
) -> None:
    true, predicted = blobs((9, 20, 24), 0), blobs((9, 20, 24), 1)
    n_far = n_surface = 0
    for z in range(9):
        found = find_surfaces(true, predicted, z, tolerance=tolerance, spacing=spacing)
        n_far += found.far_truth.sum() + found.far_prediction.sum()
        np.testing.assert_array_equal(found.truth, true[z] != 0)
        np.testing.assert_array_equal(found.prediction, predicted[z] != 0)
    n_surface = surface_voxels(true != 0).sum() + surface_voxels(predicted != 0).sum()
    expected = mask_scores(truth=true != 0, segmentation=predicted != 0, tolerance=tolerance, spacing=spacing)
    assert 1 - n_far / n_surface == pytest.approx(expected.surface_dice, abs=1e-12)


def test_surfaces_of_an_image_are_those_of_the_image_alone() -> None:
    true, predicted = blobs((3, 20, 24), 0), blobs((3, 20, 24), 1)
    found = find_surfaces(true, predicted, 1, tolerance=2.0, spacing=(1.0, 1.5))
    expected = mask_scores(
        truth=true[1] != 0, segmentation=predicted[1] != 0, tolerance=2.0, spacing=(1.0, 1.5)
    )
    n_surface = surface_voxels(true[1] != 0).sum() + surface_voxels(predicted[1] != 0).sum()
    n_far = found.far_truth.sum() + found.far_prediction.sum()
    assert 0 < n_far < n_surface
    assert 1 - n_far / n_surface == pytest.approx(expected.surface_dice, abs=1e-12)


def test_a_surface_without_another_is_all_too_far() -> None:
    true = blobs((1, 20, 24), 0)
    found = find_surfaces(true, np.zeros_like(true), 0, tolerance=100.0, spacing=(1.0, 1.0, 1.0))
    np.testing.assert_array_equal(found.far_truth, surface_voxels(true != 0)[0])
    assert not found.far_prediction.any()


def test_surfaces_are_drawn_in_two_colours_strong_where_they_are_apart() -> None:
    masks = np.zeros((2, 60, 60), bool)
    masks[0, 10:40, 10:40] = True
    masks[1, 10:50, 10:40] = True
    surfaces = find_surfaces(masks[0][None], masks[1][None], 0, tolerance=1.0, spacing=(1.0, 1.0))
    grid = Grid.fit((60, 60), 60)
    painted = paint_surfaces(np.zeros((60, 60), np.uint8), surfaces, grid)
    true = (painted == TRUE_SURFACE).all(axis=-1)
    predicted = (painted == PREDICTED_SURFACE).all(axis=-1)
    assert true[36:43, 25].sum() == 3  # far from the other one: a strong line
    assert (true | predicted)[7:14, 25].sum() == 1  # together: a thin one
    assert predicted[46:52].any()
    assert (painted[44, 15:35] != painted[0, 0]).any(axis=-1).all()  # what only one holds is tinted


def test_surfaces_stay_visible_where_pixels_are_larger_than_voxels() -> None:
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 33, 33] = True  # no middle of a pixel of 4 voxels
    grid = Grid.fit((64, 64), 16)
    painted = paint_surfaces(
        np.zeros((16, 16), np.uint8), Surfaces(masks[0], masks[1], masks[0], masks[1]), grid
    )
    assert (painted == TRUE_SURFACE).all(axis=-1).any()


def test_small_labels_lose_no_object_and_keep_the_middle_voxel() -> None:
    labels = np.random.default_rng(0).choice([0, 0, 0, 0, 5, 900], (61, 47))
    for side in (20, 47, 61, 200):
        grid = Grid.fit(labels.shape, side)
        small, middle = grid.small_labels(labels), grid.labels(labels)
        assert small.shape == middle.shape
        assert set(np.unique(small)) <= {0, 5, 900}
        np.testing.assert_array_equal(small[middle != 0], middle[middle != 0])
    lone = np.zeros((64, 64), int)
    lone[1, 2] = 7
    assert (Grid.fit((64, 64), 16).small_labels(lone) == 7).sum() == 1


def test_three_channels_of_bytes_are_a_photograph_and_others_are_not() -> None:
    raw = np.zeros((3, 2, 8, 8), np.uint8)
    assert is_photograph(raw)
    assert not is_photograph(raw.astype(np.int16))
    assert not is_photograph(raw[:2])
    assert not is_photograph(raw[:, 0])


def test_objects_are_drawn_on_the_first_channel_or_on_the_mean_of_a_photograph() -> None:
    raw = np.zeros((3, 1, 8, 8), np.uint8)
    raw[1, 0, 4:] = 90
    grid, whole = Grid.fit((8, 8), 8), (slice(None), slice(None))
    assert tissue_of(raw, 0, grid, whole)[5, 0] > 200
    assert (tissue_of(raw.astype(np.int16), 0, grid, whole) == 0).all()


def test_a_crop_is_as_bright_as_its_section() -> None:
    raw = np.random.default_rng(0).integers(0, 3, (1, 40, 40)).astype(np.uint16)
    raw[0, 20:30, 20:30] = 1000
    crop = tissue_of(raw, 0, Grid.fit((10, 10), 10), (slice(0, 10), slice(0, 10)))
    assert crop.shape == (10, 10)
    assert crop.max() < 3
