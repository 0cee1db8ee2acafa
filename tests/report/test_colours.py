"""Colours belong to ids, and a right segment has its object's."""

from __future__ import annotations

import numpy as np

from objectwise.report.colours import ERROR_COLOURS, instance_colours, matching_ids
from objectwise.report.overlaps import CellTable
from tests.report.made_up import blocks, with_errors


def test_colour_depends_on_the_id_alone() -> None:
    few, many = np.array([0, 3, 9], np.uint64), np.arange(10, dtype=np.int64)
    np.testing.assert_array_equal(instance_colours(few), instance_colours(many)[[0, 3, 9]])
    assert instance_colours(few)[0].tolist() == [0, 0, 0]


def test_consecutive_ids_differ_in_colour() -> None:
    colours = instance_colours(np.arange(1, 400)).astype(int)
    step = np.abs(np.diff(colours, axis=0)).sum(axis=1)
    assert np.median(step) > 80
    assert (step < 20).mean() < 0.03


def test_segment_takes_the_colour_of_its_object_only_where_it_is_right() -> None:
    truth = blocks(1)
    table = CellTable.count(truth=truth, segmentation=with_errors(truth))
    chosen = dict(zip(table.segment_ids.tolist(), matching_ids(table).tolist(), strict=True))
    assert chosen[0] == 0
    assert chosen[11] == 1  # the larger piece of object 1
    assert chosen[20] == 2  # joins 2 and 3, which are equally large
    assert chosen[12] >= 2**63


def test_error_colours_differ_in_lightness_or_hue_for_every_pair() -> None:
    colours = np.array(list(ERROR_COLOURS.values()), dtype=int)
    for first in range(3):
        for second in range(first):
            assert np.abs(colours[first] - colours[second]).sum() > 150
