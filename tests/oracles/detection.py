"""Detection scores as a student would write them: masks, and every way to pair the objects."""

from __future__ import annotations

import itertools

import numpy as np


def overlap_of(first: np.ndarray, second: np.ndarray, kind: str) -> float:
    """IoU or Dice of two masks."""
    common = np.sum(first & second)
    if kind == "iou":
        return float(common / np.sum(first | second))
    return float(2 * common / (np.sum(first) + np.sum(second)))


def best_matching(
    truth: np.ndarray, segmentation: np.ndarray, threshold: float, kind: str
) -> tuple[int, float]:
    """Most pairs above the threshold and, among the ways to reach them, the largest sum of overlaps."""
    true_ids = [i for i in np.unique(truth) if i != 0]
    predicted_ids = [i for i in np.unique(segmentation) if i != 0]
    table = {(t, s): overlap_of(truth == t, segmentation == s, kind) for t in true_ids for s in predicted_ids}
    best = (0, 0.0)
    partners = [*predicted_ids, *[None] * len(true_ids)]
    for chosen in itertools.permutations(partners, len(true_ids)):
        kept = [table[pair] for pair in zip(true_ids, chosen, strict=True) if table.get(pair, -1) > threshold]
        best = max(best, (len(kept), sum(kept)))
    return best


def panoptic_by_hand(truth: np.ndarray, segmentation: np.ndarray) -> float:
    """Panoptic quality by its formula, from masks whose IoU exceeds 1/2."""
    true_ids = [i for i in np.unique(truth) if i != 0]
    predicted_ids = [i for i in np.unique(segmentation) if i != 0]
    overlaps = [overlap_of(truth == t, segmentation == s, "iou") for t in true_ids for s in predicted_ids]
    good = [overlap for overlap in overlaps if overlap > 0.5]
    n_objects = len(true_ids) + len(predicted_ids)
    return sum(good) / (n_objects / 2) if n_objects else 1.0
