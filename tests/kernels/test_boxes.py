"""Distances of boxes against their definition, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectwise.kernels.boxes import box_distances, least_distances
from tests.oracles.published_instances import box_distance


@st.composite
def box_pairs(draw, ndim=3):
    """Two lists of boxes (n, ndim, 2), from small ones far apart to large ones that hold others."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lists = []
    for _ in range(2):
        n, far = draw(st.integers(1, 12)), draw(st.sampled_from([3, 20, 300]))
        starts = rng.integers(0, far, (n, ndim))
        lists.append(
            np.stack([starts, starts + rng.integers(1, draw(st.sampled_from([2, 9, 60])), (n, ndim))], -1)
        )
    return lists


def corners(box):
    """A box as the oracle has it: first corner, the one behind the last, and the middle rounded up."""
    start, stop = torch.from_numpy(box).unbind(-1)
    return start, stop, start + ((stop - start) / 2).ceil()


@pytest.mark.parametrize("ndim", [2, 3])
@given(data=st.data())
def test_least_distances_are_those_of_comparing_all(ndim, data):
    first, second = data.draw(box_pairs(ndim))
    pairs = [[box_distance(corners(a), corners(b)).item() for b in second] for a in first]
    np.testing.assert_array_equal(least_distances(first, second), np.min(pairs, 1))


@given(box_pairs())
def test_distances_to_partners_are_by_definition(pair):
    first, second = pair
    spacing, partners = np.array([2.0, 1, 0.5]), np.arange(len(first)) % len(second)
    for distance, a, b in zip(
        box_distances(first, second, partners, spacing), first, second[partners], strict=True
    ):
        a, b = a * spacing[:, None], b * spacing[:, None]
        common = np.clip(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0, None).prod()
        union = (a[:, 1] - a[:, 0]).prod() + (b[:, 1] - b[:, 0]).prod() - common
        hull = np.maximum(a[:, 1], b[:, 1]) - np.minimum(a[:, 0], b[:, 0])
        apart = ((a.mean(1) - b.mean(1)) ** 2).sum()
        np.testing.assert_allclose(distance, 1 - common / union + apart / (hull**2).sum())
