"""Zarr: both versions, joining a store, what is never replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import zarr

from objectwise.data import describe_volume, read_volume, write_volume
from objectwise.errors import ObjectwiseWarning, VolumeError

ARRAY = np.random.default_rng(0).integers(0, 2**64, (5, 6, 7), dtype=np.uint64)


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_both_versions_are_read(version: Literal[2, 3], tmp_path: Path) -> None:
    root = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=version)
    array = root.create_array("volumes/raw", data=ARRAY, chunks=(2, 3, 4))
    array.attrs.update({"resolution": [40, 4.5, 4], "offset": [1, 2, 3]})
    volume = read_volume(tmp_path / "a.zarr:volumes/raw", sections=(1, 4))
    np.testing.assert_array_equal(volume.array, ARRAY[1:4])
    assert volume.voxel_size == (40.0, 4.5, 4.0)
    assert volume.offset == (41.0, 2.0, 3.0)


@pytest.mark.parametrize("version", [2, 3])
def test_new_array_joins_a_store_in_its_version(version: Literal[2, 3], tmp_path: Path) -> None:
    root = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=version)
    root.create_array("volumes/raw", data=ARRAY)
    for name in ("volumes/labels/ids", "volumes/other", "top"):
        write_volume(tmp_path / f"a.zarr:{name}", ARRAY + np.uint64(1), voxel_size=(3, 2, 1))
    opened = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert {name for name, _ in opened.members(max_depth=None)} == {
        "volumes", "volumes/raw", "volumes/labels", "volumes/labels/ids", "volumes/other", "top",
    }  # fmt: skip
    assert all(node.metadata.zarr_format == version for _, node in opened.members(max_depth=None))
    np.testing.assert_array_equal(opened["volumes/labels/ids"][:], ARRAY + np.uint64(1))
    np.testing.assert_array_equal(opened["volumes/raw"][:], ARRAY)
    assert opened["top"].attrs["resolution"] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("version", [2, 3])
def test_damaged_chunk_is_found_by_its_checksum(version: Literal[2, 3], tmp_path: Path) -> None:
    zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=version)
    write_volume(tmp_path / "a.zarr:raw", ARRAY)
    (chunk,) = (
        file
        for file in (tmp_path / "a.zarr" / "raw").rglob("*")
        if file.is_file() and file.stat().st_size > 1000
    )
    content = bytearray(chunk.read_bytes())
    content[700] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(VolumeError, match=r"a\.zarr:raw` must be a readable Zarr"):
        read_volume(tmp_path / "a.zarr:raw")


@pytest.mark.parametrize("version", [2, 3])
def test_missing_chunks_are_said(version: Literal[2, 3], tmp_path: Path) -> None:
    root = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=version)
    sparse = ARRAY.copy()
    sparse[2:4] = 0  # Zarr does not store chunks of the fill value
    root.create_array("raw", data=sparse, chunks=(2, 3, 4))
    with pytest.warns(ObjectwiseWarning, match=r"a\.zarr:raw` has chunks that are not stored, .* read as 0"):
        np.testing.assert_array_equal(read_volume(tmp_path / "a.zarr:raw").array, sparse)
    with pytest.warns(ObjectwiseWarning, match="not stored"):
        read_volume(tmp_path / "a.zarr:raw", sections=(1, 3))
    for sections in ((0, 2), (4, 5)):  # warnings are errors
        read_volume(tmp_path / "a.zarr:raw", sections=sections)


def test_what_we_write_stores_every_chunk(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.zarr:raw", np.zeros((40, 3, 3), np.uint8))
    assert not read_volume(tmp_path / "a.zarr:raw").array.any()


def test_groups_arrays_above_and_foreign_folders_are_never_replaced(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.zarr:volumes/raw", ARRAY)
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "thesis.txt").write_text("the only copy")
    for location, message in [
        ("a.zarr", "must name an array, got a group or folder, which is never replaced"),
        ("a.zarr:volumes", "must name an array, got a group or folder, which is never replaced"),
        ("a.zarr:volumes/raw/x", "must lie in a group, got the array 'raw' above it"),
        ("b.zarr", "must name an array, got a group or folder, which is never replaced"),
        ("b.zarr:x", "must lie in a Zarr group, got .*b.zarr, which is none"),
    ]:
        with pytest.raises(VolumeError, match=message):
            write_volume(tmp_path / location, ARRAY, overwrite=True)
    assert (tmp_path / "b.zarr" / "thesis.txt").exists()
    np.testing.assert_array_equal(read_volume(tmp_path / "a.zarr:volumes/raw").array, ARRAY)


def test_store_with_consolidated_metadata_is_not_extended(tmp_path: Path) -> None:
    root = zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=2)
    root.create_array("raw", data=ARRAY)
    zarr.consolidate_metadata(str(tmp_path / "a.zarr"), zarr_format=2)
    with pytest.raises(VolumeError, match="must lie in a Zarr without consolidated metadata"):
        write_volume(tmp_path / "a.zarr:more", ARRAY)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"resolution": [1, 2]},
            r"states a wrong voxel size or offset: `voxel_size` must hold one number per axis",
        ),
        ({"resolution": [1, 0, 1]}, "states a wrong voxel size or offset: `voxel_size` must be positive"),
        ({"offset": ["a", "b", "c"]}, "must have numbers in its attribute 'offset'"),
    ],
)
def test_wrong_attributes_are_refused(attributes: dict, message: str, tmp_path: Path) -> None:
    zarr.create_array(store=str(tmp_path / "a.zarr"), data=ARRAY, attributes=attributes)
    with pytest.raises(VolumeError, match=message):
        describe_volume(tmp_path / "a.zarr")
