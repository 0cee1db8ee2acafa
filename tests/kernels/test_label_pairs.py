"""Histograms of sets, joined in any order, against dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.kernels.label_pairs import (
    NONE,
    ROOM,
    broken_objects,
    grown,
    merge_sets,
    merge_several,
    merge_single,
    new_set,
    no_histograms,
)
from objectwise.kernels.union_find import find, join
from tests.oracles.sets import same_label_pairs


def histogram(sets, name):
    """Read a set's linked list; every label occurs once, and the list is as long as it says."""
    labels, entry = [], name
    while entry != -1:
        labels.append((int(sets.label[entry]), int(sets.voxels[entry])))
        entry = sets.following[entry]
    assert len(labels) == sets.length[name] == len(dict(labels))
    return Counter(dict(labels))


def play(begun, joins, capacity):
    """Make the sets, join them in pairs, and compare with counters after every step."""
    sets, names, twins = no_histograms(capacity), [], []
    for label, voxels in begun:
        if sets.used[0] == sets.label.size:
            sets = grown(sets)
        name = new_set(sets, label, voxels)
        names.append(name)
        twins.append(Counter({label: voxels}))
    for a, b in joins:
        a, b = a % len(names), b % len(names)
        if a == b:
            continue
        (name_a, name_b), (twin_a, twin_b) = (names[a], names[b]), (twins[a], twins[b])
        union, pairs = merge_sets(sets, name_a, name_b)
        assert union in (name_a, name_b)
        assert pairs == same_label_pairs(twin_a, twin_b)
        names[a], twins[a] = union, twin_a + twin_b
        del names[b], twins[b]
        assert [histogram(sets, name) for name in names] == twins


labels = st.integers(1, 5) | st.integers(1, 2**31 - 1)


@given(
    begun=st.lists(st.tuples(labels, st.integers(1, 2**31 - 1)), min_size=1, max_size=25),
    joins=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=30),
    capacity=st.sampled_from([1, 2, 8, 64]),
)
def test_joined_histograms_and_their_pairs_are_those_of_dictionaries(begun, joins, capacity):
    play(begun, joins, capacity)


@pytest.mark.parametrize("n_labels", [1, 7, 400])
def test_many_sets_in_a_crowded_table(n_labels):
    rng = np.random.default_rng(n_labels)
    begun = [(int(label), int(voxels)) for label, voxels in rng.integers(1, n_labels + 1, (400, 2))]
    play(begun, rng.integers(0, 400, (399, 2)).tolist(), 1)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=20).map(np.array),
    pieces=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=20),
    joins=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60),
)
def test_pairs_of_broken_objects_are_counted_whatever_is_joined(labels, pieces, joins):
    n = len(labels)
    parents = (~(labels != 0).astype(np.int64)).astype(np.int32)

    def roots_of(a, b):
        return find(parents, a % n), find(parents, b % n)

    for a, b in pieces:
        u, v = roots_of(a, b)
        if u != v and labels[u] == labels[v] != 0:
            join(parents, u, v)
    twins = {v: Counter() for v in range(n)}
    for v in np.flatnonzero(labels):
        twins[find(parents, v)][int(labels[v])] += 1
    objects, voxels = broken_objects(parents, labels)
    sets = no_histograms(1)
    for a, b in joins:
        u, v = roots_of(a, b)
        if u == v:
            continue
        root = join(parents, u, v)
        leaf = v if root == u else u
        pairs = merge_single(objects, voxels, root, leaf)
        if pairs == NONE:
            if sets.used[0] + ROOM > sets.label.size:
                sets = grown(sets)
            pairs = merge_several(sets, objects, voxels, root, leaf)
        assert pairs == same_label_pairs(twins[root], twins[leaf])
        twins[root] += twins.pop(leaf)


def test_many_broken_objects_with_large_ids_are_told_apart():
    ids = np.repeat(np.arange(3000, dtype=np.uint64) + np.uint64(2**63), 2)
    order = np.random.default_rng(0).permutation(len(ids))
    parents = np.full(len(ids), ~np.int32(1))
    objects, voxels = broken_objects(parents, ids[order])
    assert len(np.unique(objects)) == 3000
    assert (objects > 0).all()
    assert (voxels == 1).all()
    _, first = np.unique(ids[order], return_inverse=True)
    pairs = np.argsort(first, kind="stable").reshape(-1, 2)
    assert (objects[pairs[:, 0]] == objects[pairs[:, 1]]).all()
