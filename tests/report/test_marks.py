"""Marks lie where a reader would draw them."""

from __future__ import annotations

import numpy as np

from objectwise.report.errors_found import CellErrors, find_errors
from objectwise.report.marks import find_marks, grown, outline
from objectwise.report.overlaps import CellTable
from tests.report.made_up import blocks, with_errors


def test_split_border_lies_along_the_cut_inside_its_object() -> None:
    truth, segmentation = blocks(1)[0], with_errors(blocks(1))[0]
    cells = CellErrors.classify(CellTable.count(truth=truth, segmentation=segmentation))
    split = find_marks(truth, segmentation, cells).borders["split"]
    assert np.unique(np.nonzero(split)[1]).tolist() == [15]
    assert (truth[split] == 1).all()


def test_merge_border_lies_between_the_joined_objects_across_background() -> None:
    truth = np.zeros((20, 21), np.int64)
    truth[:, :9], truth[:, 12:] = 1, 2
    segmentation = np.where(truth > 0, 7, 0)
    segmentation[5] = 7
    cells = CellErrors.classify(CellTable.count(truth=truth, segmentation=segmentation))
    marks = find_marks(truth, segmentation, cells)
    rows, columns = np.nonzero(marks.borders["merge"])
    assert rows.tolist() == list(range(20))
    assert ((columns >= 8) & (columns < 12)).all()
    assert not marks.borders["split"].any()
    assert marks.areas["merge"].sum() == 9 * 20
    assert marks.merged.any()


def test_missed_object_is_outlined_and_filled() -> None:
    truth, segmentation = blocks(1)[0], with_errors(blocks(1))[0]
    cells = CellErrors.classify(CellTable.count(truth=truth, segmentation=segmentation))
    marks = find_marks(truth, segmentation, cells)
    np.testing.assert_array_equal(marks.areas["missed"], truth == 4)
    assert marks.borders["missed"].sum() > 4 * 20


def test_one_error_alone_leaves_the_others_unmarked() -> None:
    truth, segmentation = blocks(1), with_errors(blocks(1))
    errors = find_errors(truth=truth, segmentation=segmentation)
    (split,) = [region for region in errors.regions if region.kind == "split"]
    marks = find_marks(truth[0], segmentation[0], errors.section_cells(0).only(split))
    assert marks.borders["split"].any()
    for forgotten in (marks.borders["merge"], marks.areas["missed"], marks.merged):
        assert not forgotten.any()


def test_right_segmentation_has_no_marks() -> None:
    truth = blocks(1)[0]
    marks = find_marks(truth, truth, CellErrors.classify(CellTable.count(truth=truth, segmentation=truth)))
    assert not any(mask.any() for mask in (*marks.borders.values(), *marks.areas.values(), marks.merged))


def test_grown_labels_stop_at_their_reach() -> None:
    labels = np.array([[4, 0, 0, 0, 0, 0, 9]])
    assert grown(labels, 2).tolist() == [[4, 4, 4, 0, 9, 9, 9]]
    assert grown(np.zeros((2, 2), np.int64), 2).sum() == 0


def test_outline_marks_one_side_of_each_border() -> None:
    assert outline(np.array([[1, 1, 2], [1, 1, 2]])).astype(int).tolist() == [[0, 1, 0], [0, 1, 0]]
