"""Arrays of a few voxels that are as they should be, for rows that make one thing wrong."""

from __future__ import annotations

import numpy as np
import torch

OFFSETS = ((-1, 0, 0), (0, -1, 0), (0, 0, -1))
LABELS = np.zeros((4, 6, 6), np.int64)
LABELS[:, :, :3], LABELS[:, 4:, 4:] = 1, 2
AFFINITIES = np.full((3, 4, 6, 6), 0.25, np.float32)
AFFINITIES[:, :, :, 3:] = 0.75
MASK = LABELS == 0
PAIR = np.array([[0, 1, 1], [2, 2, 0]])

LOGITS = torch.linspace(-2, 2, 3 * LABELS.size).reshape(1, 3, *LABELS.shape)
PROBABILITIES = LOGITS.sigmoid()
TARGET = torch.from_numpy(LABELS)[None]
EDGE_MASK = torch.ones(LOGITS.shape, dtype=torch.bool)

SCORES = torch.linspace(-2, 2, 2 * 36).reshape(1, 2, 6, 6)
CLASSES = (torch.from_numpy(LABELS[:1]) > 0).long()[:, None]
OBJECT_SCORES = SCORES[:, :1]


def with_value(array: torch.Tensor, value: float) -> torch.Tensor:
    """Return a copy whose first element is another."""
    copy = array.clone()
    copy.view(-1)[0] = value
    return copy


def replaced(array: np.ndarray, value: float, dtype: type | None = None) -> np.ndarray:
    """Return a copy whose first element is another."""
    copy = array.astype(dtype or array.dtype)
    copy.flat[0] = value
    return copy
