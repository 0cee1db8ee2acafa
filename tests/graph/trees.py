"""Small graphs, their pairs, and the tree of a row of voxels."""

from __future__ import annotations

import itertools

import numpy as np

from objectwise.graph import maximin_tree
from tests.strategies import labelled_graphs

CHAIN = [[0, -1]]

GRAPHS = labelled_graphs() | labelled_graphs(levels=1) | labelled_graphs(levels=4)


def all_pairs(n_voxels):
    """Every ordered pair of voxels, each with itself too."""
    return np.array(list(itertools.product(range(n_voxels), repeat=2)))


def chain_tree(values):
    """Tree of a row of voxels; `values[i]` joins voxels i and i + 1."""
    return maximin_tree(np.array([[[0.0, *values]]], np.float32), CHAIN)
