"""MALIS by its definition, which is a reference in the library, and the loss that follows from it."""

from __future__ import annotations

import numpy as np

from objectwise.kernels.malis_reference import pair_counts

__all__ = ["normalised_squared_loss", "pair_counts"]


def normalised_squared_loss(affinities, labels, offsets):
    """Return the loss of one sample, in float64."""
    total = 0.0
    for counts, truth in zip(pair_counts(affinities, labels, offsets), (1.0, 0.0), strict=True):
        if counts.sum():
            total += float((counts / counts.sum() * (truth - affinities.astype(np.float64)) ** 2).sum())
    return total
