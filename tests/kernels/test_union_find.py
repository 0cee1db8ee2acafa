"""The union-find against Python sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.kernels.union_find import contract, find, join, singletons
from tests.oracles.sets import Partition

NODES = 12
nodes = st.integers(0, NODES - 1)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@given(
    sizes=st.lists(st.integers(0, 2**20), min_size=NODES, max_size=NODES),
    joins=st.lists(st.tuples(nodes, nodes), max_size=40),
)
def test_sets_and_their_sizes_are_those_of_python(dtype, sizes, joins):
    parents, partition = (~np.array(sizes)).astype(dtype), Partition(NODES)
    for a, b in joins:
        u, v = find(parents, a), find(parents, b)
        assert (u == v) == (partition.set_of[a] is partition.set_of[b])
        if u != v:
            sizes_before = ~parents[u], ~parents[v]
            root = join(parents, u, v)
            assert root == (v if sizes_before[0] < sizes_before[1] else u)
            partition.join(a, b)
    for node in range(NODES):
        root = find(parents, node)
        assert root in partition.set_of[node]
        assert ~parents[root] == sum(sizes[member] for member in partition.set_of[node])
        assert len({find(parents, member) for member in partition.set_of[node]}) == 1


def test_find_halves_a_path_and_keeps_its_root():
    parents = np.array([~6, 0, 1, 2, 3, 4])
    assert find(parents, 5) == 0
    np.testing.assert_array_equal(parents, [~6, 0, 1, 1, 3, 3])


def test_find_never_writes_where_the_path_is_one_step():
    parents = np.array([~2, 0])
    parents.flags.writeable = True
    before = parents.copy()
    assert (find(parents, 0), find(parents, 1)) == (0, 0)
    np.testing.assert_array_equal(parents, before)


def test_singletons_are_roots_of_size_one():
    parents = singletons(5)
    assert [find(parents, node) for node in range(5)] == list(range(5))
    assert (~parents == 1).all()
    assert singletons(0).size == 0


@given(n=st.integers(1, 20), joins=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_contracted_sets_are_the_same_sets_numbered_by_root(n, joins):
    parents = singletons(n)
    for a, b in joins:
        u, v = find(parents, a % n), find(parents, b % n)
        if u != v:
            join(parents, u, v)
    roots_of = [find(parents, v) for v in range(n)]
    before = parents.copy()
    roots, sets = contract(parents)
    assert roots.tolist() == sorted(set(roots_of))
    assert sets.tolist() == before[roots].tolist()
    assert [roots[~member] for member in parents] == roots_of
