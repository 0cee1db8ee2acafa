"""Components above a threshold against a flood fill, edge by edge."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectwise.graph.axes import as_channels, as_steps
from objectwise.kernels.components import components_above, numbered
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs


@given(labelled_graphs(levels=4), st.integers(-1, 5))
def test_components_equal_a_flood_fill_with_ties_at_the_threshold(graph, level):
    affinities, labels, offsets = graph
    threshold = np.float32(level / 4)
    joined = [(u, v) for edge, u, v in oracle.edges_of(labels.shape, offsets) if affinities[edge] > threshold]
    found = components_above(as_channels(affinities), as_steps(np.array(offsets)), threshold)
    np.testing.assert_array_equal(found.reshape(labels.shape), oracle.components(labels.shape, joined))


def test_numbers_follow_the_first_member_and_leave_single_members_out():
    parents = np.array([3, ~1, 4, ~2, ~3, 4])
    np.testing.assert_array_equal(numbered(parents), [1, 0, 2, 1, 2, 2])
