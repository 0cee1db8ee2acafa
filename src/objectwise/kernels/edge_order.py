"""The total order of edges: affinity descending, then edge index ascending.

An edge is sorted as one 64-bit word: a 32-bit key that ascends where affinities descend, above 32 bits of
payload that say which edge it is. Words enter in index order and the sort is stable, so ties need no care.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled

KEY_BITS = 32
DIGIT_BITS = 11
DIGITS = 1 << DIGIT_BITS
"""11 bits sort a key in three passes, and the counters of a pass (16 KiB) still fit into the first cache."""


def order_keys(affinities: NDArray[Any]) -> NDArray[np.uint32]:
    """Return keys that ascend where finite `affinities` descend, and are equal where those are; C order.

    No key is 0. A float32 has 32 bits to begin with. Values of float64 get the number of greater values
    instead, exactly, at the price of a full sort.
    """
    if affinities.dtype == np.float32:
        keys = np.empty(affinities.shape, np.uint32)
        _keys_of_bits(np.ascontiguousarray(affinities).view(np.int32).reshape(-1), keys.reshape(-1))
        return keys
    values, ascending = np.unique(affinities, return_inverse=True)
    return (len(values) - ascending).astype(np.uint32).reshape(affinities.shape)


@compiled
def _keys_of_bits(bits: NDArray[np.int32], keys: NDArray[np.uint32]) -> None:
    """Turn float bits around: those of positive floats ascend with them, those of negative ones descend."""
    lowest, largest = np.int32(-(2**31)), np.int32(2**31 - 1)
    for i in range(bits.size):
        value = np.int32(0) if bits[i] == lowest else bits[i]  # -0.0 equals 0.0
        keys[i] = np.uint32(value) if value < 0 else np.uint32(largest - value)


def strongest_first(strengths: NDArray[Any], most_packed: int = 2**KEY_BITS) -> NDArray[np.int64]:
    """Return the places of finite values in the order of edges; equal ones in that of their places.

    Above `most_packed` a place would run into the key of its word: a full sort takes several times as long.
    """
    if strengths.size > most_packed:
        return np.argsort(-strengths, kind="stable")
    words = order_keys(strengths).astype(np.uint64) << np.uint64(KEY_BITS)
    words |= np.arange(strengths.size, dtype=np.uint64)
    order = sort_by_key(words)
    order &= np.uint64(2**KEY_BITS - 1)
    return order.view(np.int64)


def sort_by_key(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sort words by their upper 32 bits, stable; `words` serves as scratch."""
    # Made here and not in the kernel: NumPy asks the system for huge pages, Numba does not.
    return sort_between(words, np.empty_like(words))[0]


@compiled
def sort_between(
    words: NDArray[np.uint64], out: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Sort back and forth between two arrays; return the one that holds the result, and the other one.

    Radix sort, least significant digit first. The digits of all passes are counted in one reading, and a
    digit that all keys share (the exponent of saturated predictions, say) costs no pass.
    """
    n_passes = 3
    counts = np.zeros((n_passes, DIGITS), np.int64)
    low, middle, high = counts[0], counts[1], counts[2]
    mask = np.uint64(DIGITS - 1)
    for word in words:
        key = word >> np.uint64(KEY_BITS)
        low[key & mask] += 1
        middle[(key >> np.uint64(DIGIT_BITS)) & mask] += 1
        high[key >> np.uint64(2 * DIGIT_BITS)] += 1
    for p in range(n_passes):
        places = counts[p]
        if places.max() == words.size:
            continue
        start = 0
        for digit in range(DIGITS):
            start, places[digit] = start + places[digit], start
        shift = np.uint64(KEY_BITS + p * DIGIT_BITS)
        for word in words:
            digit = (word >> shift) & mask
            place = places[digit]
            places[digit] = place + 1
            out[place] = word
        words, out = out, words
    return words, out
