"""The errors that the report lists: right by an oracle, located where a reader looks."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import DtypeError, ShapeError
from objectwise.metrics import section_tables
from objectwise.report import ErrorRegion, largest_errors
from objectwise.report.errors_found import MINIMUM_FRACTION, MINIMUM_VOXELS, contact, find_errors
from tests.oracles.object_errors import object_errors
from tests.report.made_up import blocks, with_errors


@st.composite
def label_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Coarse random labels, enlarged so that some cells count and some do not."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)))
    zoom = draw(st.sampled_from([2, 3, 5]))
    labels = [
        draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4))).repeat(zoom, 1).repeat(zoom, 2)
        for _ in range(2)
    ]
    return labels[0], labels[1]


@given(label_pairs())
def test_errors_are_those_of_the_oracle(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = pair
    found = largest_errors(truth=truth, segmentation=segmentation, limit=1000)
    expected = object_errors(
        truth, segmentation, minimum_voxels=MINIMUM_VOXELS, minimum_fraction=MINIMUM_FRACTION
    )
    assert {(e.kind, frozenset(e.truth_ids), frozenset(e.segment_ids), e.voxels) for e in found} == expected
    assert len(found) == len(expected)
    for error in found:
        assert int(truth[error.centre]) in error.truth_ids
        assert int(segmentation[error.centre]) in error.segment_ids


@given(label_pairs())
def test_errors_do_not_depend_on_the_ids(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = pair
    huge = np.array([0, 2**63 + 1, 2**63 + 2, 2**64 - 1, 7], np.uint64)
    plain = find_errors(truth=truth, segmentation=segmentation, limit=1000)
    renamed = find_errors(truth=huge[truth], segmentation=huge[segmentation], limit=1000)
    assert plain.number == renamed.number
    np.testing.assert_array_equal(plain.section_voxels, renamed.section_voxels)
    assert sorted(e.voxels for e in plain.regions) == sorted(e.voxels for e in renamed.regions)


def test_errors_name_the_cut_the_joined_and_the_missed() -> None:
    truth = blocks(1)
    found = largest_errors(truth=truth, segmentation=with_errors(truth))
    assert [(e.kind, e.truth_ids, e.segment_ids, e.voxels) for e in found] == [
        ("merge", (2, 3), (20,), 484),
        ("missed", (4,), (0,), 484),
        ("split", (1,), (11, 12), 154),
    ]


def test_split_is_located_beside_the_cut() -> None:
    truth = blocks(1)
    split = largest_errors(truth=truth, segmentation=with_errors(truth))[2]
    z, y, x = split.centre
    assert (z, x) == (0, 16)
    assert truth[z, y, x] == 1


def test_error_is_located_in_the_section_that_shows_it_best() -> None:
    truth = np.zeros((3, 20, 20), np.int64)
    truth[0, :, :2], truth[1, :, :10], truth[2, :, :3] = 1, 1, 1
    segmentation = truth * 5
    segmentation[:, 10:] *= 2
    (split,) = largest_errors(truth=truth, segmentation=segmentation)
    assert split.centre == (1, 10, 0)


def test_independent_sections_are_judged_alone() -> None:
    truth = np.ones((2, 10, 10), np.int64)
    segmentation = np.stack([np.full((10, 10), 3), np.full((10, 10), 4)])
    assert [e.kind for e in largest_errors(truth=truth, segmentation=segmentation)] == ["split"]
    assert largest_errors(truth=truth, segmentation=segmentation, linked_sections=False) == []


def test_ragged_border_is_no_error() -> None:
    truth = np.ones((1, 40, 60), np.int64)
    truth[..., 30:] = 2
    segmentation = np.ones((1, 40, 60), np.int64)
    segmentation[..., 31:] = 2
    assert largest_errors(truth=truth, segmentation=segmentation) == []


def test_segments_over_background_are_no_error() -> None:
    truth = np.zeros((1, 20, 20), np.int64)
    segmentation = np.ones_like(truth)
    assert largest_errors(truth=truth, segmentation=segmentation) == []


def test_limit_keeps_the_largest_and_the_numbers_count_all() -> None:
    truth = blocks(2)
    found = find_errors(truth=truth, segmentation=with_errors(truth), limit=1)
    assert [e.kind for e in found.regions] == ["merge"]
    assert found.number == {"split": 1, "merge": 1, "missed": 1}


def test_section_counts_add_up_to_the_errors() -> None:
    truth = blocks(4)
    found = find_errors(truth=truth, segmentation=with_errors(truth))
    by_kind = dict(zip(("split", "merge", "missed"), found.section_voxels.sum(axis=0).tolist(), strict=True))
    assert by_kind == {e.kind: e.voxels for e in found.regions}
    assert found.wrong_voxels.tolist() == [154 + 484 + 484] * 4
    assert found.object_voxels.tolist() == [4 * 484] * 4


@pytest.mark.parametrize("linked", [True, False])
def test_tables_counted_before_give_the_same_errors(linked: bool) -> None:
    truth = blocks(4)
    labels = {"truth": truth, "segmentation": with_errors(truth), "linked_sections": linked}
    tables = section_tables(truth=truth, segmentation=labels["segmentation"])
    known, counted = find_errors(**labels, tables=tables), find_errors(**labels)
    assert known.regions == counted.regions
    np.testing.assert_array_equal(known.section_voxels, counted.section_voxels)


def test_contact_is_none_where_the_section_does_not_hold_the_error() -> None:
    region = ErrorRegion("split", (1,), (1, 2), 30, (0, 0, 0))
    assert contact(np.ones((4, 4), np.int64), np.ones((4, 4), np.int64), region) is None


def test_contact_of_a_lone_piece_is_its_middle() -> None:
    region = ErrorRegion("split", (1,), (1, 2), 30, (0, 0, 0))
    assert contact(np.ones((5, 5), np.int64), np.full((5, 5), 2), region) == (2, 2)


def test_errors_refuse_unequal_shapes_floats_and_flat_labels() -> None:
    flat = np.ones((3, 3), np.int64)
    with pytest.raises(ShapeError, match="`truth` must have shape"):
        largest_errors(truth=flat, segmentation=flat)
    with pytest.raises(ShapeError, match="`truth` and `segmentation` must have the same shape"):
        largest_errors(truth=flat[None], segmentation=flat[None, :2])
    with pytest.raises(DtypeError, match="`segmentation` must hold integer ids"):
        largest_errors(truth=flat[None], segmentation=flat[None] / 2)
    with pytest.raises(ShapeError, match="`truth` must not be empty"):
        largest_errors(truth=flat[None, :0], segmentation=flat[None, :0])
