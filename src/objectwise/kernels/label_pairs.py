"""How many pairs of one label two sets of voxels make, while the sets are joined one by one.

A set of one label needs no look-up. Only sets of several labels keep a histogram: a linked list of entries
(label, voxels), and one hash table for all sets that finds the entry of a label in a set. Joining moves the
shorter list into the longer, so each entry moves O(log n) times; an entry that meets its like vanishes, and
the table never holds more entries than there were pieces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = -1
# Odd, from the golden ratio: consecutive keys land far apart (Knuth, The Art of Computer Programming, 6.4).
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Histograms(NamedTuple):
    """One entry per piece (a set that holds one label), and a histogram per set that pieces formed."""

    label: NDArray[np.int64]  # of each entry
    voxels: NDArray[np.int64]  # of the label, in each entry
    following: NDArray[np.int64]  # next entry of the same set, or NONE
    last: NDArray[np.int64]  # of the list that begins with this entry, kept for its first entry
    length: NDArray[np.int64]  # likewise
    table: NDArray[np.int64]  # slots of the hash table: an entry, or NONE
    owner: NDArray[np.int64]  # the set of each entry, named by the first entry of its list when it was made


@njit(cache=True, nogil=True)
def make_histograms(labels: NDArray[Any], counts: NDArray[np.int64]) -> Histograms:
    """Make one set of one entry for each piece."""
    n = labels.size
    slots = 2
    while slots < 2 * n:
        slots *= 2
    entries = np.arange(n)
    return Histograms(
        labels.astype(np.int64),
        counts.copy(),
        np.full(n, NONE),
        entries.copy(),
        np.ones(n, np.int64),
        np.full(slots, NONE),
        entries,
    )


@njit(cache=True, nogil=True)
def merge_histograms(sets: Histograms, first: int, second: int) -> tuple[int, int]:
    """Join two sets, each named by its first entry; return the name of the union and the same-label pairs."""
    if sets.length[first] < sets.length[second]:
        first, second = second, first
    if sets.length[first] == 1:
        _insert(sets, first, first)
    same_label_pairs = 0
    alone = sets.length[second] == 1
    entry = second
    while entry != NONE:
        following = sets.following[entry]
        if not alone:
            _remove(sets, entry)
        match = _look_up(sets, first, sets.label[entry])
        if match == NONE:
            _insert(sets, first, entry)
            sets.following[sets.last[first]] = entry
            sets.following[entry] = NONE
            sets.last[first] = entry
            sets.length[first] += 1
        else:
            same_label_pairs += sets.voxels[match] * sets.voxels[entry]
            sets.voxels[match] += sets.voxels[entry]
        entry = following
    if sets.length[first] == 1:
        _remove(sets, first)
    return first, same_label_pairs


@njit(cache=True, nogil=True, inline="always")
def _home(sets: Histograms, owner: int, label: int) -> int:
    """Return the slot where the search for a label of a set begins."""
    key = (np.uint64(owner) << np.uint64(32)) ^ np.uint64(label)
    key = (key ^ (key >> np.uint64(29))) * MULTIPLIER
    return np.int64((key ^ (key >> np.uint64(32))) & np.uint64(sets.table.size - 1))


@njit(cache=True, nogil=True)
def _look_up(sets: Histograms, owner: int, label: int) -> int:
    slot = _home(sets, owner, label)
    entry = sets.table[slot]
    while entry != NONE and (sets.owner[entry] != owner or sets.label[entry] != label):
        slot = (slot + 1) & (sets.table.size - 1)
        entry = sets.table[slot]
    return entry


@njit(cache=True, nogil=True)
def _insert(sets: Histograms, owner: int, entry: int) -> None:
    sets.owner[entry] = owner
    slot = _home(sets, owner, sets.label[entry])
    while sets.table[slot] != NONE:
        slot = (slot + 1) & (sets.table.size - 1)
    sets.table[slot] = entry


@njit(cache=True, nogil=True)
def _remove(sets: Histograms, entry: int) -> None:
    """Take an entry out of the table and close the gap, so that no search ever stops short."""
    mask = sets.table.size - 1
    gap = _home(sets, sets.owner[entry], sets.label[entry])
    while sets.table[gap] != entry:
        gap = (gap + 1) & mask
    slot = gap
    while True:
        slot = (slot + 1) & mask
        other = sets.table[slot]
        if other == NONE:
            break
        home = _home(sets, sets.owner[other], sets.label[other])
        if ((slot - home) & mask) >= ((slot - gap) & mask):
            sets.table[gap] = other
            gap = slot
    sets.table[gap] = NONE
