"""Contingency tables: exact, addable, blind to the size of ids."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import ContingencyTable
from objectwise.metrics import contingency as module
from tests.metrics.strategies import label_pairs
from tests.oracles.metrics import count_pairs


def table_of(truth, segmentation):
    return ContingencyTable.from_labels(truth=truth, segmentation=segmentation)


def as_dictionary(table):
    pairs = zip(table.truth_ids.tolist(), table.segmentation_ids.tolist(), strict=True)
    return dict(zip(pairs, table.counts.tolist(), strict=True))


@given(label_pairs())
def test_table_equals_counting_in_a_dictionary(pair):
    truth, segmentation = pair
    table = table_of(truth, segmentation)
    assert as_dictionary(table) == count_pairs(truth, segmentation)
    assert table.n_voxels == truth.size


@given(label_pairs(), st.integers(0, 2), st.integers(0, 4))
def test_tables_of_blocks_add_up_to_the_table_of_the_volume(pair, axis, cut):
    truth, segmentation = pair
    axis = min(axis, truth.ndim - 1)
    blocks = [
        table_of(*(np.take(labels, part, axis) for labels in pair))
        for part in (range(min(cut, truth.shape[axis])), range(cut, truth.shape[axis]))
    ]
    assert sum(blocks, start=ContingencyTable.empty()) == table_of(truth, segmentation)


@given(label_pairs())
def test_addition_has_a_zero_and_no_order(pair):
    table = table_of(*pair)
    other = table_of(pair[0], pair[0])
    assert table + ContingencyTable.empty() == table
    assert table + other == other + table


@given(st.lists(label_pairs(), max_size=8))
def test_the_sum_of_any_tables_is_that_of_all_their_voxels(pairs):
    tables = [table_of(*pair) for pair in pairs]
    rows = [np.concatenate([labels.ravel() for labels in side]) for side in zip(*pairs, strict=True)]
    expected = table_of(*rows) if pairs else ContingencyTable.empty()
    assert ContingencyTable.merged(tables) == expected
    assert ContingencyTable.merged(iter(tables)) == expected
    assert sum(tables, start=ContingencyTable.empty()) == expected
    assert sum(tables) == (expected if pairs else 0)


def test_adding_leaves_both_tables_as_they_were():
    rng = np.random.default_rng(0)
    tables = [table_of(*rng.integers(0, 30, (2, 40))) for _ in range(20)]
    before = [as_dictionary(table) for table in tables]
    total = ContingencyTable.empty()
    for n_added, table in enumerate(tables):
        branch = total + tables[0]  # two sums that go on from one
        total = total + table
        assert branch == ContingencyTable.merged([*tables[:n_added], tables[0]])
        assert total.n_voxels == 40 * (n_added + 1)
    assert [as_dictionary(table) for table in tables] == before


def test_a_sum_merges_each_row_a_few_times_however_many_tables_there_are(monkeypatch):
    merged = []
    merge = module._merged

    def counting(parts):
        merged.append(sum(len(rows.counts) for rows in parts))
        return merge(parts)

    monkeypatch.setattr(module, "_merged", counting)
    ids = np.arange(3200).reshape(200, 16)
    for blocks in (ids, ids % 16):  # no pair in two tables; the same pairs in all
        merged.clear()
        assert sum(table_of(block, block) for block in blocks).n_voxels == 3200
        assert sum(merged) <= 3 * 3200


def test_a_table_is_copied_and_sent_while_rows_still_wait():
    large, small = table_of(np.arange(100), np.arange(100)), table_of(np.array([3]), np.array([3]))
    total = large
    for _ in range(50):
        total = total + small
    assert pickle.loads(pickle.dumps(total)) == copy.deepcopy(total) == total
    assert repr(total) == "<ContingencyTable: 100 rows, 150 voxels>"


def test_a_saved_table_is_the_table(tmp_path):
    table = table_of(np.array([2**64 - 1, 0, 0], np.uint64), np.array([1, 2, 2]))
    np.savez(tmp_path / "table.npz", **table.arrays())
    with np.load(tmp_path / "table.npz", allow_pickle=False) as archive:
        assert ContingencyTable(**archive) == table


def test_neighbouring_ids_above_2_to_53_stay_apart():
    huge = np.array([2**53, 2**53 + 1, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)
    table = table_of(huge, huge[::-1])
    assert as_dictionary(table) == {(int(t), int(s)): 1 for t, s in zip(huge, huge[::-1], strict=True)}


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64, ">i4", ">u8"]
)
def test_table_does_not_depend_on_the_dtypes(dtype):
    truth, segmentation = np.array([[1, 1, 2], [0, 7, 7]]), np.array([[3, 3, 3], [4, 0, 100]])
    assert table_of(truth.astype(dtype), segmentation) == table_of(truth, segmentation)
    assert table_of(truth, segmentation.astype(dtype)) == table_of(truth, segmentation)


def test_table_of_strided_arrays_equals_that_of_their_copies():
    rng = np.random.default_rng(0)
    truth, segmentation = rng.integers(0, 9, (8, 10, 12)), rng.integers(0, 9, (16, 20, 12))[::-2, ::2]
    assert table_of(truth.T, segmentation.T) == table_of(truth, segmentation.copy())
    assert table_of(np.asfortranarray(truth), segmentation) == table_of(truth, segmentation.copy())


def test_table_does_not_depend_on_how_much_is_read_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    truth, segmentation = rng.integers(0, 5, (2, 7, 6, 5))
    whole = table_of(truth, segmentation)
    for voxels in (1, 60, 100):
        monkeypatch.setattr(module, "SLAB_VOXELS", voxels)
        assert table_of(truth, segmentation) == whole


def test_without_removes_the_voxels_of_an_id():
    truth, segmentation = np.array([0, 0, 1, 1, 2**64 - 1], np.uint64), np.array([5, 6, 5, 6, 6])
    table = table_of(truth, segmentation)
    assert as_dictionary(table.without(truth=[0, 2**64 - 1])) == {(1, 5): 1, (1, 6): 1}
    assert as_dictionary(table.without(segmentation=[6])) == {(0, 5): 1, (1, 5): 1}


def test_row_counts_are_the_sizes_of_the_objects():
    table = table_of(np.array([1, 1, 1, 2]), np.array([8, 9, 9, 9]))
    assert table.truth_counts().tolist() == [3, 3, 1]
    assert table.segmentation_counts().tolist() == [1, 3, 3]


def test_table_of_no_voxels_is_the_empty_table():
    assert table_of(np.zeros((0, 4), int), np.zeros((0, 4), int)) == ContingencyTable.empty()


@pytest.mark.parametrize(
    ("truth_ids", "segmentation_ids", "counts", "error", "message"),
    [
        (
            [2, 1],
            [5, 5],
            [1, 1],
            ArgumentError,
            r"must ascend, .* got \(1, 5\) after \(2, 5\) in row 1; sort",
        ),
        ([1, 1], [6, 5], [1, 1], ArgumentError, r"must ascend, .* got \(1, 5\) after \(1, 6\) in row 1"),
        (
            [1, 3, 3],
            [5, 5, 5],
            [1, 1, 1],
            ArgumentError,
            r"each pair once, got \(3, 5\) after \(3, 5\) in row 2",
        ),
        ([1], [5], [0], ArgumentError, "`counts` must be positive .*, got 0 in row 0"),
        ([1], [5], [2**63], ArgumentError, f"`counts` must be positive and fit into int64, got {2**63}"),
        ([1], [5], [-1], ArgumentError, "`counts` must be positive .*, got -1 in row 0"),
        ([-1], [5], [1], ArgumentError, "`truth_ids` must not be negative, got -1"),
        ([1.5], [5], [1], DtypeError, "`truth_ids` must hold integer ids .* float64"),
        (
            [1, 2],
            [5, 5],
            [1.0, 1.0],
            DtypeError,
            r"`counts` must hold integers \(voxels\), got dtype float64",
        ),
        ([1, 2], [5], [1, 1], ShapeError, r"`segmentation_ids` must have shape \(2,\), .* got \(1,\)"),
        ([[1]], [[5]], [[1]], ShapeError, r"`truth_ids` must have shape \(1,\), .* got \(1, 1\)"),
    ],
)
def test_rows_that_are_no_table_are_refused(truth_ids, segmentation_ids, counts, error, message):
    with pytest.raises(error, match=message):
        ContingencyTable(np.array(truth_ids), np.array(segmentation_ids), np.array(counts))


@pytest.mark.parametrize(
    ("truth", "segmentation", "error", "message"),
    [
        (np.ones((2, 2)), np.ones((2, 2), int), DtypeError, r"`truth` must hold integer ids .* float64"),
        (np.ones((2, 2), int), np.ones((2, 2), "f4"), DtypeError, r"`segmentation` must hold .* float32"),
        (
            np.ones(3, int),
            np.array([0, -7, 1]),
            ArgumentError,
            r"`segmentation` must not be negative, got -7 at",
        ),
        (np.ones((2, 3), int), np.ones((3, 2), int), ShapeError, r"`truth` and `segmentation` .* same shape"),
        ([1, 2], np.ones(2, int), DtypeError, r"`truth` must be a numpy array, got list"),
    ],
)
def test_wrong_labels_are_named(truth, segmentation, error, message):
    with pytest.raises(error, match=message):
        table_of(truth, segmentation)
