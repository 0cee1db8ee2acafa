"""Folders of tiny images with their truth, as labs have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from objectwise.data import write_volume
from tests.workflow.tiny import cells

LESIONS = {"name": "Dataset", "labels": {"background": 0, "lesion": 1, "ignore": 2}, "file_ending": ".nii.gz"}


def nuclei(shape, *, seed):
    """Bright balls apart from each other, and their ids."""
    _, labels = cells(shape, seed=seed)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    ids = np.zeros(shape, dtype=np.uint16)
    for number in np.unique(labels[labels > 0]):
        middle = grid[labels == number].mean(0)
        ids[(labels == number) & (np.linalg.norm(grid - middle, axis=-1) < 2.5)] = number
    raw = np.where(ids > 0, 180, 60) + np.random.default_rng(seed).normal(0, 10, shape)
    return raw.clip(0, 255).astype(np.uint8), ids


def write_pngs(folder: Path, n_cases: int = 4) -> Path:
    """images/*.png and masks/*_mask.png: masks of 0 and 255."""
    for place in ("images", "masks"):
        (folder / place).mkdir(parents=True)
    for case in range(n_cases):
        raw, ids = nuclei((40, 48), seed=case)
        write_volume(folder / "images" / f"cell {case}.png", raw)
        write_volume(folder / "masks" / f"cell {case}_mask.png", np.where(ids > 0, 255, 0).astype(np.uint8))
    return folder


def write_niftis(folder: Path, n_cases: int = 4) -> Path:
    """CASE.nii.gz and CASE_ids.nii.gz, thick sections."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in range(n_cases):
        raw, ids = nuclei((12, 24, 24), seed=case)
        for name, array in ((f"case{case}", raw.astype(np.int16)), (f"case{case}_ids", ids)):
            write_volume(folder / f"{name}.nii.gz", array, voxel_size=(5, 1, 1))
    return folder


def write_nnunet(folder: Path, n_cases: int = 4) -> Path:
    """Two channels, a lesion, and a corner of unknown truth."""
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir(parents=True)
    for case in range(n_cases):
        raw, ids = nuclei((12, 24, 24), seed=case)
        labels = (ids > 0).astype(np.uint8)
        labels[:, :3, :3] = 2
        for channel in range(2):
            write_volume(
                folder / "imagesTr" / f"c_{case}_000{channel}.nii.gz", raw.astype(np.int16) + channel
            )
        write_volume(folder / "labelsTr" / f"c_{case}.nii.gz", labels)
    text = json.dumps(LESIONS | {"channel_names": {"0": "T1", "1": "FLAIR"}})
    (folder / "dataset.json").write_text(text)
    return folder


def write_container(file: Path, shape=(20, 32, 32), *, voxel_size=(30, 6, 6)) -> Path:
    """Cells that fill the image, in one HDF5 file."""
    raw, labels = cells(shape, seed=0)
    write_volume(f"{file}:volumes/raw", raw, voxel_size=voxel_size)
    write_volume(f"{file}:volumes/labels/neuron_ids", labels, voxel_size=voxel_size)
    return file
