"""The lesion phantom: sizes over three decades, small ones faint, lesions that no connectivity joins."""

import numpy as np
import pytest
from scipy import ndimage

from objectwise.data import lesion_phantom
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps import connected_components

SHAPES = {"image": (512, 512), "volume": (72, 80, 88)}


@pytest.fixture(scope="module", params=SHAPES)
def phantom(request):
    return lesion_phantom(SHAPES[request.param], seed=0)


def sizes_of(phantom):
    return np.bincount(phantom.labels.ravel().astype(np.int64))[1:]


def test_phantom_has_the_documented_shapes_and_dtypes(phantom):
    assert phantom.raw.shape == phantom.labels.shape in SHAPES.values()
    assert (phantom.raw.dtype, phantom.labels.dtype) == (np.uint8, np.uint64)
    assert phantom.voxel_size == (1.0,) * phantom.raw.ndim


@pytest.mark.parametrize("connectivity", ["lowest", "highest"])
def test_connected_components_are_the_lesions_with_any_connectivity(phantom, connectivity):
    number = {2: (4, 8), 3: (6, 26)}[phantom.raw.ndim][connectivity == "highest"]
    pieces = connected_components(phantom.labels > 0, number)
    np.testing.assert_array_equal(pieces, phantom.labels)


def test_ids_ascend_in_the_order_of_first_voxels(phantom):
    ids, first = np.unique(phantom.labels, return_index=True)
    np.testing.assert_array_equal(ids, np.arange(len(ids)))
    assert (np.diff(first[1:]) > 0).all()


def test_two_background_voxels_lie_between_lesions(phantom):
    labels = phantom.labels.astype(np.int64)
    highest = ndimage.maximum_filter(labels, 3)
    lowest = ndimage.minimum_filter(np.where(labels == 0, labels.max() + 1, labels), 3)
    assert ((highest == lowest) | (highest == 0) | (lowest > labels.max())).all()


def test_sizes_spread_over_three_decades(phantom):
    sizes = sizes_of(phantom)
    assert sizes.min() < 10
    assert sizes.max() > 1500
    counts = np.histogram(np.log10(sizes), bins=[0.5, 1.6, 2.6, 3.7])[0]
    assert counts.sum() == len(sizes)
    assert counts.min() > len(sizes) / 6


def test_fraction_is_the_share_of_lesion_voxels():
    shares = [(lesion_phantom((512, 512), fraction=f).labels > 0).mean() for f in (0.0, 0.02, 0.1)]
    np.testing.assert_allclose(shares, [0, 0.02, 0.1], rtol=0.2)


def test_sizes_stay_within_a_tenth_of_their_range():
    sizes = sizes_of(lesion_phantom((300, 300), seed=2, smallest=30, largest=60))
    assert 27 <= sizes.min() <= sizes.max() <= 66
    assert set(sizes_of(lesion_phantom((128, 128), smallest=1, largest=1, fraction=0.01))) == {1}


def contrast_of(phantom, low, high):
    """Mean brightness above background of the lesions of some sizes, by their voxels away from edges too."""
    sizes = np.concatenate([[0], sizes_of(phantom)])
    chosen = (sizes >= low) & (sizes < high)
    chosen[0] = False
    return phantom.raw[chosen[phantom.labels]].mean() - phantom.raw[phantom.labels == 0].mean()


def test_small_lesions_are_fainter_and_grain_hides_them(phantom):
    small, large = contrast_of(phantom, 0, 40), contrast_of(phantom, 1000, 9999)
    assert 0 < small < 0.6 * large
    assert small < 2.5 * phantom.raw[phantom.labels == 0].std()


def test_contrast_faintness_and_noise_change_the_picture_alone():
    options = {"shape": (256, 256), "seed": 3}
    usual = lesion_phantom(**options)
    strong, even, rough = (
        lesion_phantom(**options, **change)
        for change in ({"contrast": 0.7}, {"faintness": 0.0}, {"noise": 0.2})
    )
    for other in (strong, even, rough):
        np.testing.assert_array_equal(other.labels, usual.labels)
    assert contrast_of(strong, 100, 9999) > 1.2 * contrast_of(usual, 100, 9999)
    assert contrast_of(even, 0, 40) > 1.2 * contrast_of(usual, 0, 40)
    grain = [np.diff(p.raw.astype(float), axis=1).std() for p in (usual, rough)]
    assert grain[1] > 1.5 * grain[0]


def test_same_seed_same_arrays_and_other_seed_other_arrays():
    first, again, other = (lesion_phantom((20, 24, 28), seed=s, largest=200) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.raw, again.raw)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).any()


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (1, 8, 8), (5, 1, 1)])
def test_tiny_shapes_work_and_leave_out_what_has_no_room(shape):
    phantom = lesion_phantom(shape, seed=2, fraction=0.3)
    assert phantom.raw.shape == phantom.labels.shape == shape


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shape": (8,)}, ShapeError, r"`shape` must be \(y, x\) or \(z, y, x\), got \(8,\)"),
        ({"seed": -1}, ArgumentError, "`seed` must not be negative, got -1"),
        ({"smallest": 0}, ArgumentError, "`smallest` must be between 1 and .*, got 0"),
        (
            {"smallest": 9, "largest": 8},
            ArgumentError,
            r"`largest` must not be below `smallest` \(9\), got 8",
        ),
        ({"largest": 2.5}, DtypeError, "`largest` must be an integer, got 2.5"),
        ({"fraction": 0.5}, ArgumentError, "`fraction` must be between 0 and 0.3, got 0.5"),
        ({"contrast": "high"}, DtypeError, "`contrast` must be a number, got 'high'"),
        ({"faintness": 2}, ArgumentError, "`faintness` must be between 0 and 1, got 2"),
        ({"noise": float("nan")}, ArgumentError, "`noise` must be between 0 and 1, got nan"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        lesion_phantom(**{"shape": (8, 8)} | options)
