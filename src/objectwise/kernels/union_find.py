"""Union-find on one flat array, the only one in the library.

Entry v holds the parent of v, or, where v is a root, `~size` (that is -1 - size, always negative): one array
instead of two halves the memory traffic of a forest, and size 0 (a voxel without a label) has a code too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.kernels.compiling import compiled, inlined


@inlined
def find(parents: NDArray[Any], node: int) -> int:
    """Return the root of `node`, halving its path on the way."""
    parent = parents[node]
    while parent >= 0:
        grandparent = parents[parent]
        if grandparent < 0:
            return parent
        parents[node] = grandparent
        node = grandparent
        parent = parents[node]
    return node


@inlined
def join(parents: NDArray[Any], first: int, second: int) -> int:
    """Join two different roots, the smaller below the larger, and return the root that stays."""
    size = np.int64(~parents[first]) + np.int64(~parents[second])
    if parents[first] > parents[second]:
        first, second = second, first
    parents[second] = first
    parents[first] = ~size
    return first


@compiled
def singletons(n: int) -> NDArray[np.int64]:
    """Return `n` roots of size 1."""
    return np.full(n, ~np.int64(1))


@compiled
def contract(parents: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Replace every entry of a forest by `~number` of its set; return the root of each set, and its entry.

    Sets are numbered by root, so that neighbours stay neighbours. There are far fewer of them than nodes, and
    a second union-find, over the sets, lives in a nearer cache.
    """
    n_sets = 0
    for v in range(parents.size):
        n_sets += parents[v] < 0
    roots, sets = np.empty(n_sets, np.int64), np.empty(n_sets, parents.dtype)
    number = 0
    for v in range(parents.size):
        if parents[v] < 0:
            roots[number], sets[number] = v, parents[v]
            parents[v] = ~number
            number += 1
    for v in range(parents.size):
        parents[v] = parents[find(parents, v)]
    return roots, sets
