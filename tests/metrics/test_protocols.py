"""Protocols are data with rules of their own."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.errors import ArgumentError
from objectwise.metrics import PROTOCOLS, Protocol, evaluate, find_protocol


def test_the_cremi_protocol_ignores_background_and_the_reserved_ids():
    assert set(PROTOCOLS["cremi"].ignored_truth) == {0, 2**64 - 1, 2**64 - 2, 2**64 - 3}
    assert PROTOCOLS["cremi"].ignored_segmentation == ()


def test_every_protocol_is_found_by_its_name_or_itself():
    for name, protocol in PROTOCOLS.items():
        assert find_protocol(name) is protocol is find_protocol(protocol)
        assert protocol.name == name


def test_ids_may_be_numbers_of_numpy():
    truth = np.array([0, 1, 2**64 - 1], np.uint64)
    mine = Protocol("mine", ignored_truth=tuple(truth[[0, 2]]))
    scores = evaluate(truth=truth, segmentation=truth, protocol=mine)
    assert scores == evaluate(truth=truth, segmentation=truth)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ArgumentError, match="`protocol` must be one of 'cremi', 'distinct_pairs', got 'creme'"
    ):
        find_protocol("creme")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rand_pairs": "all"}, "`rand_pairs` must be one of"),
        ({"border_distance": -1.0}, "`border_distance` must be finite and not negative"),
        ({"ignored_truth": (1.5,)}, "`ignored_truth` must hold ids from 0 .*, integers, got 1.5"),
        ({"ignored_truth": (1.0,)}, "`ignored_truth` must hold ids from 0 .*, integers, got 1.0"),
        ({"ignored_truth": (True,)}, "`ignored_truth` must hold ids from 0 .*, integers, got True"),
        ({"ignored_truth": "12"}, "`ignored_truth` must hold ids from 0 .*, integers, got '1'"),
        ({"ignored_segmentation": 7}, "`ignored_segmentation` must be a collection of ids, got 7"),
        ({"ignored_truth": (0, -1)}, "`ignored_truth` must hold ids from 0 .*, got -1"),
        (
            {"ignored_segmentation": (2**64,)},
            "`ignored_segmentation` must hold ids .*, got 18446744073709551616",
        ),
    ],
)
def test_an_impossible_protocol_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Protocol("mine", **options)
