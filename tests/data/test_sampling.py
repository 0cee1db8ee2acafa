from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.utils.data import DataLoader

from objectwise.data import LabelledVolume, PatchSampler, compact_labels, fit_normalisation
from objectwise.data.sampling import largest_foreground
from objectwise.errors import ArgumentError, DtypeError, ShapeError


def volume(name="one", shape=(4, 20, 24), seed=0, dtype=np.uint64):
    generator = np.random.default_rng(seed)
    return LabelledVolume(
        name,
        generator.integers(0, 256, shape).astype(np.uint8),
        generator.integers(0, 9, shape).astype(dtype),
    )


def same(first, second):
    return np.array_equal(first.raw, second.raw) and np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("patch_shape", [(8, 6), (2, 8, 6)])
def test_patch_is_the_window_at_its_position(patch_shape):
    volumes = [volume(), volume("two", (3, 9, 50), seed=1)]
    sampler = PatchSampler(volumes, patch_shape, seed=3)
    window = (1,) * (3 - len(patch_shape)) + patch_shape
    for index in range(20):
        number, corner = sampler.position(index)
        box = tuple(slice(start, start + length) for start, length in zip(corner, window, strict=True))
        patch = sampler[index]
        assert patch.raw.shape == (1, *patch_shape)
        assert patch.labels.shape == patch_shape
        assert patch.labels.dtype == np.int64
        np.testing.assert_allclose(
            patch.raw[0], volumes[number].raw[box].reshape(patch_shape) / 255, rtol=1e-6
        )
        np.testing.assert_array_equal(
            patch.labels, compact_labels(volumes[number].labels[box].reshape(patch_shape))
        )


def test_patch_depends_on_seed_and_number_alone():
    sampler = PatchSampler([volume()], (8, 8), seed=3, minimum_foreground=0.5)
    forward = [sampler[index] for index in range(6)]
    again = PatchSampler([volume()], (8, 8), seed=3, minimum_foreground=0.5)
    backward = [again[index] for index in reversed(range(6))][::-1]
    assert all(same(*pair) for pair in zip(forward, backward, strict=True))
    other = PatchSampler([volume()], (8, 8), seed=4)
    assert any(sampler.position(index) != other.position(index) for index in range(6))
    assert len({sampler.position(index) for index in range(6)}) > 1


def test_patches_do_not_depend_on_the_number_of_workers():
    sampler = PatchSampler([volume()], (8, 8), seed=3, augmentation=add_seed)
    alone, shared = (
        list(DataLoader(sampler, batch_size=2, sampler=range(6), num_workers=workers)) for workers in (0, 2)
    )
    assert all(same(*pair) for pair in zip(alone, shared, strict=True))


def add_seed(patch, seed):
    return patch._replace(raw=patch.raw + np.float32(seed))


def test_augmentation_gets_one_seed_per_patch():
    plain = PatchSampler([volume()], (8, 8), seed=3)
    changed = PatchSampler([volume()], (8, 8), seed=3, augmentation=add_seed)
    steps = {float((changed[index].raw - plain[index].raw).max()) for index in range(5)}
    assert len(steps) == 5


def test_large_volumes_give_more_patches():
    sampler = PatchSampler([volume(shape=(2, 8, 8)), volume("two", (2, 8, 25))], (8, 8), seed=0)
    counts = np.bincount([sampler.position(index).volume for index in range(950)])
    assert abs(counts[0] - 50) < 25  # 2 positions of 38


def test_patches_with_few_labels_are_drawn_again():
    labels = np.zeros((1, 40, 40), np.int64)
    labels[:, :20] = 1
    sampler = PatchSampler(
        [LabelledVolume("half", np.zeros((1, 40, 40), np.uint8), labels)],
        (8, 8),
        seed=0,
        minimum_foreground=0.9,
    )
    assert min((sampler[index].labels > 0).mean() for index in range(50)) >= 0.9


def test_fullest_patch_is_taken_where_tries_run_out():
    labels = np.zeros((1, 200, 200), np.int64)
    labels[0, 100, 100] = 1
    sampler = PatchSampler(
        [LabelledVolume("lone", np.zeros((1, 200, 200), np.uint8), labels)],
        (2, 2),
        seed=0,
        minimum_foreground=0.2,
    )
    assert all(sampler[index].labels.sum() in (0, 1) for index in range(5))


def test_volume_without_a_patch_full_enough_is_an_error_before_training():
    empty = volume("empty")._replace(labels=np.zeros((4, 20, 24), np.int64))
    with pytest.raises(
        ArgumentError, match=r"`minimum_foreground` must be reached .* fullest patch of empty has 0"
    ):
        PatchSampler([volume(), empty], (8, 8), seed=0, minimum_foreground=0.05)


@given(
    npst.arrays(np.int64, (3, 5, 4), elements=st.integers(0, 1)),
    st.tuples(*map(st.integers, (1,) * 3, (3, 5, 4))),
)
def test_largest_foreground_equals_that_of_all_windows(labels, window):
    views = np.lib.stride_tricks.sliding_window_view(labels, window)
    assert largest_foreground(labels, window) == pytest.approx(views.mean(axis=(3, 4, 5)).max())


def test_images_are_stacks_of_one_section():
    image = LabelledVolume("image", np.zeros((9, 9), np.uint8), np.ones((9, 9), np.uint8))
    assert PatchSampler([image], (8, 8), seed=0)[0].labels.shape == (8, 8)


def test_volumes_that_do_not_fit_are_named():
    with pytest.raises(
        ShapeError, match=r"`patch_shape` must fit in every volume, got \(8, 30\) for one of shape"
    ):
        PatchSampler([volume()], (8, 30), seed=0)
    with pytest.raises(ShapeError, match=r"`raw of one` and `labels of one` must have the same shape"):
        PatchSampler([volume()._replace(labels=np.zeros((4, 20, 23), np.int64))], (8, 8), seed=0)
    with pytest.raises(DtypeError, match=r"`labels of one` must hold integer ids"):
        PatchSampler([volume()._replace(labels=np.zeros((4, 20, 24)))], (8, 8), seed=0)
    with pytest.raises(ShapeError, match=r"`raw of one` must have the axes z, y, x"):
        PatchSampler([volume(shape=(20, 24))], (2, 8, 8), seed=0)
    with pytest.raises(ArgumentError, match=r"`volumes` must hold at least one"):
        PatchSampler([], (8, 8), seed=0)


@pytest.mark.parametrize("base", [0, 2**24, 2**31, 2**53, 2**63])
def test_compact_labels_keep_neighbouring_large_ids_apart(base):
    labels = np.array([[0, base + 1, base + 2], [base + 1, 0, base + 3]], np.uint64)
    np.testing.assert_array_equal(compact_labels(labels), [[0, 1, 2], [1, 0, 3]])
    np.testing.assert_array_equal(compact_labels(labels[:, 1:2] + np.uint64(7)), [[2], [1]])


def test_all_volumes_are_normalised_by_one_range():
    shape = (4, 16, 16)
    dark, bright = (
        volume(str(level), shape)._replace(raw=np.full(shape, level, np.uint16)) for level in (100, 300)
    )
    sampler = PatchSampler([dark, bright], (8, 8), seed=0)
    found = {sampler.position(index).volume: set(sampler[index].raw.ravel().tolist()) for index in range(20)}
    assert found == {0: {0.0}, 1: {1.0}}


def test_augmentation_meets_raw_in_0_to_1_and_the_network_its_normalisation():
    met = []

    def look(patch, seed):
        met.append(patch.raw)
        return patch

    raw = np.random.default_rng(0).normal(50, 9, (1, 16, 16))
    zscore = fit_normalisation([raw], method="zscore")
    sampler = PatchSampler(
        [volume(shape=raw.shape)._replace(raw=raw)], (16, 16), seed=0, augmentation=look, normalisation=zscore
    )
    patch = sampler[0]
    assert (met[0].min(), met[0].max()) == (0, 1)
    np.testing.assert_array_equal(patch.raw, zscore.finished(met[0]))
    assert sampler.normalisation is zscore
