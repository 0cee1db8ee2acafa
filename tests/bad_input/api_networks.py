"""Networks, patches, phantoms, predictions, and the names of older packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from objectwise import AffinityUNet, lesion_phantom, neuropil_phantom
from objectwise.compat import instance_loss as published
from objectwise.data import (
    LabelledVolume,
    PatchAugmentation,
    PatchSampler,
    Volume,
    fit_normalisation,
    normalise_raw,
)
from objectwise.errors import CheckpointError, DtypeError, ObjectwiseError, ShapeError
from objectwise.metrics import mask_scores
from objectwise.networks import load_network, save_network
from objectwise.networks.registry import build
from objectwise.pipeline import (
    find_device,
    predict_affinities,
    predict_probabilities,
    read_affinities,
    sweep_thresholds,
    write_affinities,
)
from objectwise.segmentation import objects_of_mask, objects_of_probabilities
from tests.bad_input.arrays import AFFINITIES, CLASSES, LABELS, MASK, OBJECT_SCORES, OFFSETS
from tests.bad_input.rows import Call

RAW = np.zeros((8, 16, 16), np.uint8)
DEEP = np.where(np.arange(16) < 8, 1, 2) + np.zeros((8, 16, 16), np.int64)
VOLUMES = [LabelledVolume("a", RAW, DEEP)]


def network() -> AffinityUNet:
    """The smallest there is."""
    return AffinityUNet(3, 3, features=[2, 4])


def predict(**options: object) -> np.ndarray:
    """Predict with one option of another value."""
    given = {"raw": RAW, "window_shape": (8, 16, 16), "accelerator": "cpu"} | options
    return predict_affinities(network(), given.pop("raw"), **given)


def sweep(**options: object) -> object:
    """Try thresholds with one option of another value."""
    given = {
        "affinities": AFFINITIES,
        "truth": LABELS,
        "offsets": OFFSETS,
        "dimensions": 3,
        "candidates": [0.5],
    }
    return sweep_thresholds(**(given | options))


def dice(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Stand for a loss function."""
    return (prediction - target).abs().mean()


ROWS = [
    Call("U-Net: no output", lambda: AffinityUNet(3, 0), "`out_channels` must be"),
    Call("U-Net: output of a fraction", lambda: AffinityUNet(3, 2.5), "`out_channels` must be"),
    Call("U-Net: four dimensions", lambda: AffinityUNet(4, 3), "`dimensions` must be 2 or 3"),
    Call("U-Net: dimensions of a fraction", lambda: AffinityUNet(3.0, 3), "`dimensions` must be"),
    Call("U-Net: no input", lambda: AffinityUNet(3, 3, in_channels=0), "`in_channels` must be"),
    Call("U-Net: one level", lambda: AffinityUNet(3, 3, features=[4]), "`features` must"),
    Call("U-Net: features below 0", lambda: AffinityUNet(3, 3, features=[4, -8]), "`features` must"),
    Call("U-Net: features are a number", lambda: AffinityUNet(3, 3, features=8), "`features` must"),
    Call("U-Net: even kernel", lambda: AffinityUNet(3, 3, features=[2, 4], kernel_sizes=[[2, 3, 3], [3, 3, 3]]), "`kernel_sizes` must be odd"),
    Call("U-Net: a kernel too few", lambda: AffinityUNet(3, 3, features=[2, 4], kernel_sizes=[[3, 3, 3]]), "`kernel_sizes` must"),
    Call("U-Net: strides of 0", lambda: AffinityUNet(3, 3, features=[2, 4], strides=[[0, 1, 1]]), "`strides` must"),
    Call("U-Net: flat strides", lambda: AffinityUNet(3, 3, features=[2, 4], strides=[[2, 2]]), "`strides` must"),
    Call("U-Net: input that strides do not divide", lambda: network()(torch.zeros(1, 1, 7, 16, 16)), "total stride", ShapeError),
    Call("U-Net: input of integers", lambda: network()(torch.zeros(1, 1, 8, 16, 16, dtype=torch.int64)), "must be", DtypeError),
    Call("U-Net: input of two channels", lambda: network()(torch.zeros(1, 2, 8, 16, 16)), "`raw` must have shape (n, 1, z, y, x)", ShapeError),
    Call("network: no such file", lambda: load_network("nowhere.pt"), "nowhere.pt must exist", CheckpointError),
    Call("network: a folder", lambda: load_network("."), "must", CheckpointError),
    Call("network: another module to save", lambda: save_network(Path("never.pt"), nn.Linear(1, 1)), "`network` must be", ObjectwiseError),
    Call("network: no such name", lambda: build("vnet", dimensions=3, in_channels=1, out_channels=1, options={}), "`network` must be one of unet, mala,"),
    Call("network: an option of another", lambda: build("mala", dimensions=3, in_channels=1, out_channels=1, options={"depth": 2}), "`network.options` must be among"),
    Call("network: options with code", lambda: build("mala", dimensions=3, in_channels=1, out_channels=1, options={"features": print}), "`network.options` must be text, numbers"),
    Call("network: more levels than any memory", lambda: build("plain_unet", dimensions=2, in_channels=1, out_channels=1, options={"depth": 10**12}), "`depth` and `width_factor` must"),
    Call("network: other channels than the image", lambda: predict_probabilities(network(), np.ones((2, 8, 16, 16), np.uint8), window_shape=(8, 16, 16)), "`raw` must have 1 channel(s)", ShapeError),
    Call("prediction: raw of four axes", lambda: predict(raw=RAW[None, None]), "`raw` must", ShapeError),
    Call("prediction: raw of NaN", lambda: predict(raw=np.full(RAW.shape, np.nan, np.float32)), "must be finite, got nan"),
    Call("prediction: raw is a list", lambda: predict(raw=RAW.tolist()), "`raw` must be a numpy array, got list", DtypeError),
    Call("prediction: complex raw", lambda: predict(raw=RAW.astype(complex)), "`raw` must", DtypeError),
    Call("prediction: masked raw", lambda: predict(raw=np.ma.masked_equal(RAW, 1)), "mask", DtypeError),
    Call("prediction: flat window", lambda: predict(window_shape=(16, 16)), "must have 3 spatial axes", ShapeError),
    Call("prediction: window that strides do not divide", lambda: predict(window_shape=(7, 16, 16)), "total stride", ShapeError),
    Call("prediction: overlap of 1", lambda: predict(overlap=1.0), "`overlap` must be"),
    Call("prediction: overlap is a word", lambda: predict(overlap="0.5"), "`overlap` must be"),
    Call("prediction: batch of 0", lambda: predict(batch_size=0), "`batch_size` must be"),
    Call("prediction: batch of a fraction", lambda: predict(batch_size=1.5), "`batch_size` must be"),
    Call("prediction: unknown accelerator", lambda: find_device("tpu"), "`accelerator` must be one of"),
    Call("sweep: no thresholds", lambda: sweep(candidates=[]), "`candidates` must"),
    Call("sweep: threshold of NaN", lambda: sweep(candidates=[float("nan")]), "must", ObjectwiseError),
    Call("sweep: four dimensions", lambda: sweep(dimensions=4), "`dimensions` must be 2 or 3"),
    Call("sweep: truth of another shape", lambda: sweep(truth=LABELS[1:]), "shape", ShapeError),
    Call("affinities: written as TIFF", lambda: write_affinities("never.tif", AFFINITIES, OFFSETS), "must be an HDF5 data set", ObjectwiseError),
    Call("affinities: written with an offset too few", lambda: write_affinities("never.h5:a", AFFINITIES, OFFSETS[:2]), "`offsets` must", ShapeError),
    Call("affinities: written as integers", lambda: write_affinities("never.h5:a", AFFINITIES.astype(np.uint8), OFFSETS), "`affinities` must be", DtypeError),
    Call("affinities: read from nowhere", lambda: read_affinities("nowhere.h5:a"), "must exist", ObjectwiseError),
    Call("patches: of no volumes", lambda: PatchSampler([], (4, 8, 8), seed=0), "`volumes` must"),
    Call("patches: larger than a volume", lambda: PatchSampler(VOLUMES, (9, 8, 8), seed=0), "`patch_shape` must", ObjectwiseError),
    Call("patches: of no voxels", lambda: PatchSampler(VOLUMES, (0, 8, 8), seed=0), "`patch_shape` must", ObjectwiseError),
    Call("patches: more foreground than there is", lambda: PatchSampler(VOLUMES, (4, 8, 8), seed=0, minimum_foreground=1.5), "`minimum_foreground` must be"),
    Call("patches: seed below 0", lambda: PatchSampler(VOLUMES, (4, 8, 8), seed=-1), "`seed` must be"),
    Call("patches: raw and labels that do not fit", lambda: PatchSampler([LabelledVolume("a", RAW, DEEP[1:])], (4, 8, 8), seed=0), "shape", ShapeError),
    Call("patches: float labels", lambda: PatchSampler([LabelledVolume("a", RAW, DEEP.astype(float))], (4, 8, 8), seed=0), "must hold integer ids", DtypeError),
    Call("augmentation: share above 1", lambda: PatchAugmentation(3, flip=1.5), "`flip` must"),
    Call("augmentation: share of NaN", lambda: PatchAugmentation(3, elastic=float("nan")), "`elastic` must"),
    Call("augmentation: share is a word", lambda: PatchAugmentation(3, rotate="0.5"), "`rotate` must"),
    Call("augmentation: four dimensions", lambda: PatchAugmentation(4), "`dimensions` must be 2 or 3"),
    Call("intensity: range that descends", lambda: normalise_raw(RAW, (200.0, 10.0)), "`intensity_range` must"),
    Call("intensity: range of NaN", lambda: normalise_raw(RAW, (float("nan"), 1.0)), "`intensity_range` must"),
    Call("intensity: unknown method", lambda: fit_normalisation([RAW], method="median"), "`method` must be one of"),
    Call("intensity: percentiles above 100", lambda: fit_normalisation([RAW], method="percentiles", percentiles=(1.0, 101.0)), "`percentiles` must"),
    Call("intensity: of no volumes", lambda: fit_normalisation([]), "`volumes` must"),
    Call("volume: voxel size of 0", lambda: Volume(RAW, voxel_size=(0, 1, 1)), "`voxel_size` must be positive"),
    Call("neuropil: one axis", lambda: neuropil_phantom((16,)), "`shape` must", ObjectwiseError),
    Call("neuropil: of no voxels", lambda: neuropil_phantom((0, 16, 16)), "`shape` must", ObjectwiseError),
    Call("neuropil: cells of no size", lambda: neuropil_phantom((8, 16, 16), cell_size=0), "`cell_size` must"),
    Call("neuropil: seed below 0", lambda: neuropil_phantom((8, 16, 16), seed=-1), "`seed` must"),
    Call("lesions: smallest above largest", lambda: lesion_phantom((16, 16, 16), smallest=50, largest=5), "`largest` must not be below `smallest` (50), got 5"),
    Call("lesions: share above 1", lambda: lesion_phantom((16, 16, 16), fraction=1.5), "`fraction` must"),
    Call("objects of a mask: of integers", lambda: objects_of_mask(LABELS), "`mask` must be a numpy array of bool", DtypeError),
    Call("objects of a mask: connectivity of 7", lambda: objects_of_mask(MASK, connectivity=7), "`connectivity` must be"),
    Call("objects of probabilities: threshold of 2", lambda: objects_of_probabilities(AFFINITIES[0], threshold=2.0), "`threshold` must"),
    Call("objects of probabilities: above 1", lambda: objects_of_probabilities(AFFINITIES[0] * 9, threshold=0.5), "`probabilities` must"),
    Call("mask scores: of integers", lambda: mask_scores(truth=LABELS, segmentation=MASK), "`truth` must be", DtypeError),
    Call("mask scores: tolerance below 0", lambda: mask_scores(truth=MASK, segmentation=MASK, tolerance=-1.0), "`tolerance` must"),
    Call("published: loss that is none", lambda: published.InstanceLoss("dice", dice, dice), "`loss_function_pixel` must be"),
    Call("published: unknown activation", lambda: published.InstanceLoss(dice, dice, dice, activation="relu"), "`activation` must be one of"),
    Call("published: no output channel", lambda: published.InstanceLoss(dice, dice, dice, num_out_chn=0), "`num_out_chn` must be"),
    Call("published: prediction of NaN", lambda: published.InstanceLoss(dice, dice, dice, spatial_dims=2)(OBJECT_SCORES * float("nan"), CLASSES), "must be finite"),
]  # fmt: skip
