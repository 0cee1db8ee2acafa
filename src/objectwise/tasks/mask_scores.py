"""The scores of one class of masks, as rows and counts."""

from __future__ import annotations

import math
from typing import Any

from objectwise.metrics import ClassScores, DetectionScores

HIGHER = {
    "f1": True,
    "dice": True,
    "iou": True,
    "hausdorff95": False,
    "surface_dice": True,
    "precision": True,
    "recall": True,
    "panoptic_quality": True,
    "object_score": True,
}
"""The scores of a class, and whether higher is better."""
SURFACE_SCORES = ("hausdorff95", "surface_dice")


def row_of(scores: ClassScores) -> dict[str, float]:
    """Return the scores of a class by name."""
    known = {
        **scores.masks._asdict(),
        **scores.detection._asdict(),
        **scores.panoptic._asdict(),
        "object_score": scores.object_score,
    }
    return {name: float(known[name]) for name in HIGHER}


def counts_of(scores: ClassScores) -> dict[str, Any]:
    """Return how many objects were found, missed and invented, and the same by size."""

    def counted(detection: DetectionScores) -> dict[str, int]:
        return {"found": detection.found, "missed": detection.missed, "false": detection.false}

    by_size = [
        {
            "least": one.least,
            "below": None if math.isinf(one.below) else one.below,
            **counted(one.scores),
            "precision": one.scores.precision,
            "recall": one.scores.recall,
            "f1": one.scores.f1,
        }
        for one in scores.by_size
    ]
    return {**counted(scores.detection), "by_size": by_size}
