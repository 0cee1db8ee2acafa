"""How many pairs of one label two sets of voxels make, while sets are joined one by one.

Most sets hold no label that is followed, or one; they need two numbers and no look-up. Only a set of several
labels keeps a histogram: a linked list of entries (label, voxels), and one hash table for all sets that finds
the entry of a label in a set. Joining moves the shorter list into the longer, so each entry moves O(log n)
times, and an entry that meets its like vanishes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined

NONE = -1
ROOM = 2
"""Entries that one merge may make."""
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


@compiled
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


@compiled
def new_set(sets: Histograms, label: int, voxels: int) -> int:
    """Make a set of one label; return its name."""
    entry = sets.used[0]
    sets.used[0] += 1
    sets.label[entry] = label
    sets.voxels[entry] = voxels
    sets.following[entry] = NONE
    sets.last[entry] = entry
    sets.length[entry] = 1
    _insert(sets, entry, entry)
    return entry


@compiled
def add_label(sets: Histograms, name: int, label: int, voxels: int) -> int:
    """Add voxels of one label to a set; return the same-label pairs between them and the set."""
    match = _look_up(sets, name, label)
    if match != NONE:
        same_label_pairs = sets.voxels[match] * voxels
        sets.voxels[match] += voxels
        return same_label_pairs
    entry = sets.used[0]
    sets.used[0] += 1
    sets.label[entry] = label
    sets.voxels[entry] = voxels
    _append(sets, name, entry)
    return 0


@compiled
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
            _append(sets, first, entry)
        else:
            same_label_pairs += sets.voxels[match] * sets.voxels[entry]
            sets.voxels[match] += sets.voxels[entry]
        entry = following
    return first, same_label_pairs


@compiled
def grown(sets: Histograms) -> Histograms:
    """Return a place of twice the capacity with the same entries."""
    old = sets.label.size
    wide = no_histograms(2 * old)
    wide.label[:old] = sets.label
    wide.voxels[:old] = sets.voxels
    wide.owner[:old] = sets.owner
    wide.following[:old] = sets.following
    wide.last[:old] = sets.last
    wide.length[:old] = sets.length
    wide.used[0] = sets.used[0]
    for entry in sets.table:
        if entry != NONE:
            _insert(wide, wide.owner[entry], entry)
    return wide


@inlined
def _home(sets: Histograms, owner: int, label: int) -> int:
    """Return the slot where the search for a label of a set begins."""
    key = (np.uint64(owner) << np.uint64(32)) ^ np.uint64(label)
    key = (key ^ (key >> np.uint64(29))) * MULTIPLIER
    return np.int64((key ^ (key >> np.uint64(32))) & np.uint64(sets.table.size - 1))


@compiled
def _look_up(sets: Histograms, owner: int, label: int) -> int:
    slot = _home(sets, owner, label)
    entry = sets.table[slot]
    while entry != NONE and (sets.owner[entry] != owner or sets.label[entry] != label):
        slot = (slot + 1) & (sets.table.size - 1)
        entry = sets.table[slot]
    return entry


@compiled
def _append(sets: Histograms, name: int, entry: int) -> None:
    """Put an entry at the end of a set's list."""
    _insert(sets, name, entry)
    sets.following[sets.last[name]] = entry
    sets.following[entry] = NONE
    sets.last[name] = entry
    sets.length[name] += 1


@compiled
def _insert(sets: Histograms, owner: int, entry: int) -> None:
    sets.owner[entry] = owner
    slot = _home(sets, owner, sets.label[entry])
    while sets.table[slot] != NONE:
        slot = (slot + 1) & (sets.table.size - 1)
    sets.table[slot] = entry


@compiled
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


@inlined
def merge_single(objects: NDArray[np.int32], voxels: NDArray[np.int32], root: int, leaf: int) -> int:
    """Move the labels of `leaf` to `root` if they are one at most; return the same-label pairs between them.

    `objects` and `voxels` are those of `broken_objects`. NONE asks for `merge_several`. The two are apart for
    loops over all edges: Numba counts references to each array that is passed on, and doing so for the
    histograms at every edge took half of the time.
    """
    same_label_pairs = np.int64(0)
    mine, others = objects[root], objects[leaf]
    if mine == others and mine >= 0:
        same_label_pairs = np.int64(voxels[root]) * np.int64(voxels[leaf])
        voxels[root] += voxels[leaf]
    elif mine == 0:
        objects[root], voxels[root] = others, voxels[leaf]
    elif others != 0:
        same_label_pairs = np.int64(NONE)
    return same_label_pairs


@compiled
def merge_several(
    sets: Histograms, objects: NDArray[np.int32], voxels: NDArray[np.int32], root: int, leaf: int
) -> int:
    """Do the same for at least two labels together; `sets` must have `ROOM` for entries.

    Nearly always one side is a small set of one object, and the other is large.
    """
    small, large = (leaf, root) if objects[root] < 0 else (root, leaf)
    if objects[small] < 0:
        union, same_label_pairs = merge_sets(sets, int(~objects[large]), int(~objects[small]))
    else:
        union = int(~objects[large]) if objects[large] < 0 else new_set(sets, objects[large], voxels[large])
        same_label_pairs = add_label(sets, union, objects[small], voxels[small])
    objects[root] = ~union
    return same_label_pairs


@compiled
def broken_objects(
    parents: NDArray[np.int32], labels: NDArray[Any]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Follow the objects that begin in several pieces; one in a single piece never meets itself.

    Returns, for each root, the number (from 1) of the one object it holds that is followed, 0 where there is
    none, or `~name` of its histogram where there are several, and the voxels of that one object. Both are
    views of one array, so that one cache line holds what is known of a root.
    """
    contents = np.zeros((labels.size, 2), np.int32)
    objects, voxels = contents[:, 0], contents[:, 1]
    pieces = _no_pieces(1024)
    n_labels, n_broken = 0, 0
    slot = np.int64(0)
    for root in range(labels.size):
        label = np.uint64(labels[root])
        if parents[root] >= 0 or label == 0:
            continue
        if pieces.label[slot] != label:  # not that of the root before
            slot = _slot_of(pieces, label)
            if pieces.label[slot] == 0:
                pieces.label[slot], pieces.first[slot] = label, root
                n_labels += 1
                if 2 * n_labels > pieces.label.size:
                    pieces = _more_pieces(pieces)
                    slot = _slot_of(pieces, label)
                continue
        first = pieces.first[slot]
        if objects[first] == 0:
            n_broken += 1
            objects[first], voxels[first] = n_broken, ~parents[first]
        objects[root], voxels[root] = objects[first], ~parents[root]
    return objects, voxels


class _Pieces(NamedTuple):
    """A hash table of labels."""

    label: NDArray[np.uint64]  # of each slot, 0 where it is free
    first: NDArray[np.int64]  # root with the label


@compiled
def _no_pieces(capacity: int) -> _Pieces:
    return _Pieces(np.zeros(capacity, np.uint64), np.empty(capacity, np.int64))


@compiled
def _more_pieces(pieces: _Pieces) -> _Pieces:
    """Return a table of four times as many slots with the same labels."""
    more = _no_pieces(4 * pieces.label.size)
    for slot in range(pieces.label.size):
        if pieces.label[slot] != 0:
            place = _slot_of(more, pieces.label[slot])
            more.label[place], more.first[place] = pieces.label[slot], pieces.first[slot]
    return more


@compiled
def _slot_of(pieces: _Pieces, label: np.uint64) -> int:
    """Return the slot that holds a label, or the free one where it belongs."""
    mask = np.uint64(pieces.label.size - 1)
    key = label * MULTIPLIER
    slot = (key ^ (key >> np.uint64(32))) & mask
    while pieces.label[slot] != 0 and pieces.label[slot] != label:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)
