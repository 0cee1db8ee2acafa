"""Lists of edges to sort: which edges exist, which come first, and the words that say which edge is which.

The payload of a word (see `edge_order`) holds the voxel above the channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined
from objectwise.kernels.cycles import EXISTS, FIRST, settle_cycles
from objectwise.kernels.edge_order import KEY_BITS
from objectwise.kernels.edges import first_inside, stop_inside
from objectwise.kernels.union_find import find, join

MOST_VOXELS = 2**31 - 1
"""The sizes of sets are int32."""


def most_voxels(n_channels: int) -> int:
    """Return how many voxels a graph may have for voxel and channel of an edge to fit into 32 bits."""
    return min(2**KEY_BITS >> channel_bits(n_channels), MOST_VOXELS)


def edge_states(labels: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the state of every edge, (k, z, y, x): EXISTS inside the volume, and FIRST within an object."""
    states = np.zeros((len(offsets), *labels.shape), np.uint8)
    _write_states(labels, offsets, states)
    return states


def edges_to_sort(
    keys: NDArray[np.uint32], states: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """List the edges that a forest may need, as words for `sort_by_key`: those FIRST, and the rest."""
    settle_cycles(keys, states, offsets)
    return list_edges(keys.reshape(len(offsets), -1), states.reshape(len(offsets), -1))


@compiled
def channel_bits(n_channels: int) -> int:
    """Return how many low bits of a payload name the channel; the voxel stands above them."""
    bits = 0
    while (1 << bits) < n_channels:
        bits += 1
    return bits


@compiled
def _write_states(labels: NDArray[Any], offsets: NDArray[np.int64], states: NDArray[np.uint8]) -> None:
    depth, height, width = labels.shape
    for c in range(len(offsets)):
        dz, dy, dx = offsets[c]
        low, stop = first_inside(dx), stop_inside(dx, width)
        for z in range(first_inside(dz), stop_inside(dz, depth)):
            for y in range(first_inside(dy), stop_inside(dy, height)):
                here, there = labels[z, y, low:stop], labels[z + dz, y + dy, low + dx : stop + dx]
                row = states[c, z, y, low:stop]
                for x in range(row.size):
                    is_within = (here[x] == there[x]) & (here[x] != 0)
                    row[x] = EXISTS | FIRST if is_within else EXISTS


def list_edges(
    keys: NDArray[np.uint32], states: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Pack the edges that are not settled, in index order, into a list for FIRST and one for the others."""
    n_first, n_later = _count_open(states)
    # One word more than is needed, see `_pack_open`; made by NumPy, which asks for huge pages.
    first, later = np.empty(n_first + 1, np.uint64), np.empty(n_later + 1, np.uint64)
    _pack_open(keys, states, first, later)
    return first[:n_first], later[:n_later]


@compiled
def _count_open(states: NDArray[np.uint8]) -> tuple[int, int]:
    n_first, n_later = 0, 0
    for state in states.flat:
        n_first += state == EXISTS | FIRST
        n_later += state == EXISTS
    return n_first, n_later


@compiled
def _pack_open(
    keys: NDArray[np.uint32],
    states: NDArray[np.uint8],
    first: NDArray[np.uint64],
    later: NDArray[np.uint64],
) -> None:
    """Write every edge to the end of its list and keep it by moving that end.

    A branch on the state would be mispredicted for every other edge.
    """
    n_channels, n_voxels = keys.shape
    n_first, n_later = 0, 0
    bits = np.uint64(channel_bits(n_channels))
    for c in range(n_channels):
        for v in range(n_voxels):
            word = (np.uint64(keys[c, v]) << np.uint64(KEY_BITS)) | (np.uint64(v) << bits) | np.uint64(c)
            state = states[c, v]
            first[n_first] = word
            n_first += state == EXISTS | FIRST
            later[n_later] = word
            n_later += state == EXISTS


@inlined
def edge_ends(word: int, bits: int, steps: NDArray[np.int64]) -> tuple[int, int, int]:
    """Return the channel and the two voxels of a packed edge."""
    payload = np.int64(word & np.uint64(2**KEY_BITS - 1))
    channel, voxel = payload & ((1 << bits) - 1), payload >> bits
    return channel, voxel, voxel + steps[channel]


@compiled
def join_ends(words: NDArray[np.uint64], steps: NDArray[np.int64], parents: NDArray[np.int32]) -> None:
    """Join the two ends of every edge in a union-find, in any order."""
    bits = channel_bits(len(steps))
    for word in words:
        _, voxel, other = edge_ends(word, bits, steps)
        u, v = find(parents, voxel), find(parents, other)
        if u != v:
            join(parents, u, v)
