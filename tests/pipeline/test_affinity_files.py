"""Affinities on disk come back exactly, with their neighborhood."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from objectwise.data import write_volume
from objectwise.errors import ArgumentError, ShapeError, VolumeError
from objectwise.pipeline import read_affinities, write_affinities

OFFSETS = np.array([[0, -1, 0], [0, 0, -1]])


def affinities() -> np.ndarray:
    return np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)


def test_affinities_come_back_exactly(tmp_path: Path):
    place = f"{tmp_path}/new/a.h5:volumes/predictions/affinities"
    write_affinities(place, affinities(), OFFSETS, voxel_size=(30, 6, 6), offset=(60, 0, 12))
    found = read_affinities(place)
    np.testing.assert_array_equal(found.array, affinities())
    np.testing.assert_array_equal(found.offsets, OFFSETS)
    assert found.voxel_size == (30, 6, 6)
    assert found.offset == (60, 0, 12)
    np.testing.assert_array_equal(read_affinities(place, section=2).array, affinities()[:, 2:3])


def test_other_data_sets_stay(tmp_path: Path):
    write_volume(f"{tmp_path}/a.h5:volumes/raw", np.ones((2, 2, 2), np.uint8))
    write_affinities(f"{tmp_path}/a.h5", affinities(), OFFSETS)
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file["volumes"]) == {"raw", "predictions"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_nothing_is_overwritten_by_accident(tmp_path: Path):
    write_affinities(f"{tmp_path}/a.h5", affinities(), OFFSETS)
    with pytest.raises(VolumeError, match=r"a\.h5:volumes/predictions/affinities` must not exist yet"):
        write_affinities(f"{tmp_path}/a.h5", affinities() / 2, OFFSETS)
    write_affinities(f"{tmp_path}/a.h5", affinities() / 2, OFFSETS, overwrite=True)
    np.testing.assert_array_equal(read_affinities(f"{tmp_path}/a.h5").array, affinities() / 2)


def test_wrong_places_and_tables_are_named(tmp_path: Path):
    with pytest.raises(ArgumentError, match="must be an HDF5 data set"):
        write_affinities(tmp_path / "a.tif", affinities(), OFFSETS)
    with pytest.raises(ShapeError, match="`offsets` must have one row per channel"):
        write_affinities(tmp_path / "a.h5", affinities(), OFFSETS[:1])
    with pytest.raises(VolumeError, match="must exist, got no such file"):
        read_affinities(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_text("words")
    with pytest.raises(VolumeError, match="must be a readable HDF5"):
        read_affinities(tmp_path / "b.h5")
    write_volume(f"{tmp_path}/c.h5:raw", np.ones((2, 2, 2), np.uint8))
    with pytest.raises(
        VolumeError, match=r"must name a data set .*got none of that name; the file holds raw"
    ):
        read_affinities(f"{tmp_path}/c.h5")
    with pytest.raises(VolumeError, match=r"must hold affinities \(k, z, y, x\) as float32 or float64"):
        read_affinities(f"{tmp_path}/c.h5:raw")


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_that_is_no_hdf5_is_not_written_over(tmp_path: Path, overwrite: bool):
    (tmp_path / "a.h5").write_text("words")
    with pytest.raises(VolumeError, match=r"a\.h5:volumes/predictions/affinities` must be a place where"):
        write_affinities(tmp_path / "a.h5", affinities(), OFFSETS, overwrite=overwrite)
    assert (tmp_path / "a.h5").read_text() == "words"


def test_group_is_never_replaced(tmp_path: Path):
    write_affinities(f"{tmp_path}/a.h5", affinities(), OFFSETS)
    with pytest.raises(VolumeError, match="got a group, which is never replaced"):
        write_affinities(f"{tmp_path}/a.h5:volumes/predictions", affinities(), OFFSETS, overwrite=True)


def test_precision_is_never_changed_in_silence(tmp_path: Path):
    precise = affinities().astype(np.float64) / 3
    write_affinities(f"{tmp_path}/a.h5", precise, OFFSETS)
    assert read_affinities(f"{tmp_path}/a.h5").array.dtype == np.float64
    np.testing.assert_array_equal(read_affinities(f"{tmp_path}/a.h5").array, precise)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["swapped"] = affinities().astype(">f4")
        file["half"] = affinities().astype(np.float16)
    swapped = read_affinities(f"{tmp_path}/b.h5:swapped").array
    assert swapped.dtype == np.dtype(np.float32)
    assert swapped.dtype.isnative
    np.testing.assert_array_equal(swapped, affinities())
    with pytest.raises(VolumeError, match=r"as float32 or float64, got .* dtype float16; convert"):
        read_affinities(f"{tmp_path}/b.h5:half")
