"""Hypothesis strategies for pairs of label arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

shapes = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4)


@st.composite
def label_pairs(draw, low=0):
    """Truth with at least one object, and a segmentation, of one shape."""
    shape = draw(shapes)
    truth = draw(hnp.arrays(np.int64, shape, elements=st.integers(low, 3)))
    truth.flat[draw(st.integers(0, truth.size - 1))] = 1
    return truth, draw(hnp.arrays(np.int64, shape, elements=st.integers(low, 3)))
