"""The maps against SciPy, their laws, and what they say about labels that do not fit."""

from __future__ import annotations

import inspect
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from objectwise import maps
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from tests.oracles import region_wise as oracle

SIDES = ("distance", "normalized", "constant")
IGNORED = 250
FUNCTIONS = (
    maps.region_wise_map,
    maps.rectified_region_wise_map,
    maps.signed_distance_map,
    maps.active_contour_map,
    maps.hausdorff_map,
    maps.class_weight_map,
)
WITH_SPACING = [function for function in FUNCTIONS if "spacing" in inspect.signature(function).parameters]


@st.composite
def label_images(draw, n_classes: int = 3):
    """A batch of small class images, some with absent or filling classes and ignored voxels, and a spacing."""
    ndim = draw(st.integers(2, 3))
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 6)) for _ in range(ndim)))
    values = st.sampled_from([0, 0, 0, 1, 1, 2, IGNORED][: draw(st.integers(1, 7))])
    labels = draw(arrays(np.int64, shape, elements=values))
    spacing = tuple(draw(st.sampled_from([0.25, 1.0, 1.7, 40.0])) for _ in range(ndim))
    return labels, spacing


@given(label_images(), st.sampled_from(SIDES), st.sampled_from(SIDES))
@settings(max_examples=300)
def test_map_is_that_of_one_transform_per_class_side_and_sample(case, inside, outside):
    labels, spacing = case
    expected = oracle.region_wise_map(oracle.masks_of(labels, 3), inside, outside, spacing)
    expected[np.broadcast_to((labels == IGNORED)[:, None], expected.shape)] = 0
    found = maps.region_wise_map(
        labels[:, None], 3, inside=inside, outside=outside, spacing=spacing, ignore_label=IGNORED
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(arrays(np.bool_, (2, 3, 4, 5)), st.sampled_from(SIDES), st.sampled_from(SIDES))
def test_one_hot_channels_may_overlap_and_leave_voxels_out(masks, inside, outside):
    found = maps.region_wise_map(masks, inside=inside, outside=outside)
    np.testing.assert_allclose(found, oracle.region_wise_map(masks, inside, outside), rtol=1e-6)


@given(label_images())
def test_named_maps_are_of_the_family(case):
    labels, spacing = case
    batch, options = labels[:, None], {"ignore_label": IGNORED}
    for named, inside, outside in (
        (maps.rectified_region_wise_map, "normalized", "constant"),
        (maps.signed_distance_map, "distance", "distance"),
    ):
        general = maps.region_wise_map(batch, 3, inside=inside, outside=outside, spacing=spacing, **options)
        np.testing.assert_array_equal(named(batch, 3, spacing=spacing, **options), general)
    contour = maps.region_wise_map(batch, 3, inside="constant", outside="constant", **options)
    np.testing.assert_array_equal(maps.active_contour_map(batch, 3, **options), contour)


@given(label_images(), st.sampled_from([1, 2, 2.5]))
def test_hausdorff_map_is_a_power_of_the_distance_to_the_border(case, alpha):
    labels, spacing = case
    expected = np.abs(oracle.region_wise_map(oracle.masks_of(labels, 3), "distance", "distance", spacing))
    expected[np.broadcast_to((labels == IGNORED)[:, None], expected.shape)] = 0
    found = maps.hausdorff_map(labels[:, None], 3, alpha=alpha, spacing=spacing, ignore_label=IGNORED)
    np.testing.assert_allclose(found, expected**alpha, rtol=3e-6)


def test_anisotropic_distances_are_exact():
    labels = np.zeros((3, 3), int)
    labels[1, 1] = 1
    found = maps.signed_distance_map(labels, 2, spacing=(3, 4))[1]
    np.testing.assert_array_equal(found, [[5, 3, 5], [4, -3, 4], [5, 3, 5]])


@given(label_images())
def test_flipping_labels_flips_the_map(case):
    labels, spacing = case
    for axes in ((1,), (2,), (1, 2)):
        for function in WITH_SPACING:
            whole = function(labels[:, None], 3, spacing=spacing, ignore_label=IGNORED)
            flipped = function(np.flip(labels, axes)[:, None], 3, spacing=spacing, ignore_label=IGNORED)
            np.testing.assert_allclose(flipped, np.flip(whole, [axis + 1 for axis in axes]), rtol=1e-6)


def test_turning_labels_by_90_degrees_turns_the_map():
    labels = np.random.default_rng(0).integers(0, 3, (7, 9))
    for function in FUNCTIONS:
        turned = function(np.rot90(labels).copy(), 3)
        np.testing.assert_array_equal(turned, np.rot90(function(labels, 3), axes=(1, 2)))


@given(label_images())
def test_renaming_classes_only_reorders_the_channels(case):
    labels, spacing = case
    order = np.array([2, 0, 1])
    known = labels != IGNORED
    renamed = np.where(known, order[np.where(known, labels, 0)], IGNORED)
    for function in WITH_SPACING:
        options = {"spacing": spacing, "ignore_label": IGNORED}
        np.testing.assert_array_equal(
            function(renamed[:, None], 3, **options)[:, order], function(labels[:, None], 3, **options)
        )


@given(label_images())
def test_the_unit_of_spacing_scales_distances_and_leaves_normalised_maps(case):
    labels, spacing = case
    thrice = tuple(3 * size for size in spacing)
    batch, options = labels[:, None], {"ignore_label": IGNORED}
    distances = maps.signed_distance_map(batch, 3, spacing=spacing, **options)
    np.testing.assert_allclose(
        maps.signed_distance_map(batch, 3, spacing=thrice, **options), 3 * distances, rtol=1e-6
    )
    np.testing.assert_allclose(
        maps.rectified_region_wise_map(batch, 3, spacing=thrice, **options),
        maps.rectified_region_wise_map(batch, 3, spacing=spacing, **options),
        rtol=1e-6,
    )


@given(label_images(), st.data())
def test_a_crop_of_the_map_knows_borders_that_a_map_of_the_crop_does_not(case, data):
    labels, spacing = case
    window = []
    for length in labels.shape[1:]:
        start = data.draw(st.integers(0, length - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, length))))
    crop = (slice(None), slice(None), *window)
    options = {"spacing": spacing, "ignore_label": IGNORED}
    whole = maps.signed_distance_map(labels[:, None], 3, **options)[crop]
    own = maps.signed_distance_map(labels[:, None][crop], 3, **options)
    has_border = (own != 0).any(axis=tuple(range(2, own.ndim)), keepdims=True)
    assert (np.abs(whole) <= np.abs(own) * (1 + 1e-6))[np.broadcast_to(has_border, own.shape)].all()
    assert (np.sign(whole) == np.sign(own))[np.broadcast_to(has_border, own.shape)].all()


def test_maps_without_distances_do_not_care_whether_the_crop_comes_first():
    labels = np.random.default_rng(0).integers(0, 3, (2, 1, 8, 9))
    weights = {"weights": [1, 2, 3]}
    for function, options in ((maps.active_contour_map, {}), (maps.class_weight_map, weights)):
        of_crop = function(labels[..., 2:6, 3:], 3, **options)
        np.testing.assert_array_equal(function(labels, 3, **options)[..., 2:6, 3:], of_crop)


def test_absent_and_filling_classes_have_a_defined_map():
    labels = np.ones((1, 1, 3, 4), int)  # class 0 absent, class 1 fills
    values = {
        "rectified_region_wise_map": (1, -1),
        "region_wise_map": (1, -1),
        "signed_distance_map": (0, 0),
        "active_contour_map": (1, -1),
        "hausdorff_map": (0, 0),
        "class_weight_map": (0, -1),
    }
    for name, (absent, filling) in values.items():
        found = getattr(maps, name)(labels, 2)
        assert (found[0, 0] == absent).all(), name
        assert (found[0, 1] == filling).all(), name
        assert not np.signbit(found[found == 0]).any(), name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_ignored_voxel_has_map_0_and_all_ignored_is_no_error(function):
    labels = np.full((2, 1, 4, 4), -1)
    labels[0, 0, :2] = [[0, 1, 1, 0], [0, 0, 1, 1]]
    found = function(labels, 2, ignore_label=-1)
    assert not found[0, :, 2:].any()
    assert not found[1].any()
    assert found[0, :, :2].any()


def test_distances_end_at_ignored_voxels():
    found = maps.signed_distance_map(np.array([[0, 0, 0, 255, 1]]), 2, ignore_label=255)
    np.testing.assert_array_equal(found[:, 0], [[-3, -2, -1, 0, 2], [4, 3, 2, 0, -1]])


def test_class_weights_count_every_class_that_is_there_alike():
    labels = np.array([[0, 0, 0, 0, 0, 0, 2, 2, 9]])
    found = maps.class_weight_map(labels, 4, ignore_label=9)[:, 0]
    np.testing.assert_allclose(found.sum(1), [-4, 0, -4, 0])
    own = maps.class_weight_map(labels, 4, weights=[0.5, 9, 2, 9], ignore_label=9)[:, 0]
    np.testing.assert_array_equal(own[[0, 2]], [[-0.5] * 6 + [0] * 3, [0] * 6 + [-2] * 2 + [0]])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_every_form_of_labels_gives_the_same_map(function, shape):
    labels = np.random.default_rng(0).integers(0, 3, shape)
    ndim = len(shape)
    expected = function(labels, 3)
    assert expected.shape == (3, *shape)
    one_hot = np.moveaxis(np.eye(3)[labels], -1, 0)
    np.testing.assert_array_equal(function(labels[None], 3, spatial_dims=ndim), expected)
    np.testing.assert_array_equal(function(labels[None, None], 3)[0], expected)
    np.testing.assert_array_equal(function(one_hot, spatial_dims=ndim), expected)
    for dtype in (np.bool_, np.uint8, np.float32):
        np.testing.assert_array_equal(function(one_hot[None].astype(dtype), 3)[0], expected)
    for dtype in (np.uint8, np.int32, np.uint64):
        np.testing.assert_array_equal(function(labels.astype(dtype), 3), expected)
    np.testing.assert_array_equal(function(np.asfortranarray(labels), 3), expected)
    tensor = function(torch.from_numpy(labels)[None, None], 3)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor[0].numpy(), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_background_the_first_channel_is_left_out(function):
    labels = np.random.default_rng(0).integers(0, 4, (2, 1, 5, 6))
    np.testing.assert_array_equal(function(labels, 4, include_background=False), function(labels, 4)[:, 1:])


def test_a_single_class_is_given_as_its_mask():
    labels = np.array([[0, 1, 1, 0]])
    np.testing.assert_array_equal(
        maps.signed_distance_map(labels, 1), maps.signed_distance_map(labels, 2)[1:]
    )


def test_more_than_254_classes_fit():
    labels = np.arange(300).reshape(20, 15)
    found = maps.rectified_region_wise_map(labels, 300)
    np.testing.assert_array_equal(found == -1, oracle.masks_of(labels[None], 300)[0])


def test_hausdorff_and_weight_options_matter():
    labels = np.array([[0, 0, 0, 1, 1]])
    assert maps.hausdorff_map(labels, 2, alpha=1).max() == 3
    assert maps.hausdorff_map(labels, 2, alpha=2).max() == 9


SQUARE = np.zeros((4, 4), int)
TWO = np.zeros((1, 2, 4, 4))
BAD = [
    (SQUARE.astype(np.float32), 2, {}, DtypeError, "`labels` must hold integer ids"),
    ([[0, 1]], 2, {}, DtypeError, "`labels` must be a numpy array or a torch.Tensor, got list"),
    (SQUARE + 2, 2, {}, ArgumentError, r"`labels` must be classes in 0..1, got 2 at \(0, 0, 0\)"),
    (SQUARE - 1, 2, {}, ArgumentError, "`labels` must not be negative, got -1"),
    (SQUARE - 1, 2, {"ignore_label": 7}, ArgumentError, "`labels` must be classes in 0..1, got -1"),
    (SQUARE, None, {}, ArgumentError, "`n_classes` must be given"),
    (SQUARE, 0, {}, ArgumentError, "`n_classes` must be a positive integer, got 0"),
    (SQUARE, 2.0, {}, ArgumentError, "`n_classes` must be a positive integer, got 2.0"),
    (TWO, 3, {}, ShapeError, r"`labels` must have 1 channel .* or `n_classes` \(3\) channels"),
    (TWO + 0.5, None, {}, ArgumentError, "`labels` must hold only 0 and 1 if one-hot, got 0.5"),
    (
        SQUARE,
        2,
        {"ignore_label": 255.0},
        ArgumentError,
        "`ignore_label` must be an integer or None, got 255.0",
    ),
    (TWO, None, {"ignore_label": 1}, ArgumentError, "`ignore_label` must be None for one-hot labels"),
    (np.array([["a"]]), 1, {}, DtypeError, "`labels` must be bool, integer or float if one-hot"),
    (SQUARE[0], 2, {}, ShapeError, r"`labels` must have shape .* got \(4,\)"),
    (SQUARE[:, :0], 2, {}, ShapeError, "`labels` must not be empty"),
    (SQUARE, 2, {"spatial_dims": 3}, ShapeError, r"with 3 spatial axes, got \(4, 4\)"),
    (SQUARE, 2, {"spatial_dims": 4}, ArgumentError, "`spatial_dims` must be 2 or 3, got 4"),
    (
        SQUARE[None],
        1,
        {"spatial_dims": 2, "include_background": False},
        ArgumentError,
        "`include_background`",
    ),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("labels", "n_classes", "options", "error", "message"), BAD)
def test_bad_labels_are_named(function, labels, n_classes, options, error, message):
    with pytest.raises(error, match=message):
        function(labels, n_classes, **options)


BAD_SPACING = [
    ((1, 1, 1), ShapeError, r"with 3 spatial axes, got \(4, 4\)"),
    ((1, 1, 1, 1), ShapeError, r"`spacing` must have one number per spatial axis \(2\), got \(1, 1, 1, 1\)"),
    (2.0, ShapeError, r"`spacing` must have one number per spatial axis \(2\), got 2.0"),
    ((1, 0), ArgumentError, r"`spacing` must be positive and finite, got \(1, 0\)"),
    ((1, float("nan")), ArgumentError, "`spacing` must be positive and finite"),
    (("a", "b"), DtypeError, "`spacing` must hold numbers"),
]


@pytest.mark.parametrize("function", WITH_SPACING)
@pytest.mark.parametrize(("spacing", "error", "message"), BAD_SPACING)
def test_bad_spacing_is_named(function, spacing, error, message):
    with pytest.raises(error, match=message):
        function(SQUARE, 2, spacing=spacing)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: maps.region_wise_map(SQUARE, 2, inside="near"), ArgumentError, "`inside` must be one of"),
        (lambda: maps.region_wise_map(SQUARE, 2, outside="far"), ArgumentError, "`outside` must be one of"),
        (lambda: maps.hausdorff_map(SQUARE, 2, alpha=0), ArgumentError, "`alpha` must be positive"),
        (
            lambda: maps.class_weight_map(SQUARE, 2, weights=[1]),
            ShapeError,
            r"`weights` must hold one number per class \(2\), got shape \(1,\)",
        ),
        (
            lambda: maps.class_weight_map(SQUARE, 2, weights=[1, -1]),
            ArgumentError,
            "`weights` must be finite and not negative",
        ),
        (
            lambda: maps.class_weight_map(SQUARE, 2, weights=["a", 1]),
            DtypeError,
            "`weights` must hold numbers",
        ),
    ],
)
def test_bad_options_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("exponent", [-120, -83, -40, 40, 83, 120])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.5)])
def test_the_unit_of_the_spacing_only_scales_distances(exponent, spacing):
    labels = np.random.default_rng(0).integers(0, 3, (6, 7))
    scaled = tuple(np.ldexp(spacing, exponent))
    np.testing.assert_array_equal(
        maps.rectified_region_wise_map(labels, 3, spacing=scaled),
        maps.rectified_region_wise_map(labels, 3, spacing=spacing),
    )
    found = maps.signed_distance_map(labels, 3, spacing=scaled)
    assert found.dtype == np.float32
    expected = np.ldexp(maps.signed_distance_map(labels, 3, spacing=spacing), exponent)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("spacing", [(1e-25, 1.0), (1.0, 1e-25)])
def test_a_map_has_no_nan_where_an_axis_is_short(spacing):
    labels = np.array([[0, 1, 0, 1, 1], [0, 1, 0, 1, 1]])
    for turned, sizes in ((labels, spacing), (labels.T, spacing[::-1])):
        assert np.isfinite(maps.region_wise_map(turned, 2, spacing=sizes)).all()


@pytest.mark.parametrize(
    ("make", "spacing", "message"),
    [
        (maps.signed_distance_map, (1e-39, 1), "give distances that float32 can hold, 1e-38 to 3e38, got"),
        (maps.rectified_region_wise_map, (1, 2e38), "give distances that float32 can hold"),
        (maps.hausdorff_map, (1e-20, 1e-20), "give distances to the power 2 that float32 can hold"),
        (
            partial(maps.hausdorff_map, alpha=100),
            (1e25, 1e25),
            "give distances to the power 100 that float32",
        ),
        (maps.signed_distance_map, (1e-35, 1), "not differ by more than about 1e30"),
    ],
)
def test_a_spacing_whose_distances_float32_cannot_hold_is_refused(make, spacing, message):
    with pytest.raises(ArgumentError, match=f"`spacing` must {message}"):
        make(np.eye(3, dtype=int), 2, spacing=spacing)
