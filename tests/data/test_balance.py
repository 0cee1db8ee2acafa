"""Patches around rare objects and classes, and with several objects."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.data import LabelledVolume, PatchSampler
from objectwise.data.balance import Balance
from objectwise.errors import ArgumentError


def volume(labels, *, classes=None, name="v"):
    raw = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    return LabelledVolume(name, raw, labels, classes)


def large_and_small():
    """An object of most voxels, and one of a single voxel."""
    labels = np.zeros((1, 40, 50), np.int64)
    labels[:, :, :30] = 2**40
    labels[0, 20, 45] = 7
    return labels


def held(sampler, n=60):
    """The ids of the whole volume in each of the first patches."""
    labels = large_and_small()
    found = []
    for index in range(n):
        position = sampler.position(index)
        box = tuple(slice(a, a + b) for a, b in zip(position.corner, sampler._window, strict=True))
        found.append(set(np.unique(labels[box]).tolist()) - {0})
    return found


def test_small_objects_are_drawn_as_often_as_large_ones():
    sampler = PatchSampler([volume(large_and_small())], (6, 6), seed=0, balance=Balance("objects", share=1.0))
    found = held(sampler, 200)
    assert 60 < sum(7 in ids for ids in found) < 140
    rare = held(PatchSampler([volume(large_and_small())], (6, 6), seed=0), 200)
    assert sum(7 in ids for ids in rare) < 15


def test_a_share_of_the_patches_comes_from_anywhere():
    volumes = [volume(large_and_small())]
    half, none = (
        PatchSampler(volumes, (6, 6), seed=1, balance=Balance("objects", share=share)) for share in (0.5, 0.0)
    )
    assert held(none) == held(PatchSampler(volumes, (6, 6), seed=1))
    assert 0.1 < np.mean([not ids for ids in held(half)]) < 0.4


def test_rare_classes_are_drawn_as_often_as_common_ones():
    labels = np.ones((1, 40, 50), np.int64)
    classes = np.ones((1, 40, 50), np.uint8)
    classes[0, 5, 5] = 3
    sampler = PatchSampler(
        [volume(labels, classes=classes)], (6, 6), seed=0, balance=Balance("classes", share=1.0)
    )
    patches = [sampler[index].truth["classes"] for index in range(100)]
    assert 30 < sum((patch == 3).any() for patch in patches) < 70


def test_patches_hold_as_many_objects_of_a_size_as_asked_for():
    labels = np.zeros((1, 30, 30), np.int64)
    labels[0, :, :15], labels[0, :, 16:] = 1, 2
    rule = Balance(minimum_objects=2, minimum_object_size=20)
    sampler = PatchSampler([volume(labels)], (10, 10), seed=0, balance=rule)
    for index in range(40):
        sizes = np.bincount(sampler[index].labels.ravel())[1:]
        assert np.count_nonzero(sizes >= 20) == 2


def test_a_rule_that_no_patch_meets_ends_with_the_fullest():
    labels = np.zeros((1, 30, 30), np.int64)
    labels[0, 4:8, 4:8] = 5
    sampler = PatchSampler([volume(labels)], (8, 8), seed=0, balance=Balance(minimum_objects=3))
    assert np.mean([(sampler[index].labels == 1).any() for index in range(20)]) > 0.9


def test_patches_follow_from_seed_and_number_alone():
    volumes = [volume(large_and_small()), volume(large_and_small() * 2, name="w")]
    first, second = (PatchSampler(volumes, (6, 6), seed=3, balance=Balance("objects")) for _ in range(2))
    assert [first.position(i) for i in (9, 2)] == [second.position(i) for i in (9, 2)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"around": "edges"}, "`around` must be one of"),
        ({"share": 2}, "`share` must be in 0..1"),
        ({"minimum_objects": -1}, "`minimum_objects`"),
        ({"minimum_object_size": 0}, "`minimum_object_size`"),
    ],
)
def test_bad_rules_are_refused(options, words):
    with pytest.raises(ArgumentError, match=words):
        Balance(**options)


def test_nothing_to_balance_is_refused():
    empty = volume(np.zeros((1, 9, 9), int))
    with pytest.raises(ArgumentError, match="must find objects"):
        PatchSampler([empty], (4, 4), seed=0, balance=Balance("objects"))
    with pytest.raises(ArgumentError, match="needs classes of every volume, got none of v"):
        PatchSampler([empty], (4, 4), seed=0, balance=Balance("classes"))
