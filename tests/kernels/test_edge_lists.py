"""Which edges exist, which come first, and the words they are packed into, against one edge at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from objectwise.graph.axes import as_channels, as_steps, as_volume
from objectwise.kernels.cycles import EXISTS, FIRST
from objectwise.kernels.edge_lists import channel_bits, edge_ends, edge_states, edges_to_sort, most_voxels
from objectwise.kernels.edge_order import KEY_BITS, order_keys
from objectwise.kernels.edges import voxel_steps
from tests.oracles.graph import edges_of, merges
from tests.strategies import labelled_graphs


@given(labelled_graphs())
def test_states_say_which_edges_exist_and_which_lie_within_an_object(graph):
    _, labels, offsets = graph
    expected = np.zeros((len(offsets), *labels.shape), np.uint8)
    for edge, u, v in edges_of(labels.shape, offsets):
        expected[edge] = EXISTS | FIRST if labels[u] == labels[v] != 0 else EXISTS
    states = edge_states(as_volume(labels), as_steps(np.array(offsets)))
    np.testing.assert_array_equal(states.reshape(expected.shape), expected)


@given(labelled_graphs(levels=3) | labelled_graphs())
def test_lists_hold_the_forest_in_index_order_and_name_key_channel_and_ends(graph):
    affinities, labels, offsets = graph
    steps, shape = as_steps(np.array(offsets)), as_volume(labels).shape
    keys, states = order_keys(as_channels(affinities)), edge_states(as_volume(labels), steps)
    lists = edges_to_sort(keys, states.copy(), steps)
    listed = {}
    for is_first, words in zip((True, False), lists, strict=True):
        found = []
        for word in words:
            channel, voxel, other = edge_ends(word, channel_bits(len(steps)), voxel_steps(shape, steps))
            edge = (int(channel), *(int(i) for i in np.unravel_index(voxel, shape)))
            assert keys[edge] == int(word) >> KEY_BITS
            assert states[edge] == (EXISTS | FIRST if is_first else EXISTS)
            found.append((edge, edge[1:], tuple(int(i) for i in np.unravel_index(other, shape))))
        assert [edge for edge, _, _ in found] == sorted(edge for edge, _, _ in found)
        listed |= {edge: (u, v) for edge, u, v in found}
    edges = list(edges_of(shape, steps))
    assert all(listed[edge] == (u, v) for edge, u, v in edges if edge in listed)
    order = sorted(edges, key=lambda e: (not states[e[0]] & FIRST, keys[e[0]]))
    assert {edge for edge, _ in merges(order, shape)} <= set(listed)


@pytest.mark.parametrize(("n_channels", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (12, 4), (256, 8)])
def test_channels_get_as_few_bits_as_they_need_and_voxels_the_rest(n_channels, bits):
    assert channel_bits(n_channels) == bits
    voxels = most_voxels(n_channels)
    assert voxels == min(2 ** (32 - bits), 2**31 - 1)
    word = np.uint64((7 << KEY_BITS) | ((voxels - 1) << bits) | (n_channels - 1))
    steps = np.arange(n_channels) - n_channels
    assert edge_ends(word, bits, steps) == (n_channels - 1, voxels - 1, voxels - 2)
