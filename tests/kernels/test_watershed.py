"""Flooding against Prim's algorithm, where ties are decided by the index of the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.graph.axes import as_channels, as_steps, as_volume
from objectwise.kernels.watershed import flood
from tests.oracles.segmentation import flood_one_by_one
from tests.strategies import labelled_graphs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(graph=labelled_graphs(levels=3, max_id=2) | labelled_graphs(max_id=2), data=st.data())
def test_flood_equals_prim_in_the_order_of_edges(dtype, graph, data):
    affinities, seeds, offsets = graph
    affinities, offsets = affinities.astype(dtype), np.array(offsets)
    seeds = seeds * data.draw(npst.arrays(np.bool_, seeds.shape))
    mask = data.draw(npst.arrays(np.bool_, seeds.shape, fill=st.just(True)))
    before = seeds.copy()
    found = flood(as_channels(affinities), as_steps(offsets), as_volume(seeds), as_volume(mask))
    np.testing.assert_array_equal(
        found.reshape(seeds.shape), flood_one_by_one(affinities, offsets, seeds, mask)
    )
    np.testing.assert_array_equal(seeds, before)
