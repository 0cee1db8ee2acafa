"""Border masks against brute force and the CREMI package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import mask_borders
from tests.conftest import golden_cases
from tests.oracles.metrics import near_border


@given(
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 2)),
    st.sampled_from([0, 1, 1.5, 2, 2.9, 3]),
)
def test_masked_pixels_equal_brute_force(section, distance):
    masked = mask_borders(section, distance, masked_id=9)
    np.testing.assert_array_equal(masked, np.where(near_border(section, distance), 9, section))


def test_sections_are_masked_one_by_one():
    rng = np.random.default_rng(0)
    volume = np.kron(rng.integers(0, 3, (4, 3, 3)), np.ones((1, 5, 5), int))
    sections = [mask_borders(section, 1) for section in volume]
    np.testing.assert_array_equal(mask_borders(volume, 1), np.stack(sections))


def test_a_section_of_one_object_has_no_border():
    volume = np.array([[[7, 7], [7, 7]], [[3, 3], [3, 3]]])
    np.testing.assert_array_equal(mask_borders(volume, 5), volume)


def test_masking_keeps_the_input_and_huge_ids():
    labels = np.array([[2**64 - 5] * 4 + [2**53 + 1] * 4], np.uint64)
    before = labels.copy()
    masked = mask_borders(labels, 1)
    np.testing.assert_array_equal(labels, before)
    assert masked.tolist() == [[2**64 - 5] * 2 + [2**64 - 1] * 4 + [2**53 + 1] * 2]


# The odd cases are the volumes; the CREMI package masks no single images.
@pytest.mark.parametrize("path", golden_cases("metrics_?[13579]"), ids=lambda path: path.stem)
def test_masks_equal_the_golden_results(path, load_golden):
    golden = load_golden(path)
    masked = mask_borders(golden["truth"], 1)
    assert masked.dtype == np.uint64
    np.testing.assert_array_equal(masked, golden["cremi_border_masked_truth"])


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (np.ones((3, 3)), {}, DtypeError, "`labels` must hold integer ids"),
        (np.ones(3, int), {}, ShapeError, r"`labels` must be 2-D .* or 3-D .*, got shape \(3,\)"),
        (
            np.ones((3, 3), int),
            {"distance": -1},
            ArgumentError,
            "`distance` must be finite and not negative, got -1",
        ),
        (
            np.ones((3, 3), int),
            {"distance": np.nan},
            ArgumentError,
            "`distance` must be finite and not negative, got nan",
        ),
        (np.ones((3, 3), int), {"masked_id": -1}, ArgumentError, "`masked_id` must fit into uint64, got -1"),
    ],
)
def test_wrong_arguments_are_named(labels, options, error, message):
    with pytest.raises(error, match=message):
        mask_borders(labels, **options)
