"""Hypothesis strategies for small graphs: any offsets, ties, objects in pieces, background."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst


@st.composite
def spatial_shapes(draw, max_voxels=36):
    """2-D or 3-D shapes with at least two voxels along every axis."""
    ndim = draw(st.integers(2, 3))
    longest = int(max_voxels ** (1 / ndim)) + 1
    return tuple(draw(st.lists(st.integers(2, longest), min_size=ndim, max_size=ndim)))


@st.composite
def offset_tables(draw, shape):
    """One to four different offsets that fit `shape`, of either sign."""
    step = st.tuples(*[st.integers(1 - n, n - 1) for n in shape]).filter(any)
    edge = lambda offset: max(offset, tuple(-o for o in offset))  # noqa: E731
    return draw(st.lists(step, min_size=1, max_size=4, unique_by=edge))


@st.composite
def labelled_graphs(draw, levels=None, max_id=3):
    """(affinities, labels, offsets); `levels` few distinct affinities make ties, None makes none."""
    shape = draw(spatial_shapes())
    offsets = draw(offset_tables(shape))
    labels = draw(npst.arrays(np.int64, shape, elements=st.integers(0, max_id)))
    size = (len(offsets), *shape)
    if levels is None:
        seed = draw(st.integers(0, 2**16))
        values = np.random.default_rng(seed).permutation(np.prod(size)).reshape(size)
        affinities = ((values + 1) / (values.size + 1)).astype(np.float32)
    else:
        steps = draw(npst.arrays(np.int64, size, elements=st.integers(0, levels)))
        affinities = (steps / levels).astype(np.float32)
    return affinities, labels, offsets
