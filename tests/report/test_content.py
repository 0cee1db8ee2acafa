"""Content that does not fit is refused at the door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.metrics import ContingencyTable
from objectwise.report import read_curves
from tests.report.made_up import run, volume


def test_volume_refuses_parts_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="`raw` and `segmentation` must have the same shape"):
        volume(raw=np.zeros((3, 4, 5)))
    with pytest.raises(ShapeError, match="`truth` and `segmentation` must have the same shape"):
        volume(truth=np.zeros((3, 4, 5), np.int64))
    with pytest.raises(DtypeError, match="`truth` must hold integer ids"):
        volume(truth=np.zeros((3, 48, 48)))
    with pytest.raises(ShapeError, match=r"`affinities` must have shape \(k, z, y, x\)"):
        volume(affinities=np.zeros((3, 48, 48), np.float32))
    with pytest.raises(ShapeError, match=r"`section_scores` must have one entry per section \(3\), got 1"):
        volume(section_scores=[{}])
    with pytest.raises(ShapeError, match=r"`tables` must count every voxel of each of the 3 sections once"):
        volume(tables=[ContingencyTable.empty()] * 3)
    with pytest.raises(ShapeError, match=r"`segmentation` must have shape \(z, y, x\)"):
        volume(segmentation=np.zeros((4, 4), np.int64))


def test_affinities_are_read_one_section_at_a_time() -> None:
    asked = []

    def reader(z: int) -> np.ndarray:
        asked.append(z)
        return np.zeros((3, 48, 48), np.float32)

    content = volume(affinities=reader)
    assert asked == []
    assert content.affinity_section(2) is not None
    assert asked == [2]


def test_affinity_reader_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ShapeError, match=r"`affinities` must give .* for section 1, got"):
        volume(affinities=lambda z: np.zeros((48, 48))).affinity_section(1)


def test_run_refuses_curves_without_steps_and_of_unequal_length() -> None:
    with pytest.raises(ArgumentError, match="`curves` must have a column 'step'"):
        run(curves={"loss": [1]})
    with pytest.raises(ShapeError, match="`curves` must have columns of one length"):
        run(curves={"step": [1, 2], "loss": [1]})


def test_run_refuses_two_volumes_of_one_name() -> None:
    with pytest.raises(ArgumentError, match="`volumes` must have different names, got 'cube' twice"):
        run(volumes=[volume(), volume()])


def test_curves_are_read_with_blanks_as_undefined(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss,note\n0,0.5,\n1,,word\n", encoding="utf-8")
    curves = read_curves(path)
    assert list(curves) == ["step", "loss", "note"]
    np.testing.assert_array_equal(curves["step"], [0, 1])
    np.testing.assert_array_equal(curves["loss"], [0.5, np.nan])
    assert np.isnan(curves["note"]).all()


def test_curves_of_an_empty_log_are_empty(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("", encoding="utf-8")
    assert read_curves(tmp_path / "metrics.csv") == {}
