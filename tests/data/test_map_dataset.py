from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from objectwise.data import MapDataset
from objectwise.errors import ArgumentError
from objectwise.losses import RegionWiseLoss
from objectwise.maps import MapCache, active_contour_map, rectified_region_wise_map

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (5, 8, 9))
PAIRS = [(RNG.normal(size=(1, 8, 9)).astype(np.float32), labels) for labels in LABELS]
make_map = partial(rectified_region_wise_map, n_classes=3)


def test_samples_carry_the_map_of_their_labels():
    data = MapDataset(PAIRS, make_map)
    assert len(data) == 5
    image, labels, weight_map = data[3]
    assert image is PAIRS[3][0]
    np.testing.assert_array_equal(weight_map, rectified_region_wise_map(labels, 3))
    (last, own) = MapDataset([(LABELS[0],)], make_map, labels=-1)[0]
    np.testing.assert_array_equal(own, make_map(last))


def test_dictionaries_get_a_key_and_are_not_changed():
    samples = [{"image": image, "label": labels} for image, labels in PAIRS]
    item = MapDataset(samples, make_map, labels="label", name="map")[1]
    assert list(samples[1]) == ["image", "label"]
    np.testing.assert_array_equal(item["map"], make_map(LABELS[1]))


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_with_a_cache_gives_the_loss_on_the_fly(tmp_path, workers):
    cache = MapCache(tmp_path, rectified_region_wise_map, n_classes=3)
    loader = DataLoader(MapDataset(PAIRS, cache), batch_size=2, num_workers=workers)
    loss, torch_rng = RegionWiseLoss(), torch.Generator().manual_seed(0)
    for _ in range(2):
        for _, labels, weight_map in loader:
            logits = torch.randn(len(labels), 3, 8, 9, generator=torch_rng)
            assert torch.equal(loss(logits, labels), loss(logits, labels, weight_map=weight_map))
    assert len(list(tmp_path.iterdir())) == 5


def crop_and_flip(sample):
    return tuple(array[..., 1:6, :4][..., ::-1].copy() for array in sample)


def test_a_transform_sees_the_map_of_the_whole_image():
    _, labels, weight_map = MapDataset(PAIRS, make_map, transform=crop_and_flip)[2]
    np.testing.assert_array_equal(weight_map, make_map(LABELS[2])[:, 1:6, 3::-1])
    np.testing.assert_array_equal(labels, LABELS[2][1:6, 3::-1])
    # Without distances, it is also the map of the crop.
    own = MapDataset(PAIRS, partial(active_contour_map, n_classes=3), transform=crop_and_flip)[2]
    np.testing.assert_array_equal(own[2], active_contour_map(own[1], 3))


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (PAIRS, {"labels": 2}, "`labels` must be a position in a sample of 2, got 2"),
        (PAIRS, {"labels": "label"}, "`labels` must be a position in a sample of 2, got 'label'"),
        ([{"a": 1}], {"labels": "b"}, r"`labels` must be a key of a sample \['a'\], got 'b'"),
        ([{"a": LABELS[0]}], {"labels": "a", "name": "a"}, "`name` must be a new key of a sample, got 'a'"),
        ([LABELS[0]], {}, "`dataset` must have dictionaries or sequences as samples, got ndarray"),
    ],
)
def test_bad_samples_are_named(dataset, options, message):
    with pytest.raises(ArgumentError, match=message):
        MapDataset(dataset, make_map, **options)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"make_map": 3}, "`make_map` must be a function of labels, got 3"),
        ({"transform": "flip"}, "`transform` must be a function of a sample, got 'flip'"),
        ({"labels": True}, "`labels` must be a key or a position, got True"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        MapDataset(PAIRS, **{"make_map": make_map, **options})
