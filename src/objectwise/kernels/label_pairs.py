"""How many pairs of one label two sets of voxels make, while sets are joined one by one.

Most sets hold no label that is followed, or one; they need two numbers and no look-up. Only a set of several
labels keeps a histogram: a linked list of entries (label, voxels), and one hash table for all sets that finds
the entry of a label in a set. Joining moves the shorter list into the longer, so each entry moves O(log n)
times, and an entry that meets its like vanishes.
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
    """Sets of several labels; a set is named by the first entry of its list, which stays its first."""

    label: NDArray[np.int64]  # of each entry
    voxels: NDArray[np.int64]  # of the label, in each entry
    owner: NDArray[np.int64]  # the set of each entry
    following: NDArray[np.int64]  # next entry of the same set, or NONE
    last: NDArray[np.int64]  # of the list; kept for its first entry
    length: NDArray[np.int64]  # likewise
    table: NDArray[np.int64]  # slots of the hash table, twice as many as entries: an entry, or NONE
    used: NDArray[np.int64]  # (1,): entries made so far


@njit(cache=True, nogil=True)
def no_histograms(capacity: int) -> Histograms:
    """Return a place for `capacity` entries, a power of 2; it grows."""
    entries = np.empty(capacity, np.int64)
    return Histograms(
        entries,
        entries.copy(),
        entries.copy(),
        entries.copy(),
        entries.copy(),
        entries.copy(),
        np.full(2 * capacity, NONE),
        np.zeros(1, np.int64),
    )


@njit(cache=True, nogil=True)
def new_set(sets: Histograms, label: int, voxels: int) -> tuple[Histograms, int]:
    """Make a set of one label; return the place, which may have grown, and the set's name."""
    if sets.used[0] == sets.label.size:
        sets = _grown(sets)
    entry = sets.used[0]
    sets.used[0] += 1
    sets.label[entry] = label
    sets.voxels[entry] = voxels
    sets.following[entry] = NONE
    sets.last[entry] = entry
    sets.length[entry] = 1
    _insert(sets, entry, entry)
    return sets, entry


@njit(cache=True, nogil=True)
def merge_sets(sets: Histograms, first: int, second: int) -> tuple[int, int]:
    """Join two sets; return the name of the union and the same-label pairs between them."""
    if sets.length[first] < sets.length[second]:
        first, second = second, first
    same_label_pairs = 0
    entry = second
    while entry != NONE:
        following = sets.following[entry]
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
    return first, same_label_pairs


@njit(cache=True, nogil=True)
def _grown(sets: Histograms) -> Histograms:
    """Return a place of twice the capacity with the same entries."""
    old = sets.label.size
    grown = no_histograms(2 * old)
    grown.label[:old] = sets.label
    grown.voxels[:old] = sets.voxels
    grown.owner[:old] = sets.owner
    grown.following[:old] = sets.following
    grown.last[:old] = sets.last
    grown.length[:old] = sets.length
    grown.used[0] = sets.used[0]
    for entry in sets.table:
        if entry != NONE:
            _insert(grown, grown.owner[entry], entry)
    return grown


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


@njit(cache=True, nogil=True, inline="always")
def merge_labels(
    sets: Histograms, objects: NDArray[np.int32], voxels: NDArray[np.int32], root: int, leaf: int
) -> tuple[Histograms, int]:
    """Move the labels of `leaf` to `root`; return the histograms, which may have grown, and the pairs.

    `objects` and `voxels` are those of `broken_objects`.
    """
    same_label_pairs = np.int64(0)
    if objects[root] == objects[leaf] and objects[root] >= 0:
        same_label_pairs = np.int64(voxels[root]) * np.int64(voxels[leaf])
        voxels[root] += voxels[leaf]
    elif objects[root] == 0:
        objects[root], voxels[root] = objects[leaf], voxels[leaf]
    elif objects[leaf] != 0:
        sets, a = _set_of(sets, objects[root], voxels[root])
        sets, b = _set_of(sets, objects[leaf], voxels[leaf])
        union, same_label_pairs = merge_sets(sets, a, b)
        objects[root] = ~union
    return sets, same_label_pairs


@njit(cache=True, nogil=True, inline="always")
def _set_of(sets: Histograms, followed: int, voxels: int) -> tuple[Histograms, int]:
    """Return the histogram of a root, made now if it held one object so far; see `broken_objects`."""
    return new_set(sets, followed, voxels) if followed > 0 else (sets, np.int64(~followed))


@njit(cache=True, nogil=True)
def broken_objects(
    parents: NDArray[np.int32], labels: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Follow the objects that begin in several pieces; one in a single piece never meets itself.

    Returns, for each root, the number (from 1) of the one object it holds that is followed, 0 where there is
    none, or `~name` of its histogram where there are several, and the voxels of that one object.
    """
    roots = np.flatnonzero((parents < 0) & (labels != 0))
    roots = roots[np.argsort(labels[roots], kind="mergesort")]
    objects, voxels = np.zeros(labels.size, np.int32), np.zeros(labels.size, np.int32)
    number = 0
    for i in range(1, roots.size):
        before, root = roots[i - 1], roots[i]
        if labels[root] == labels[before]:
            if objects[before] == 0:
                number += 1
                objects[before], voxels[before] = number, ~parents[before]
            objects[root], voxels[root] = number, ~parents[root]
    return objects, voxels
