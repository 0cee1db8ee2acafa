"""Turns of volumes and affinities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, ShapeError
from objectwise.graph import affinities_from_labels
from objectwise.graph.turns import Turn, turns

TABLES = {
    2: [[[-1, 0], [0, -1]], [[1, 0], [0, -1]], [[-1, 0], [0, -1], [0, 3], [-3, 0], [2, 1], [1, -2], [-2, 1], [-1, -2]]],
    3: [[[-1, 0, 0], [0, -1, 0], [0, 0, -1]], [[-1, 0, 0], [0, 0, 1], [0, -1, 0], [1, 1, 1], [1, -1, 1], [1, 1, -1], [-1, 1, 1]]],
}  # fmt: skip


@pytest.mark.parametrize("ndim", [2, 3])
@given(st.data())
def test_the_affinities_of_turned_labels_turned_back_are_those_of_the_labels(ndim, data):
    shape = data.draw(st.tuples(*[st.integers(4, 6)] * ndim))
    labels = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 3, shape)
    table = data.draw(st.sampled_from(TABLES[ndim]))
    turn = data.draw(st.sampled_from(list(turns(ndim, square=True))))
    turned = affinities_from_labels(np.ascontiguousarray(turn(labels)), table)
    np.testing.assert_array_equal(turn.affinities_back(turned, table), affinities_from_labels(labels, table))


@pytest.mark.parametrize(("ndim", "square", "n"), [(2, False, 4), (2, True, 8), (3, False, 8), (3, True, 16)])
def test_turns_are_all_different_and_go_back(ndim, square, n):
    array = np.arange(4**ndim).reshape((4,) * ndim)
    found = list(turns(ndim, square=square))
    assert len({turn(array).tobytes() for turn in found}) == len(found) == n
    for turn in found:
        np.testing.assert_array_equal(turn.back(turn(array)), array)


def test_an_offset_without_a_partner_is_refused():
    with pytest.raises(ArgumentError, match=r"must have \[-1, 2\] or its negative"):
        Turn((False, True)).affinities_back(np.zeros((1, 5, 5)), [[-1, -2]])


def test_other_axes_are_refused():
    with pytest.raises(ShapeError, match="`ndim`"):
        list(turns(4, square=False))
