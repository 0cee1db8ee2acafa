from __future__ import annotations

import pickle

import numpy as np
import pytest

from objectwise.data import LabelledVolume, Patch, PatchAugmentation, PatchSampler, compact_labels
from objectwise.data.augmentation import Magnitudes
from objectwise.data.defects import Defects
from objectwise.errors import ArgumentError

NOTHING = {"flip": 0.0, "rotate": 0.0, "elastic": 0.0, "intensity": 0.0, "missing_section": 0.0}
SHAPES = [(32, 32), (24, 40), (3, 32, 32), (3, 24, 40)]


def blocks(shape, base=0):
    """Squares of 8 voxels, each an object of its own, and raw that says which: raw = rank of the id."""
    grid = np.indices(shape)
    rank = grid[-1] // 8 + 5 * (grid[-2] // 8) + (25 * grid[0] if len(shape) == 3 else 0)
    labels = np.where(rank > 0, rank + base, 0).astype(np.int64)
    return Patch((rank[None] / 100).astype(np.float32), {"labels": labels})


def only(dimensions, **probability):
    return PatchAugmentation(dimensions, **{**NOTHING, **probability})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("base", [0, 2**24, 2**31])
@pytest.mark.parametrize("name", ["flip", "rotate", "elastic", "intensity", "missing_section", "all"])
def test_labels_stay_exact_under_every_augmentation(shape, base, name):
    if name == "missing_section" and len(shape) == 2:
        pytest.skip("sections of single images cannot be missing")
    probabilities = dict.fromkeys(NOTHING, 1.0) if name == "all" else {name: 1.0}
    if len(shape) == 2:
        probabilities.pop("missing_section", None)
    patch = blocks(shape, base)
    changed = only(len(shape), **probabilities)(patch, 5)
    assert changed.labels.dtype == np.int64
    assert changed.labels.shape == shape
    assert changed.raw.shape == (1, *shape)
    assert changed.raw.dtype == np.float32
    # The same partition whatever the ids, and no id that was not there.
    small = only(len(shape), **probabilities)(blocks(shape), 5)
    np.testing.assert_array_equal(compact_labels(changed.labels), compact_labels(small.labels))
    assert set(np.unique(small.labels)) <= set(np.unique(blocks(shape).labels))
    assert changed.labels.max() <= changed.labels.size


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["flip", "rotate", "elastic"])
def test_raw_and_labels_move_together(shape, name):
    patch = blocks(shape)
    changed = only(len(shape), **{name: 1.0})(patch, 2)
    assert not np.array_equal(changed.labels, patch.labels)
    error = np.abs(changed.raw[0] * 100 - changed.labels)
    # Linear interpolation mixes neighbours at the borders of objects; elsewhere raw still names the object.
    assert (error < 1e-3).mean() > (0.6 if name == "elastic" else 0.9999)


@pytest.mark.parametrize("name", ["flip", "rotate"])
def test_flips_and_turns_only_move_voxels(name):
    patch = blocks((32, 32))
    for seed in range(8):
        changed = only(2, **{name: 1.0})(patch, seed)
        np.testing.assert_array_equal(np.sort(changed.raw.ravel()), np.sort(patch.raw.ravel()))
        np.testing.assert_array_equal(np.sort(changed.labels.ravel()), np.sort(patch.labels.ravel()))


def test_planes_that_are_not_square_turn_by_half():
    patch = blocks((24, 40))
    np.testing.assert_array_equal(only(2, rotate=1.0)(patch, 0).labels, patch.labels[::-1, ::-1])


@pytest.mark.parametrize("name", ["rotate", "elastic"])
def test_turning_and_bending_stay_in_the_section(name):
    labels = np.repeat(np.arange(1, 5), 24 * 24).reshape(4, 24, 24)
    patch = Patch(np.full((1, 4, 24, 24), 0.5, np.float32), {"labels": labels})
    np.testing.assert_array_equal(only(3, **{name: 1.0})(patch, 1).labels, labels)


def test_elastic_bends_all_sections_alike():
    section = blocks((32, 32))
    patch = Patch(np.stack([section.raw] * 3, axis=1), {"labels": np.stack([section.labels] * 3)})
    labels = only(3, elastic=1.0)(patch, 1).labels
    assert (labels == labels[:1]).all()


def test_intensity_changes_raw_alone_and_within_its_range():
    patch = blocks((32, 32))
    changed = only(2, intensity=1.0)(patch, 1)
    np.testing.assert_array_equal(changed.labels, patch.labels)
    assert np.abs(changed.raw - patch.raw).mean() > 0.01
    assert changed.raw.min() >= 0
    assert changed.raw.max() <= 1


def test_missing_sections_are_black_and_keep_their_labels():
    patch = blocks((8, 16, 16))._replace(raw=np.full((1, 8, 16, 16), 0.5, np.float32))
    counts = []
    for seed in range(20):
        changed = only(3, missing_section=0.3)(patch, seed)
        values = [set(np.unique(section)) for section in changed.raw[0]]
        assert all(value in ({0.0}, {0.5}) for value in values)
        counts.append(values.count({0.0}))
        np.testing.assert_array_equal(changed.labels, patch.labels)
    assert 0.15 < np.mean(counts) / 8 < 0.45


def test_probability_zero_changes_nothing():
    patch = blocks((3, 16, 16))
    changed = only(3)(patch, 9)
    np.testing.assert_array_equal(changed.raw, patch.raw)
    np.testing.assert_array_equal(changed.labels, patch.labels)


@pytest.mark.parametrize("name", ["flip", "rotate", "elastic", "intensity"])
def test_probability_is_how_often_an_augmentation_comes(name):
    patch = blocks((16, 16))
    transform = only(2, **{name: 0.25})
    results = [transform(patch, seed) for seed in range(100)]
    changed = [
        not (np.array_equal(r.raw, patch.raw) and np.array_equal(r.labels, patch.labels)) for r in results
    ]
    draws = {"flip": 2, "intensity": 4}.get(name, 1)
    assert abs(np.mean(changed) - (1 - 0.75**draws)) < 0.15


def test_augmentation_depends_on_the_seed_alone():
    transform = PatchAugmentation(2, elastic=0.5)
    patch = blocks((32, 32))
    first = [transform(patch, seed) for seed in range(6)]
    copy = pickle.loads(pickle.dumps(transform))
    again = [copy(patch, seed) for seed in reversed(range(6))][::-1]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.raw, other.raw)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_augmentation_leaves_the_volume_alone():
    raw = np.random.default_rng(0).integers(0, 256, (3, 24, 24)).astype(np.uint8)
    labels = np.ones((3, 24, 24), np.uint8)
    before = raw.copy(), labels.copy()
    sampler = PatchSampler(
        [LabelledVolume("one", raw, labels)],
        (3, 24, 24),
        seed=0,
        augmentation=only(3, missing_section=1.0, flip=1.0),
    )
    assert not sampler[0].raw.any()
    np.testing.assert_array_equal(raw, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_augmentation_refuses_what_is_no_probability():
    with pytest.raises(ArgumentError, match=r"`elastic` must be a probability in 0..1, got 1.5"):
        PatchAugmentation(2, elastic=1.5)
    with pytest.raises(ArgumentError, match=r"`missing_section` must be 0 for 2-D patches"):
        PatchAugmentation(2, missing_section=0.1)


def test_all_channels_and_masks_move_along():
    labels = np.repeat(np.arange(24)[:, None], 24, 1)
    raw = np.stack([labels / 100, labels.T / 100]).astype(np.float32)
    truth = {
        "labels": labels,
        "classes": np.stack([labels > 5, labels.T > 5]).astype(np.uint8),
        "ignore": labels > 9,
    }
    augmentation = PatchAugmentation(2, flip=0.5, rotate=1.0, elastic=0.0, intensity=0.0)
    for seed in range(8):
        patch = augmentation(Patch(raw, truth), seed)
        ids = np.round(patch.raw[0] * 100).astype(int)
        np.testing.assert_array_equal(patch.labels, ids)
        np.testing.assert_array_equal(patch.truth["ignore"], ids > 9)
        np.testing.assert_array_equal(patch.truth["classes"][1], np.round(patch.raw[1] * 100) > 5)
        assert {name: part.dtype for name, part in patch.truth.items()} == {
            name: part.dtype for name, part in truth.items()
        }


def test_magnitudes_change_how_much():
    ramp = np.tile(np.linspace(0.2, 0.8, 16, dtype=np.float32), (1, 16, 1))
    patch = Patch(ramp, {"labels": np.ones((16, 16), np.int64)})
    options = {"flip": 0.0, "rotate": 0.0, "elastic": 0.0, "intensity": 1.0}

    def spread(**magnitudes):
        silent = {"brightness": 0.0, "contrast": 0.0, "gamma": (1.0, 1.0), "noise": 0.0}
        augmentation = PatchAugmentation(2, **options, magnitudes=Magnitudes(**(silent | magnitudes)))
        return np.mean([np.abs(augmentation(patch, seed).raw - ramp).mean() for seed in range(20)])

    assert spread() < 1e-6
    for small, large in (
        ({"brightness": 0.05}, {"brightness": 0.4}),
        ({"gamma": (0.9, 1.1)}, {"gamma": (0.3, 3.0)}),
        ({"noise": 0.01}, {"noise": 0.2}),
    ):
        assert 0 < spread(**small) < spread(**large)


def test_defects_come_after_all_else_and_leave_the_truth():
    patch = Patch(
        np.random.default_rng(0).random((1, 4, 16, 16)).astype(np.float32),
        {"labels": np.ones((4, 16, 16), np.int64)},
    )
    options = {"flip": 0.0, "rotate": 0.0, "elastic": 0.0, "intensity": 0.0}
    damaged = PatchAugmentation(3, **options, defects=Defects(blurred=1.0))(patch, 3)
    assert damaged.raw.std() < 0.7 * patch.raw.std()
    np.testing.assert_array_equal(damaged.labels, patch.labels)


@pytest.mark.parametrize(
    "magnitudes",
    [
        {"elastic_spacing": 1},
        {"elastic": (5.0, 1.0)},
        {"elastic": (1.0, 30.0)},
        {"gamma": (-1.0, 1.0)},
        {"noise": -0.1},
    ],
)
def test_bad_magnitudes_are_refused_by_name(magnitudes):
    (name,) = magnitudes
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        Magnitudes(**magnitudes)
