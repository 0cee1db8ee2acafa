"""Partition scores as a student would write them: over all pairs of voxels, or voxel by voxel."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np


def count_pairs(truth: np.ndarray, segmentation: np.ndarray) -> dict[tuple[int, int], int]:
    """Count the voxels of each (truth id, segmentation id), in a dictionary."""
    return dict(Counter(zip(truth.ravel().tolist(), segmentation.ravel().tolist(), strict=True)))


def rand_over_distinct_pairs(
    truth: Sequence[int], segmentation: Sequence[int], ignored_truth: Sequence[int] = (0,)
) -> tuple[float, float, float]:
    """Error, precision and recall over all pairs of two different voxels."""
    voxels = [(t, s) for t, s in zip(truth, segmentation, strict=True) if t not in ignored_truth]
    joined = in_truth = both = 0
    for (t1, s1), (t2, s2) in itertools.combinations(voxels, 2):
        joined += s1 == s2
        in_truth += t1 == t2
        both += s1 == s2 and t1 == t2
    precision = both / joined if joined else 1.0
    recall = both / in_truth if in_truth else 1.0
    error = 1 - 2 * both / (joined + in_truth) if joined + in_truth else 0.0
    return error, precision, recall


def rand_of_cremi(
    truth: Sequence[int], segmentation: Sequence[int], ignored_truth: Sequence[int] = (0,)
) -> tuple[float, float, float]:
    """Error, precision and recall over all ordered pairs, a voxel with itself included.

    Voxels with segmentation 0 join nothing; all together they add their fraction of the volume.
    """
    voxels = [(t, s) for t, s in zip(truth, segmentation, strict=True) if t not in ignored_truth]
    background = sum(s == 0 for _, s in voxels) / len(truth)
    joined = both = background
    in_truth = 0
    for (t1, s1), (t2, s2) in itertools.product(voxels, repeat=2):
        in_truth += t1 == t2
        joined += s1 == s2 != 0
        both += s1 == s2 != 0 and t1 == t2
    return 1 - 2 * both / (joined + in_truth), both / joined, both / in_truth


def voi_over_voxels(
    truth: Sequence[int], segmentation: Sequence[int], ignored_truth: Sequence[int] = (0,)
) -> tuple[float, float]:
    """Split and merge entropies in bits, as the mean over voxels of -log2 of a conditional probability."""
    voxels = [(t, s) for t, s in zip(truth, segmentation, strict=True) if t not in ignored_truth]
    split = merge = 0.0
    for t, s in voxels:
        both = sum((t, s) == other for other in voxels)
        split -= math.log2(both / sum(t == other for other, _ in voxels))
        merge -= math.log2(both / sum(s == other for _, other in voxels))
    return split / len(voxels), merge / len(voxels)


def near_border(section: np.ndarray, distance: float) -> np.ndarray:
    """Pixels at most `distance` from a pixel with a 4-neighbour of another id, by trying every pair."""
    height, width = section.shape
    border = []
    for y, x in np.ndindex(section.shape):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < height and 0 <= u < width and section[v, u] != section[y, x]:
                border.append((y, x))
    near = np.zeros(section.shape, bool)
    for y, x in np.ndindex(section.shape):
        near[y, x] = any(math.hypot(y - v, x - u) <= distance for v, u in border)
    return near
