"""The phantom: tissue by its statistics, labels by their definition, and no way around learning."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import adapted_rand_error

from objectwise.data import neuropil_phantom
from objectwise.errors import ArgumentError, DtypeError, ShapeError

STACK = {"shape": (10, 128, 128), "voxel_size": (30, 6, 6)}


@pytest.fixture(scope="module")
def section():
    return neuropil_phantom((384, 384), seed=0)


@pytest.fixture(scope="module")
def stack():
    return neuropil_phantom(**STACK, seed=0, gap_fraction=0)


def small(**options):
    return neuropil_phantom((96, 96), seed=5, **options)


def best_threshold_error(raw, labels, sigmas=(0, 1, 2)):
    """Lowest adapted Rand error of any threshold on the, perhaps smoothed, picture + components; grown to fill."""
    errors = []
    for sigma in sigmas:
        smooth = ndimage.gaussian_filter(raw.astype(float), [sigma if n > 32 else 0 for n in raw.shape])
        for threshold in np.quantile(smooth, np.arange(0.02, 0.7, 0.04)):
            pieces, n = ndimage.label(smooth > threshold)
            if n:
                nearest = ndimage.distance_transform_edt(
                    pieces == 0, return_distances=False, return_indices=True
                )
                errors.append(adapted_rand_error(labels.astype(np.int64), pieces[tuple(nearest)])[0])
    return min(errors)


@pytest.mark.parametrize("name", ["section", "stack"])
def test_phantom_has_the_documented_shapes_and_dtypes(name, request):
    phantom = request.getfixturevalue(name)
    assert phantom.raw.shape == phantom.labels.shape == {"section": (384, 384), "stack": (10, 128, 128)}[name]
    assert phantom.raw.dtype == np.uint8
    assert phantom.labels.dtype == np.uint64
    assert phantom.voxel_size == {"section": (1.0, 1.0), "stack": (30.0, 6.0, 6.0)}[name]


def test_same_arguments_give_the_same_phantom(stack):
    again = neuropil_phantom(**STACK, seed=0, gap_fraction=0)
    np.testing.assert_array_equal(again.raw, stack.raw)
    np.testing.assert_array_equal(again.labels, stack.labels)


def test_phantom_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    small()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_different_seeds_give_different_tissue():
    first, second = (neuropil_phantom((96, 96), seed=seed) for seed in (0, 1))
    assert (first.labels != second.labels).mean() > 0.5


@pytest.mark.parametrize("name", ["section", "stack"])
def test_labels_are_connected_and_numbered_without_gaps(name, request):
    labels = request.getfixturevalue(name).labels
    ids, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(ids, np.arange(len(ids)))
    assert (np.diff(first[1:]) > 0).all()  # in C order of their first voxels
    for label, box in enumerate(ndimage.find_objects(labels.astype(np.int64)), start=1):
        assert ndimage.label(labels[box] == label)[1] == 1


@pytest.mark.parametrize("name", ["section", "stack"])
def test_no_label_is_a_speck(name, request):
    assert np.bincount(request.getfixturevalue(name).labels.ravel().astype(np.int64)).min() >= (24 / 5) ** 2


@pytest.mark.parametrize("name", ["section", "stack"])
def test_membrane_covers_about_as_much_as_in_tissue(name, request):
    assert 0.1 < (request.getfixturevalue(name).labels == 0).mean() < 0.3


def test_profiles_have_a_wide_spread_of_sizes_and_long_ones_among_them(section):
    labels = section.labels.astype(np.int64)
    area = np.bincount(labels.ravel())[1:]
    assert len(area) > 80
    low, middle, high = np.percentile(area, [5, 50, 95])
    assert middle / low > 3
    assert high / middle > 4
    elongation = [long_axis_ratio(labels == label) for label in np.flatnonzero(area > 200) + 1]
    assert np.mean(np.array(elongation) > 2) > 0.1


def long_axis_ratio(mask):
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(np.nonzero(mask))))
    return spread[1] / spread[0]


def test_neurites_run_through_the_sections_of_a_stack(stack):
    n_sections = [len(np.unique(np.nonzero(stack.labels == i)[0])) for i in range(1, stack.labels.max() + 1)]
    assert np.mean(np.array(n_sections) >= 5) > 0.2


def test_membranes_are_darker_than_cytoplasm(section):
    assert section.raw[section.labels == 0].mean() < section.raw[section.labels > 0].mean() - 25


def test_no_threshold_on_the_picture_solves_a_stack(stack):
    assert best_threshold_error(stack.raw, stack.labels) > 0.5


def test_no_threshold_on_the_picture_solves_sections(section):
    # The threshold is chosen for each section by its truth, and one huge profile can carry a section's score.
    others = [neuropil_phantom((384, 384), seed=seed) for seed in (1, 2)]
    assert np.mean([best_threshold_error(p.raw, p.labels) for p in (section, *others)]) > 0.3


def test_threshold_would_solve_the_phantom_without_its_traps():
    bare = neuropil_phantom(
        (256, 256), weak_fraction=0, organelle_density=0, noise=0, membrane_contrast=1, section_contrast=0
    )
    assert best_threshold_error(bare.raw, bare.labels) < 0.15


@pytest.mark.parametrize(
    "options",
    [
        {"membrane_contrast": 0.5},
        {"weak_fraction": 0.5},
        {"organelle_density": 0.0},
        {"noise": 0.0},
        {"section_contrast": 0.3},
    ],
)
def test_options_of_the_picture_change_the_picture_only(options):
    usual, other = small(), small(**options)
    assert (usual.raw != other.raw).mean() > 0.02
    np.testing.assert_array_equal(usual.labels, other.labels)


def test_cell_size_sets_the_size_of_cells():
    fine, coarse = (
        neuropil_phantom((256, 256), cell_size=size, membrane_thickness=1.5) for size in (12.0, 36.0)
    )
    assert fine.labels.max() > 4 * coarse.labels.max()


def test_membrane_thickness_sets_the_share_of_membrane():
    thin, thick = small(membrane_thickness=1.5), small(membrane_thickness=5.0)
    assert (thick.labels == 0).mean() > 2 * (thin.labels == 0).mean()


def test_membrane_contrast_of_zero_hides_membranes():
    hidden = small(membrane_contrast=0.0, organelle_density=0.0)
    gap = hidden.raw[hidden.labels > 0].mean() - hidden.raw[hidden.labels == 0].mean()
    assert abs(gap) < 6


def test_weak_fraction_hides_about_that_share_of_membrane():
    clear = {"noise": 0, "organelle_density": 0, "section_contrast": 0}
    section = (384, 384)
    none, half = (neuropil_phantom(section, weak_fraction=share, **clear) for share in (0.0, 0.5))
    membrane = none.labels == 0
    background = none.raw[~membrane].mean()
    darkness = [background - phantom.raw[membrane].mean() for phantom in (none, half)]
    assert 0.3 < darkness[1] / darkness[0] < 0.7


def test_organelles_darken_the_inside_of_cells_more_the_denser_they_are():
    clear = {"noise": 0, "section_contrast": 0, "shape": (256, 256)}
    pictures = [neuropil_phantom(organelle_density=d, **clear) for d in (0.0, 1.0, 3.0)]
    inside = ndimage.binary_erosion(pictures[0].labels > 0, iterations=3)
    dark = [(p.raw[inside] < 110).mean() for p in pictures]
    assert dark[0] + 0.005 < dark[1] < dark[2]


def test_noise_roughens_the_picture():
    rough = [np.diff(small(noise=level).raw.astype(float), axis=1).std() for level in (0.0, 0.05, 0.15)]
    assert rough[0] < rough[1] < rough[2]


def test_section_contrast_spreads_the_brightness_of_sections():
    spread = [
        neuropil_phantom(**STACK, section_contrast=c, gap_fraction=0).raw.mean(axis=(1, 2)).std()
        for c in (0.0, 0.2)
    ]
    assert spread[1] > 3 * spread[0]


def test_misalignment_displaces_sections_with_their_labels():
    still, shaken = (neuropil_phantom(**STACK, misalignment=pixels, gap_fraction=0) for pixels in (0.0, 5.0))
    agree = [(p.labels[1:] == p.labels[:-1]).mean() for p in (still, shaken)]
    assert agree[1] < agree[0]
    assert shaken.raw[shaken.labels == 0].mean() < shaken.raw[shaken.labels > 0].mean() - 25


def test_gap_fraction_blanks_that_many_sections_and_keeps_their_labels(stack):
    torn = neuropil_phantom(**STACK, seed=0, gap_fraction=0.3)
    lost = ~torn.raw.any(axis=(1, 2))
    assert lost.sum() == 3
    np.testing.assert_array_equal(torn.labels, stack.labels)
    np.testing.assert_array_equal(torn.raw[~lost], stack.raw[~lost])


def test_only_the_ratios_of_voxel_size_matter(stack):
    scaled = neuropil_phantom((10, 128, 128), voxel_size=(5, 1, 1), gap_fraction=0)
    np.testing.assert_array_equal(scaled.raw, stack.raw)
    assert scaled.voxel_size == (5.0, 1.0, 1.0)


def test_thick_sections_differ_more_from_their_neighbours_than_thin_ones(stack):
    thin = neuropil_phantom((10, 128, 128), gap_fraction=0)
    same = [(p.labels[1:] == p.labels[:-1]).mean() for p in (stack, thin)]
    assert same[0] < same[1] - 0.05


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (1, 300), (1, 8, 8), (5, 1, 1), (3, 2, 40)])
def test_tiny_shapes_work(shape):
    phantom = neuropil_phantom(shape, seed=2)
    assert phantom.raw.shape == phantom.labels.shape == shape


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shape": (8,)}, ShapeError, r"`shape` must be \(y, x\) or \(z, y, x\), got \(8,\)"),
        ({"shape": (0, 8)}, ShapeError, r"`shape` must hold positive integers, got \(0, 8\)"),
        ({"shape": (8.0, 8)}, ShapeError, r"`shape` must hold positive integers, got \(8.0, 8\)"),
        ({"seed": -1}, ArgumentError, "`seed` must not be negative, got -1"),
        ({"seed": 0.5}, DtypeError, "`seed` must be an integer, got 0.5"),
        ({"voxel_size": (1, 1, 1)}, ShapeError, r"`voxel_size` must have one number per axis \(2\)"),
        ({"voxel_size": (0, 1)}, ArgumentError, r"`voxel_size` must be positive, got \(0, 1\)"),
        ({"voxel_size": (float("nan"), 1)}, ArgumentError, "`voxel_size` must be positive"),
        ({"cell_size": 2}, ArgumentError, "`cell_size` must be between 6 and 200, got 2"),
        ({"cell_size": "big"}, DtypeError, "`cell_size` must be a number, got 'big'"),
        ({"membrane_thickness": 9}, ArgumentError, "`membrane_thickness` must be between 1 and 6, got 9"),
        ({"membrane_contrast": 1.1}, ArgumentError, "`membrane_contrast` must be between 0 and 1, got 1.1"),
        ({"weak_fraction": -0.1}, ArgumentError, "`weak_fraction` must be between 0 and 1, got -0.1"),
        ({"organelle_density": 6}, ArgumentError, "`organelle_density` must be between 0 and 5, got 6"),
        ({"noise": float("nan")}, ArgumentError, "`noise` must be between 0 and 1, got nan"),
        ({"section_contrast": 1}, ArgumentError, "`section_contrast` must be between 0 and 0.5, got 1"),
        (
            {"gap_fraction": 0.1},
            ArgumentError,
            "`gap_fraction` must be left out for a single section, got 0.1",
        ),
        ({"misalignment": 1}, ArgumentError, "`misalignment` must be left out for a single section, got 1"),
        ({"shape": (4, 8, 8), "gap_fraction": 2}, ArgumentError, "`gap_fraction` must be between 0 and 1"),
        ({"shape": (4, 8, 8), "misalignment": 25}, ArgumentError, "`misalignment` must be between 0 and 24"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        neuropil_phantom(**{"shape": (8, 8)} | options)
