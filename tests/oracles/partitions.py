"""Compare label images as partitions: the ids themselves mean nothing."""

from __future__ import annotations

import numpy as np


def assert_same_partition(first, second):
    """Require ids to correspond one to one, and 0 to 0."""
    assert first.shape == second.shape
    np.testing.assert_array_equal(first == 0, second == 0)
    pairs = set(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
