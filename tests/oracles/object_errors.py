"""Splits, merges and missed objects, one id at a time."""

from __future__ import annotations

import numpy as np


def object_errors(
    truth: np.ndarray, segmentation: np.ndarray, *, minimum_voxels: int, minimum_fraction: float
) -> set[tuple[str, frozenset[int], frozenset[int], int]]:
    """Return every error as (kind, truth ids, segment ids, voxels outside the largest share)."""

    def shared(t: int, s: int) -> int:
        return int(((truth == t) & (segmentation == s)).sum())

    def counts(t: int, s: int) -> bool:
        smaller = min(int((truth == t).sum()), int(((segmentation == s) & (truth != 0)).sum()))
        return shared(t, s) >= max(minimum_voxels, minimum_fraction * smaller)

    objects = [int(t) for t in np.unique(truth) if t != 0]
    segments = [int(s) for s in np.unique(segmentation) if s != 0]
    found = set()
    for t in objects:
        pieces = [s for s in segments if counts(t, s)]
        if len(pieces) > 1:
            sizes = [shared(t, s) for s in pieces]
            found.add(("split", frozenset([t]), frozenset(pieces), sum(sizes) - max(sizes)))
        if shared(t, 0) >= minimum_voxels and 2 * shared(t, 0) > (truth == t).sum():
            found.add(("missed", frozenset([t]), frozenset([0]), shared(t, 0)))
    for s in segments:
        covered = [t for t in objects if counts(t, s)]
        if len(covered) > 1:
            sizes = [shared(t, s) for t in covered]
            found.add(("merge", frozenset(covered), frozenset([s]), sum(sizes) - max(sizes)))
    return found
