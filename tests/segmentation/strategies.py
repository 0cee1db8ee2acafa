"""Hypothesis strategies for small affinity graphs."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

TABLES = {
    2: ([[-1, 0], [0, -1]], [[0, 1], [1, 0], [2, -1]], [[0, -2]]),
    3: ([[-1, 0, 0], [0, -1, 0], [0, 0, -1]], [[0, 0, 1], [1, -1, 0]], [[0, 1, 1], [0, 0, -2]]),
}


@st.composite
def affinity_graphs(draw, dtype=np.float32):
    """Affinities in few steps (many ties), and the offsets that belong to them."""
    ndim = draw(st.sampled_from([2, 3]))
    offsets = np.array(draw(st.sampled_from(TABLES[ndim])))
    low = 1 + np.abs(offsets).max(axis=0)
    spatial = tuple(draw(st.integers(int(side), 4)) for side in low)
    steps = draw(hnp.arrays(np.int64, (len(offsets), *spatial), elements=st.integers(0, 5)))
    return (steps / 5).astype(dtype), offsets
