from __future__ import annotations

import numpy as np
import pytest

from objectwise.data import normalise_raw, raw_range
from objectwise.errors import ArgumentError, DtypeError


def test_bytes_keep_their_whole_range():
    raw = np.array([[50, 100], [0, 255]], np.uint8)
    result = normalise_raw(raw)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, raw / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_other_dtypes_run_from_their_dark_to_their_bright_percentile(dtype):
    raw = np.arange(1000, 5000).reshape(4, 10, 100).astype(dtype)
    raw[0, 0, 0] = 30_000  # one hot voxel is clipped, and dims nothing else
    result = normalise_raw(raw)
    assert result.min() == 0
    assert result.max() == 1
    assert abs(float(result[2, 0, 0]) - 0.5) < 0.01


def test_range_does_not_depend_on_the_unit():
    raw = np.random.default_rng(0).normal(size=(3, 20, 20))
    np.testing.assert_allclose(normalise_raw(raw), normalise_raw(raw * 1e6 - 3e8), atol=1e-5)


def test_windows_of_a_volume_share_its_range():
    raw = np.random.default_rng(0).integers(0, 4000, (6, 30, 30)).astype(np.uint16)
    window = normalise_raw(raw[2:4, 5:9], raw_range(raw))
    np.testing.assert_array_equal(window, normalise_raw(raw)[2:4, 5:9])


def test_constant_images_become_black():
    assert not normalise_raw(np.full((2, 3), 7.0)).any()
    assert not normalise_raw(np.full((2, 2, 3), 700, np.uint16)).any()


def test_what_is_no_image_is_refused():
    with pytest.raises(ArgumentError, match="`raw` must be finite"):
        normalise_raw(np.array([[1.0, np.nan]]))
    with pytest.raises(DtypeError, match="`raw` must hold integers or floating point"):
        normalise_raw(np.zeros((2, 2), complex))
    with pytest.raises(ArgumentError, match="`intensity_range` must ascend"):
        normalise_raw(np.zeros((2, 2)), (1.0, 1.0))
