"""A volume is read in parts, and what is stored together is read once."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from objectwise.data import read_in_parts, read_volume, volume_files, write_volume
from objectwise.data.formats import png
from tests.data.test_volumes import STACK, numbers


@pytest.mark.parametrize("sections", [None, (3, 17), (4, 5)])
@pytest.mark.parametrize("name", STACK)
def test_parts_are_the_volume(name: str, sections: tuple[int, int] | None, tmp_path: Path) -> None:
    sizes = {} if name == "folder" else {"voxel_size": (50, 4, 4), "offset": (100, 8, 0)}
    write_volume(tmp_path / name, numbers((20, 5, 6)), **sizes)
    whole = read_volume(tmp_path / name, sections=sections)
    parts = list(read_in_parts(tmp_path / name, sections=sections, most=3 * 5 * 6))
    np.testing.assert_array_equal(np.concatenate([part.array for part in parts]), whole.array)
    assert parts[0].offset == whole.offset
    assert {part.voxel_size for part in parts} == {whole.voxel_size}


def test_single_image_is_one_part(tmp_path: Path) -> None:
    write_volume(tmp_path / "v.tif", numbers((50, 60)))
    (part,) = read_in_parts(tmp_path / "v.tif", most=10)
    assert part.array.shape == (50, 60)


@pytest.mark.parametrize("name", ["v.h5:raw", "v.zarr:raw"])
def test_no_chunk_is_read_for_two_parts(name: str, tmp_path: Path) -> None:
    if name.startswith("v.h5"):
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file.create_dataset("raw", data=numbers((20, 4, 4)), chunks=(3, 2, 2))
    else:
        zarr.create_group(str(tmp_path / "v.zarr")).create_array(
            "raw", data=numbers((20, 4, 4)), chunks=(3, 2, 2)
        )
    parts = list(read_in_parts(tmp_path / name, sections=(1, 20), most=4 * 4 * 4))
    assert [len(part.array) for part in parts] == [2, 3, 3, 3, 3, 3, 2]
    parts = list(read_in_parts(tmp_path / name, sections=(1, 20), most=7 * 4 * 4))
    assert [len(part.array) for part in parts] == [5, 6, 6, 2]


def test_header_of_each_png_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_volume(tmp_path / "folder", numbers((20, 4, 4)))
    read = []
    original = png.header_of
    monkeypatch.setattr(png, "header_of", lambda path, name: read.append(path) or original(path, name))
    assert len(list(read_in_parts(tmp_path / "folder", most=16))) == 20
    assert len(read) == len(set(read)) == 20


@pytest.mark.parametrize("byteorder", [">", "<"])
def test_sections_of_voxels_in_one_piece_are_read_alone(
    byteorder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = numbers((20, 4, 4), "u2")
    # As ImageJ writes beyond 4 GB: one page, and the other sections behind it.
    options = {"imagej": True, "truncate": True, "metadata": {"axes": "ZYX"}} if byteorder == ">" else {}
    tifffile.imwrite(tmp_path / "v.tif", array, byteorder=byteorder, photometric="minisblack", **options)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    np.testing.assert_array_equal(read_volume(tmp_path / "v.tif", sections=(3, 5)).array, array[3:5])
    assert [len(part.array) for part in read_in_parts(tmp_path / "v.tif", most=5 * 32)] == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("version", "separator", "folders"), [(2, ".", 1), (2, "/", 1 + 4 + 8), (3, "/", 1 + 1 + 4 + 8)]
)
def test_changes_of_a_zarr_are_told_by_its_folders(
    version: int, separator: str, folders: int, tmp_path: Path
) -> None:
    keys = {"name": "v2" if version == 2 else "default", "separator": separator}
    root = zarr.create_group(str(tmp_path / "v.zarr"), zarr_format=version)
    root.create_array("raw", data=numbers((8, 4, 4)) + 1, chunks=(2, 2, 1), chunk_key_encoding=keys)
    found = volume_files(tmp_path / "v.zarr:raw")
    assert sum(path.is_dir() for path in found) == folders
    assert {path.name for path in found if path.is_file()} <= {"zarr.json", ".zarray", ".zattrs", ".zgroup"}
    before = {path: path.stat().st_mtime_ns for path in found if path.is_dir()}
    for path in before:
        os.utime(path, ns=(0, 0))
    zarr.open_array(str(tmp_path / "v.zarr"), path="raw")[7, 3, 3] = 9
    assert any(path.stat().st_mtime_ns for path in before)


def test_files_of_a_stack_are_its_sections_and_of_others_the_file(tmp_path: Path) -> None:
    write_volume(tmp_path / "folder", numbers((3, 4, 4)))
    (tmp_path / "folder" / "notes.txt").write_text("ignored")
    assert [path.name for path in volume_files(tmp_path / "folder")] == ["0000.png", "0001.png", "0002.png"]
    write_volume(tmp_path / "v.h5:raw", numbers((3, 4, 4)))
    assert volume_files(tmp_path / "v.h5:raw") == [tmp_path / "v.h5"]
