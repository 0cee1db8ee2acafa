"""What the cycles of four settle, against the exact maximum spanning forest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.graph.axes import as_channels, as_steps
from objectwise.kernels.cycles import EXISTS, FIRST, SETTLED, settle_cycles
from tests.oracles.graph import edges_of, merges
from tests.strategies import offset_tables, spatial_shapes


@st.composite
def keyed_graphs(draw):
    """(keys, states, offsets, shape): few distinct keys, any edges FIRST."""
    shape = draw(spatial_shapes())
    offsets = draw(offset_tables(shape))
    size = (len(offsets), *shape)
    largest = draw(st.sampled_from([1, 3, 2**32 - 1]))
    keys = draw(npst.arrays(np.uint32, size, elements=st.integers(1, largest)))
    first = draw(npst.arrays(np.bool_, size) | st.sampled_from([np.zeros(size, bool), np.ones(size, bool)]))
    states = np.zeros(size, np.uint8)
    for edge, _, _ in edges_of(shape, offsets):
        states[edge] = EXISTS | FIRST if first[edge] else EXISTS
    return keys, states, offsets, shape


def forest_of(keys, states, offsets, shape):
    """Return the edges of the maximum spanning forest in the order of edges: FIRST, key, index."""
    edges = list(edges_of(shape, offsets))  # in index order; sorted() keeps it among equals
    order = sorted(edges, key=lambda e: (not states[e[0]] & FIRST, keys[e[0]]))
    return {edge for edge, _ in merges(order, shape)}


def settled(keys, states, offsets):
    after = states.copy()
    settle_cycles(as_channels(keys), as_channels(after), as_steps(np.array(offsets)))
    return after


@given(keyed_graphs())
def test_no_edge_of_the_forest_is_settled(graph):
    keys, states, offsets, _ = graph
    after = settled(keys, states, offsets)
    assert not any(after[edge] & SETTLED for edge in forest_of(*graph))


@given(keyed_graphs())
def test_nothing_else_changes_and_only_edges_inside_are_settled(graph):
    keys, states, offsets, _ = graph
    after = settled(keys, states, offsets)
    np.testing.assert_array_equal(after & ~SETTLED, states)
    assert (states[after & SETTLED != 0] & EXISTS).all()


@given(keyed_graphs())
def test_forest_without_the_settled_edges_is_the_same(graph):
    keys, states, offsets, shape = graph
    after = settled(keys, states, offsets)
    kept = [e for e in edges_of(shape, offsets) if not after[e[0]] & SETTLED]
    order = sorted(kept, key=lambda e: (not states[e[0]] & FIRST, keys[e[0]]))
    assert {edge for edge, _ in merges(order, shape)} == forest_of(*graph)


@pytest.mark.parametrize("offsets", [[[a, 0], [0, b]] for a in (-1, 1) for b in (-1, 1)] + [[[0, 1], [1, 0]]])
@given(keys=npst.arrays(np.uint32, (2, 2, 2), elements=st.integers(1, 3)), first_bits=st.integers(0, 15))
def test_one_square_settles_exactly_its_last_edge(offsets, keys, first_bits):
    shape = (2, 2)
    edges = [edge for edge, _, _ in edges_of(shape, offsets)]
    states = np.zeros((2, 2, 2), np.uint8)
    for i, edge in enumerate(edges):
        states[edge] = EXISTS | FIRST if first_bits >> i & 1 else EXISTS
    last = max(edges, key=lambda e: (not states[e] & FIRST, keys[e], edges.index(e)))
    after = settled(keys, states, offsets)
    assert [edge for edge in edges if after[edge] & SETTLED] == [last]


def test_most_edges_of_a_smooth_volume_are_settled():
    distance = np.indices((12, 12, 12)).sum(axis=0).astype(np.uint32)
    keys = np.stack([1 + distance] * 3)
    offsets = [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]
    states = np.zeros(keys.shape, np.uint8)
    for edge, _, _ in edges_of((12, 12, 12), offsets):
        states[edge] = EXISTS
    after = settled(keys, states, offsets)
    assert (after & SETTLED != 0).sum() > (states != 0).sum() / 2
