"""Overlap tables: how many voxels carry each pair of ids.

A hash table with open addressing and linear probing whose memory grows with the number of distinct pairs,
never with the largest id. Label volumes are long runs of one pair, so a run costs one look-up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled

FIRST_CAPACITY = 1024  # a power of two, as every capacity here: the slot is then a mask of the hash


class PairHash(NamedTuple):
    """A hash table from a pair of ids to the number of voxels that carry it.

    `slots` is (capacity, 3) uint64: first id, second id, count; a slot whose count is 0 is free. The three
    lie side by side because a look-up in a large table costs what it costs to fetch a cache line.
    """

    slots: NDArray[np.uint64]
    n_pairs: int


def no_pairs() -> PairHash:
    """Return the empty table."""
    return PairHash(np.zeros((FIRST_CAPACITY, 3), np.uint64), 0)


@compiled
def slot_of(slots: NDArray[np.uint64], a: np.uint64, b: np.uint64) -> np.uint64:
    """Return the slot that holds the pair (a, b), or the free one where it belongs."""
    # The finaliser of MurmurHash3 (A. Appleby, public domain): ids that differ in one bit land far apart.
    h = a * np.uint64(0x9E3779B97F4A7C15) + b
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    last = np.uint64(slots.shape[0] - 1)
    slot = h & last
    while slots[slot, 2] != 0 and (slots[slot, 0] != a or slots[slot, 1] != b):
        slot = (slot + np.uint64(1)) & last
    return slot


@compiled
def doubled(slots: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a table of twice the capacity with the same rows."""
    larger = np.zeros((2 * slots.shape[0], 3), np.uint64)
    for i in range(slots.shape[0]):
        if slots[i, 2] != 0:
            larger[slot_of(larger, slots[i, 0], slots[i, 1])] = slots[i]
    return larger


@compiled
def _add_pairs(
    slots: NDArray[np.uint64], n_pairs: int, first: NDArray[np.uint64], second: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], int]:
    start = 0
    while start < first.size:
        a, b = first[start], second[start]
        stop = start + 1
        while stop < first.size and first[stop] == a and second[stop] == b:
            stop += 1
        slot = slot_of(slots, a, b)
        if slots[slot, 2] == 0:
            slots[slot, 0], slots[slot, 1] = a, b
            n_pairs += 1
        slots[slot, 2] += np.uint64(stop - start)
        start = stop
        # Probes stay short while half of the slots are free.
        if 2 * n_pairs > slots.shape[0]:
            slots = doubled(slots)
    return slots, n_pairs


def add_pairs(table: PairHash, first: NDArray[np.uint64], second: NDArray[np.uint64]) -> PairHash:
    """Count the pairs of two flat arrays into `table`, which is used up; continue with what returns."""
    return PairHash(*_add_pairs(table.slots, table.n_pairs, first, second))


def sorted_pairs(table: PairHash) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return first ids, second ids and counts, ascending by first and then by second id."""
    first, second, counts = table.slots[table.slots[:, 2] != 0].T
    order = np.lexsort((second, first))
    return first[order], second[order], counts[order].astype(np.int64)
