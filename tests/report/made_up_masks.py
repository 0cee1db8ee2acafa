"""Small runs with masks whose found, missed and false objects are known, shared by the tests of the report."""

from __future__ import annotations

from typing import Any

import numpy as np

from objectwise.metrics import class_scores
from objectwise.report import MaskRun, MaskVolume


def truth(depth: int = 3) -> np.ndarray:
    """Object 1 in all sections, 2 and 3 in the first, 4 in the last, (z, 40, 60)."""
    ids = np.zeros((depth, 40, 60), np.uint64)
    ids[:, 4:16, 4:16] = 1
    ids[0, 20:28, 30:38] = 2
    ids[0, 20:28, 40:48] = 3
    ids[-1, 30:36, 4:10] = 4
    return ids


def segmentation(depth: int = 3) -> np.ndarray:
    """Segment 11 is object 1, 12 joins 2 and 3, 13 lies where nothing is; nothing was made of 4."""
    ids = np.zeros((depth, 40, 60), np.int64)
    ids[:, 5:16, 4:16] = 11
    ids[0, 20:28, 30:48] = 12
    ids[1 % depth, 4:9, 50:55] = 13
    return ids


def class_row(true: np.ndarray, predicted: np.ndarray, dimensions: int = 3) -> dict[str, Any]:
    """Return what scores.json says of a class."""
    scores = class_scores(truth=true, segmentation=predicted, dimensions=dimensions, edges=(40, 200))
    return {
        "f1": scores.detection.f1,
        "precision": scores.detection.precision,
        "recall": scores.detection.recall,
        "dice": scores.masks.dice,
        "hausdorff95": scores.masks.hausdorff95,
        "surface_dice": scores.masks.surface_dice,
        "found": scores.detection.found,
        "missed": scores.detection.missed,
        "false": scores.detection.false,
        "by_size": [
            {
                "least": one.least,
                "below": None if np.isinf(one.below) else one.below,
                "found": one.scores.found,
                "missed": one.scores.missed,
                "false": one.scores.false,
            }
            for one in scores.by_size
        ],
    }


def mask_volume(name: str = "case", depth: int = 3, **changes: object) -> MaskVolume:
    """One volume of one class, with its scores and probabilities."""
    true, predicted = truth(depth), segmentation(depth)
    rng = np.random.default_rng(0)
    row = class_row(true, predicted)
    content: dict[str, object] = {
        "name": name,
        "raw": rng.integers(0, 255, true.shape).astype(np.uint8),
        "segmentation": predicted,
        "truth": true,
        "probabilities": rng.random((1, *true.shape)).astype(np.float32),
        "scores": {key: row[key] for key in ("f1", "dice", "hausdorff95")},
        "class_scores": {"cell": row},
    }
    return MaskVolume(**(content | changes))  # type: ignore[arg-type]


def mask_run(name: str = "instance", **changes: object) -> MaskRun:
    """One run on one volume, with curves, a sweep and a configuration."""
    steps = np.arange(40)
    content: dict[str, object] = {
        "name": name,
        "classes": ["cell"],
        "volumes": [mask_volume()],
        "config_yaml": "loss:\n- name: instance\nseed: 0\n",
        "curves": {"step": steps, "loss": np.exp(-steps / 9.0) + 0.1, "dice": np.exp(-steps / 5.0)},
        "sweep": [{"threshold": t, "f1": f, "dice": None} for t, f in ((0.3, 0.2), (0.5, 0.4), (0.7, 0.3))],
        "chosen_threshold": 0.5,
    }
    return MaskRun(**(content | changes))  # type: ignore[arg-type]
