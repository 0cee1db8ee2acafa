"""A run so small that it trains in a second: cells with dark borders, two levels, a dozen steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from objectwise.config import RunConfig, load_config
from objectwise.data import write_volume


def cells(shape: tuple[int, ...], *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw and labels of the cells around random points, 0 between them."""
    random = np.random.default_rng(seed)
    points = random.random((12, len(shape))) * shape
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    distances = np.linalg.norm(grid[..., None, :] - points, axis=-1)
    nearest, second = np.sort(distances, axis=-1)[..., :2].transpose(-1, *range(len(shape)))
    border = second - nearest < 2
    labels = np.where(border, 0, distances.argmin(axis=-1) + 1).astype(np.uint64)
    raw = np.where(border, 60, 180) + random.normal(0, 15, shape)
    return raw.clip(0, 255).astype(np.uint8), labels


def write_cells(folder: Path) -> None:
    """Write train.h5 and test.h5 in the CREMI layout."""
    for name, shape, seed in (("train", (10, 32, 32), 0), ("test", (8, 32, 24), 1)):
        raw, labels = cells(shape, seed=seed)
        for place, array in (("raw", raw), ("labels/neuron_ids", labels)):
            write_volume(f"{folder}/{name}.h5:volumes/{place}", array, voxel_size=(30, 6, 6))


def tiny_tree(folder: Path) -> dict[str, Any]:
    """Return the configuration as plain data."""

    def volume(name: str) -> dict[str, str]:
        file = folder / f"{name}.h5"
        return {"name": name, "raw": f"{file}:volumes/raw", "labels": f"{file}:volumes/labels/neuron_ids"}

    return {
        "data": {"train": [volume("train")], "evaluate": [volume("test")]},
        "network": {"features": [4, 8]},
        "training": {
            "patch_shape": [8, 16, 16],
            "steps": 12,
            "checkpoint_every": 3,
            "threads": 1,
            "loss": {"warmup_steps": 4},
        },
        "segmentation": {"candidates": [0.3, 0.5, 0.7]},
    }


def write_tiny(folder: Path) -> Path:
    """Write volumes and configuration; return the path of the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    write_cells(folder)
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny_tree(folder)))
    return file


def tiny_config(folder: Path, *overrides: str) -> RunConfig:
    """Write the files where they are missing, and load the configuration."""
    file = folder / "tiny.yaml"
    return load_config(file if file.exists() else write_tiny(folder), overrides)
