"""A configuration and volumes that train in a second."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from objectwise.config.models import RunConfig
from objectwise.data import LabelledVolume


def toy_config(*, dimensions: int = 2, top: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    patch = [8, 8] if dimensions == 2 else [4, 8, 8]
    return RunConfig.model_validate_json(
        json.dumps(
            {
                "data": {"train": [{"name": "toy", "raw": "toy.h5:raw", "labels": "toy.h5:labels"}]},
                "dimensions": dimensions,
                "seed": 7,
                "network": {"features": [4, 8]},
                "training": {
                    "steps": 7,
                    "batch_size": 2,
                    "patch_shape": patch,
                    "checkpoint_every": 3,
                    "threads": 1,
                    "accelerator": "cpu",
                    "loss": {"name": "bce+malis", "warmup_steps": 4},
                    **training,
                },
                **(top or {}),
            }
        )
    )


def two_objects(shape: tuple[int, int, int] = (4, 16, 16)) -> LabelledVolume:
    """Two bright slabs and a dark membrane between them, with noise."""
    labels = np.zeros(shape, np.uint64)
    middle = shape[2] // 2
    labels[:, :, : middle - 1], labels[:, :, middle + 1 :] = 5, 2**40
    noise = np.random.default_rng(0).integers(-30, 31, shape)
    raw = (np.where(labels > 0, 190, 60) + noise).astype(np.uint8)
    return LabelledVolume("toy", raw, labels)
