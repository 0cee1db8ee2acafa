"""Tables of sections: counted once, they score the sections and the whole, and come back from a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from objectwise.errors import ArgumentError, VolumeError
from objectwise.metrics import (
    ContingencyTable,
    Protocol,
    evaluate,
    evaluate_sections,
    load_tables,
    mask_borders,
    save_tables,
    scores_of_sections,
    scores_of_table,
    section_tables,
)
from tests.metrics.strategies import label_pairs


def as_stack(pair):
    return {name: np.atleast_3d(labels) for name, labels in zip(("truth", "segmentation"), pair, strict=True)}


def stack():
    truth, segmentation = np.random.default_rng(0).integers(0, 5, (2, 4, 6, 7))
    return {"truth": truth, "segmentation": segmentation}


@given(label_pairs())
def test_tables_of_sections_add_up_to_the_table_of_the_stack(pair):
    labels = as_stack(pair)
    tables = section_tables(**labels)
    assert len(tables) == len(labels["truth"])
    whole = ContingencyTable.merged(tables)
    assert whole == ContingencyTable.from_labels(**labels)
    assert scores_of_table(whole) == evaluate(**labels)


@given(label_pairs())
def test_scores_of_the_tables_are_those_of_the_sections(pair):
    labels = as_stack(pair)
    scores = scores_of_sections(section_tables(**labels))
    assert np.array_equal(scores, evaluate_sections(**labels), equal_nan=True)


def test_borders_are_masked_before_voxels_are_counted():
    labels = {name: side.repeat(4, axis=1).repeat(4, axis=2) for name, side in stack().items()}
    rules = Protocol("masked", border_distance=0)
    tables = section_tables(**labels, protocol=rules)
    masked = {**labels, "truth": mask_borders(labels["truth"], 0)}
    assert tables == section_tables(**masked)
    assert scores_of_table(ContingencyTable.merged(tables)) == evaluate(**labels, protocol=rules)


@given(label_pairs())
def test_saved_tables_come_back(tmp_path_factory, pair):
    path = tmp_path_factory.mktemp("tables") / "tables.npz"
    for tables in (section_tables(**as_stack(pair)), [ContingencyTable.empty()] * 2, []):
        save_tables(path, tables)
        assert load_tables(path) == tables


def test_equal_tables_are_equal_bytes_and_a_file_is_replaced(tmp_path):
    for name in ("a.npz", "b.npz", "a.npz"):
        save_tables(tmp_path / name, section_tables(**stack()))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_no_flipped_bit_makes_other_tables(tmp_path):
    path = tmp_path / "tables.npz"
    tables = section_tables(**stack())
    save_tables(path, tables)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            assert load_tables(path) == tables
        except VolumeError as error:
            assert "must be a whole .npz file of contingency tables" in str(error)  # noqa: PT017


def test_a_file_that_holds_no_tables_is_refused(tmp_path):
    path = tmp_path / "tables.npz"
    with pytest.raises(VolumeError, match=r"got no such file: .*tables\.npz"):
        load_tables(path)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(VolumeError, match=r"must be a whole \.npz file .*tables\.npz"):
        load_tables(path)
    columns = {name: np.array([1, 2], np.uint64) for name in ("truth_ids", "segmentation_ids", "counts")}
    for n_rows in ([1], [3], [3, -1], [1.0, 1.0]):
        np.savez(path, rows_of_section=np.array(n_rows), **columns)
        with pytest.raises(VolumeError, match="`rows_of_section` must"):
            load_tables(path)
    np.savez(path, rows_of_section=np.array([2]), **{**columns, "truth_ids": np.array([2, 1])})
    with pytest.raises(VolumeError, match="`truth_ids` and `segmentation_ids` must ascend"):
        load_tables(path)
    np.savez(path, rows_of_section=np.array([2]))
    with pytest.raises(VolumeError, match="truth_ids"):
        load_tables(path)


def test_only_stacks_have_sections():
    with pytest.raises(ArgumentError, match=r"`truth` must be a stack \(z, y, x\) .* got shape \(2, 2\)"):
        section_tables(truth=np.ones((2, 2), int), segmentation=np.ones((2, 2), int))
