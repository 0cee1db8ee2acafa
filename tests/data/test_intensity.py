from __future__ import annotations

import json

import numpy as np
import pytest

from objectwise.data import (
    ChannelNormalisation,
    LabelledVolume,
    Normalisation,
    PatchSampler,
    fit_normalisation,
    normalisation_from_plain,
    normalise_raw,
    raw_range,
)
from objectwise.errors import ArgumentError, DtypeError, ShapeError


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


def stack(seed=0, shape=(6, 30, 30)):
    return np.random.default_rng(seed).integers(100, 4000, shape).astype(np.uint16)


def test_volumes_of_a_training_share_one_range():
    dark, bright = stack()[:3] // 2, stack()[3:] + 1000
    fitted = fit_normalisation([dark, bright])
    both = np.concatenate([dark.ravel(), bright.ravel()])
    assert (fitted.low, fitted.high) == raw_range(both)
    assert fitted(dark).mean() < fitted(bright).mean()


def test_range_is_taken_as_it_is_given():
    fitted = fit_normalisation([stack()], method="range", limits=(0, 2000))
    np.testing.assert_allclose(fitted(stack()), (stack() / 2000).clip(0, 1), rtol=1e-6)


def test_percentiles_are_those_asked_for_even_of_bytes():
    raw = np.arange(101, dtype=np.uint8).reshape(1, 101)
    fitted = fit_normalisation([raw], method="percentiles", percentiles=(10, 60))
    assert (fitted.low, fitted.high) == (10, 60)


def test_zscore_is_clipped_and_has_mean_0_and_deviation_1():
    raw = stack()
    raw[0, 0, 0] = 60_000
    fitted = fit_normalisation([raw], method="zscore")
    assert fitted(raw).dtype == np.float32
    assert abs(float(fitted(raw).mean())) < 1e-5
    assert abs(float(fitted(raw).std()) - 1) < 1e-5
    assert fitted(raw).max() < 2
    np.testing.assert_allclose(fitted(raw), fitted.finished(fitted.unit(raw)))
    assert not fit_normalisation([np.ones((2, 2))], method="zscore")(np.ones((2, 2))).any()


def test_normalisation_survives_a_file():
    for method in ("auto", "percentiles", "zscore"):
        fitted = fit_normalisation([stack()], method=method)
        plain = fitted.as_plain()
        assert all(isinstance(value, str | float) for value in plain.values())
        assert Normalisation.from_plain(plain) == fitted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "guess"}, "`method` must be one of"),
        ({"low": 5000.0}, "`low` and `high` must ascend"),
        ({"low": float("nan")}, "`low` must be finite"),
        ({"low": -1.7e308, "high": 1.7e308}, "`low` and `high` must ascend"),
        ({"seen_high": "5"}, "`seen_high` must be a number"),
        ({"mean": 3.0}, "`deviation` must be positive beside a mean"),
        ({"mean": 3.0, "deviation": 0.0}, "`deviation` must be positive beside a mean"),
        ({"bias": 3.0}, "`normalisation` must hold"),
    ],
)
def test_normalisation_of_a_foreign_file_is_refused(change, message):
    with pytest.raises(ArgumentError, match=message):
        Normalisation.from_plain(fit_normalisation([stack()]).as_plain() | change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "`method` must be one of"),
        ({"method": "range"}, "`limits` must be given with the method 'range' alone"),
        ({"limits": (0, 1)}, "`limits` must be given with the method 'range' alone"),
        ({"percentiles": (99, 1)}, "`percentiles` must ascend in 0..100"),
        ({"percentiles": (-1, 50)}, "`percentiles` must ascend in 0..100"),
    ],
)
def test_impossible_normalisations_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        fit_normalisation([stack()], **options)


def test_bytes_beside_other_dtypes_have_no_range_of_their_dtype():
    mixed = [stack(), np.ones((2, 2, 2), np.uint8)]
    with pytest.raises(ArgumentError, match=r"got the dtypes \['uint16', 'uint8'\]; convert them"):
        fit_normalisation(mixed)
    fit_normalisation(mixed, method="percentiles")
    with pytest.raises(ArgumentError, match="at least one volume"):
        fit_normalisation([])


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (lambda raw: raw[:2], None),
        (lambda raw: (raw * 0.9 + 200).astype(np.uint16), None),
        (lambda raw: raw * 10, "lie outside those of the training"),
        (lambda raw: raw + 3000, "lie outside"),
        (lambda raw: raw / 4000.0, "lie outside"),
        (lambda raw: 2000 + raw / 100.0, "span a small part of those of the training"),
    ],
)
def test_volumes_far_from_the_training_are_told_from_its_like(new, said):
    distance = fit_normalisation([stack()]).distance(new(stack(seed=1)))
    assert distance is None if said is None else said in distance


def test_all_channels_of_an_image_count():
    raw = np.zeros((2, 4, 8, 8), np.float32)
    raw[1] = 10
    assert raw_range(raw) == (0, 10)


def test_each_volume_may_go_by_its_own_intensities():
    dim, bright = (
        np.arange(100, dtype=np.uint8).reshape(10, 10),
        np.arange(100, dtype=np.uint16).reshape(10, 10),
    )
    bright = bright * 100 + 7
    fitted = fit_normalisation([dim, bright], method="zscore", percentiles=(0, 100), each=True)
    assert Normalisation.from_plain(json.loads(json.dumps(fitted.as_plain()))) == fitted
    np.testing.assert_allclose(fitted.of(dim)(dim), fitted.of(bright)(bright), atol=1e-5)
    assert abs(float(fitted.of(dim)(dim).mean())) < 1e-6
    assert fitted.distance(bright * 3) is None
    with pytest.raises(ArgumentError, match="`each` must be left out with the method 'auto'"):
        fit_normalisation([dim], each=True)


def test_patches_of_each_volume_go_by_its_own_intensities():
    images = [
        LabelledVolume(
            str(scale), np.arange(64, dtype=np.uint16).reshape(1, 8, 8) * scale, np.ones((1, 8, 8), int)
        )
        for scale in (1, 50)
    ]
    shared = fit_normalisation([one.raw for one in images], method="zscore", each=True)
    sampler = PatchSampler(images, (8, 8), seed=0, normalisation=shared)
    seen = {sampler.position(index).volume: sampler[index].raw for index in range(20)}
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-5)


def stains(seed=0):
    """Two channels of far apart intensities."""
    return np.stack([stack(seed), 10_000 + 10 * stack(seed + 1)])


@pytest.mark.parametrize("method", ["auto", "percentiles", "zscore", "range"])
def test_each_channel_is_normalised_as_if_it_were_alone(method):
    options = {"method": method} | ({"limits": (0, 5000)} if method == "range" else {})
    volumes = [stains(), stains(seed=5)[:, :3]]
    fitted = fit_normalisation(volumes, **options)
    alone = [fit_normalisation([volume[index] for volume in volumes], **options) for index in range(2)]
    assert fitted == ChannelNormalisation(tuple(alone))
    expected = np.stack([one(channel) for one, channel in zip(alone, volumes[1], strict=True)])
    np.testing.assert_array_equal(fitted(volumes[1]), expected)
    np.testing.assert_array_equal(fitted.finished(fitted.unit(volumes[1])), expected)
    assert normalisation_from_plain(fitted.as_plain()) == fitted


def test_one_channel_has_the_record_that_it_always_had():
    alone = fit_normalisation([stack()])
    assert isinstance(alone, Normalisation)
    assert fit_normalisation([stack()[None]]) == alone
    assert normalisation_from_plain(alone.as_plain()) == alone


def test_channel_far_from_the_training_is_named():
    fitted = fit_normalisation([stains()])
    assert fitted.distance(stains(seed=2)) is None
    assert fitted.distance(stains(seed=2)[::-1]).startswith("in channel 0, 100% of its intensities")
    other = stains(seed=2)
    other[1] //= 10
    assert fitted.distance(other).startswith("in channel 1, ")


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ShapeError, match=r"`volumes` must have one number of channels, got \[1, 2\]"):
        fit_normalisation([stains(), stack()])
    with pytest.raises(ShapeError, match=r"`raw` must have 2 channels in front, got shape \(6, 30, 30\)"):
        fit_normalisation([stains()])(stack())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"channels": []}, "`channels` must hold a normalisation for each channel, got none"),
        ({"channels": 3}, "`normalisation` must hold channels alone, a list"),
        ({"channels": [], "low": 3}, "`normalisation` must hold channels alone, a list"),
        ({"channels": [3]}, "`normalisation` must hold names and values for each channel"),
        ({"channels": [{"low": 3}]}, "`normalisation` must hold Normalisation"),
    ],
)
def test_channels_of_a_foreign_file_are_refused(content, message):
    with pytest.raises(ArgumentError, match=message):
        normalisation_from_plain(content)


def test_each_channel_of_each_volume_may_go_by_its_own_intensities():
    volumes = [stains(), stains(seed=5) // 2]
    fitted = fit_normalisation(volumes, method="zscore", each=True)
    assert fitted.distance(volumes[0] * 9) is None
    own = fitted.of(volumes[1])
    assert own == ChannelNormalisation(
        tuple(fit_normalisation([channel], method="zscore") for channel in volumes[1])
    )
    assert normalisation_from_plain(json.loads(json.dumps(fitted.as_plain()))) == fitted
