"""The total order of edges: affinity descending, then edge index ascending."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

DIGIT_BITS = 11
DIGITS = 1 << DIGIT_BITS


def descending_keys(affinities: NDArray[Any]) -> NDArray[Any]:
    """Return unsigned integers that ascend where finite `affinities` descend; -0.0 and 0.0 are equal.

    The bits of a non-negative float ascend with it and those of a negative float descend, so flipping
    all bits but the sign of the former gives one descending order.
    """
    unsigned, signed = (np.uint32, np.int32) if affinities.dtype == np.float32 else (np.uint64, np.int64)
    bits = (affinities + affinities.dtype.type(0)).view(signed)  # -0.0 + 0.0 is 0.0
    largest = np.iinfo(signed).max
    keys: NDArray[Any] = np.where(bits < 0, bits, largest - bits).view(unsigned)
    return keys


@njit(cache=True, nogil=True)
def radix_sort(keys: NDArray[Any], ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sort `ids` by ascending unsigned `keys`, stable; both arrays are used as scratch.

    Least significant digit first. All digit histograms come from one reading of the keys, and a digit
    that all keys share (the exponent of saturated predictions, say) costs no pass.
    """
    n = keys.size
    n_passes = (keys.itemsize * 8 + DIGIT_BITS - 1) // DIGIT_BITS
    counts = np.zeros((n_passes, DIGITS), np.int64)
    for i in range(n):
        key = np.uint64(keys[i])
        for p in range(n_passes):
            counts[p, (key >> np.uint64(p * DIGIT_BITS)) & np.uint64(DIGITS - 1)] += 1
    keys_out, ids_out = np.empty_like(keys), np.empty_like(ids)
    for p in range(n_passes):
        if counts[p].max() == n:
            continue
        start = 0
        for digit in range(DIGITS):
            start, counts[p, digit] = start + counts[p, digit], start
        shift = np.uint64(p * DIGIT_BITS)
        for i in range(n):
            digit = (np.uint64(keys[i]) >> shift) & np.uint64(DIGITS - 1)
            place = counts[p, digit]
            counts[p, digit] = place + 1
            keys_out[place] = keys[i]
            ids_out[place] = ids[i]
        keys, keys_out = keys_out, keys
        ids, ids_out = ids_out, ids
    return keys, ids
