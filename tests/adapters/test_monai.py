from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import CastToTyped, Compose, RandFlipd, RandSpatialCropd

from objectwise import maps
from objectwise.adapters.monai import RegionMapd
from objectwise.errors import ArgumentError, DtypeError

LABELS = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (1, 6, 7, 8)))
AFFINE = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0]))


def test_map_stands_beside_the_labels():
    sample = {"label": LABELS, "image": 1}
    found = RegionMapd("label", n_classes=3)(sample)
    assert list(sample) == ["label", "image"]
    assert torch.equal(found["label_map"], maps.rectified_region_wise_map(LABELS, 3, spatial_dims=3))


@pytest.mark.parametrize("spacing", [(1, 2, 3), np.array([1.0, 2.0, 3.0])])
def test_function_spacing_and_options_are_passed_on(spacing):
    transform = RegionMapd("label", maps.hausdorff_map, n_classes=3, postfix="h", spacing=spacing, alpha=1)
    expected = maps.hausdorff_map(LABELS, 3, spatial_dims=3, spacing=(1, 2, 3), alpha=1)
    assert torch.equal(transform({"label": LABELS})["label_h"], expected)


def test_pixdim_is_the_spacing_of_the_label_image():
    labels = MetaTensor(LABELS, affine=AFFINE)
    found = RegionMapd("label", maps.signed_distance_map, n_classes=3, spacing="pixdim")({"label": labels})
    expected = maps.signed_distance_map(LABELS, 3, spatial_dims=3, spacing=(1, 2, 3))
    assert torch.equal(found["label_map"].as_tensor(), expected)
    assert torch.equal(found["label_map"].affine, labels.affine)


def test_crops_and_flips_after_it_treat_labels_and_map_alike(tmp_path):
    keys = ["label", "label_map"]
    chain = Compose(
        [
            CastToTyped("label", torch.uint8),
            RegionMapd("label", n_classes=3, cache_dir=tmp_path),
            RandFlipd(keys, prob=1.0, spatial_axis=1),
            RandSpatialCropd(keys, roi_size=(4, 4, 4), random_size=False),
        ]
    )
    chain.set_random_state(0)
    for _ in range(3):
        item = chain({"label": MetaTensor(LABELS.float(), affine=AFFINE)})
        whole = maps.rectified_region_wise_map(LABELS.flip(2), 3, spatial_dims=3)
        windows = whole.unfold(1, 4, 1).unfold(2, 4, 1).unfold(3, 4, 1)
        same = (windows == item["label_map"].as_tensor()[:, None, None, None]).all(0)
        assert same.flatten(3).all(3).any()
        inside = item["label_map"].as_tensor() < 0
        assert torch.equal(inside.long().argmax(0, keepdim=True), item["label"].as_tensor().long())
    assert len(list(tmp_path.iterdir())) == 1


def test_numpy_and_one_hot_labels_serve():
    one_hot = np.moveaxis(np.eye(3)[LABELS[0].numpy()], -1, 0)
    found = RegionMapd("label")({"label": one_hot})["label_map"]
    np.testing.assert_array_equal(found, maps.rectified_region_wise_map(one_hot, spatial_dims=3))


def test_bad_samples_are_named():
    with pytest.raises(
        DtypeError, match=r"`labels` must hold integer.*put CastToTyped\('label', torch.uint8\)"
    ):
        RegionMapd("label", n_classes=3)({"label": LABELS.float()})
    with pytest.raises(ArgumentError, match="`spacing` must be numbers for `label` without meta data"):
        RegionMapd("label", n_classes=3, spacing="pixdim")({"label": LABELS})
    with pytest.raises(ArgumentError, match="`spacing` must be numbers, 'pixdim' or None, got 'mm'"):
        RegionMapd("label", n_classes=3, spacing="mm")
    with pytest.raises(KeyError):
        RegionMapd("mask", n_classes=3)({"label": LABELS})
    assert RegionMapd("mask", n_classes=3, allow_missing_keys=True)({"label": 1}) == {"label": 1}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"spacing": 3.0}, ArgumentError, "`spacing` must be numbers, 'pixdim' or None, got 3.0"),
        ({"alpha": 1}, ArgumentError, "`options` must be among .* got 'alpha'"),
        ({"spacing": (-1, 2, 3)}, ArgumentError, "`spacing` must be positive and finite, got"),
        ({"postfix": 3}, DtypeError, "`postfix` must be a word, got 3"),
        (
            {"function": lambda labels, n_classes: labels, "cache_dir": "maps"},
            ArgumentError,
            "`function` must be defined by name in a module",
        ),
        ({"spatial_dims": 2}, ArgumentError, "`options` must be among .* got 'spatial_dims'"),
        ({"function": maps.active_contour_map, "spacing": (1, 1, 1)}, ArgumentError, ".* got 'spacing'"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        RegionMapd("label", n_classes=3, **options)


def test_a_map_does_not_take_the_place_of_something_else():
    with pytest.raises(ArgumentError, match="`postfix` must make a new key of a sample, got 'label_map'"):
        RegionMapd("label", n_classes=3)({"label": LABELS, "label_map": 1})


def test_without_monai_the_extra_is_named():
    code = (
        "import sys; sys.modules['monai'] = None\n"
        "try: import objectwise.adapters.monai\n"
        "except ImportError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "`objectwise.adapters.monai` needs the package monai" in shown.stdout
