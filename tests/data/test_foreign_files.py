"""Volumes as other programs write them: cut off, in the other byte order, without voxels."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from objectwise.data import describe_volume, read_volume
from objectwise.errors import ShapeError, VolumeError

FOREIGN = {
    "imagej.tif": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "one_page.tif": {"imagej": True, "truncate": True, "metadata": {"axes": "ZYX"}},
    "a.ome.tif": {"metadata": {"axes": "ZYX"}},
    "big_endian.tif": {"byteorder": ">"},
    "pages.tif": {"metadata": None},
    "tiles.tif": {"tile": (16, 16), "compression": "zlib"},
    "big.tif": {"bigtiff": True},
}


def write_foreign(folder: Path, name: str, array: np.ndarray) -> Path:
    """Write a volume as other programs do, and return the file to damage."""
    file = folder / name.partition(":")[0]
    if name in FOREIGN:
        tifffile.imwrite(file, array, photometric="minisblack", **FOREIGN[name])
    elif name == "v.h5:raw":
        with h5py.File(file, "w") as opened:
            opened["raw"] = array
    else:
        group = zarr.create_group(file, zarr_format=2 if "two" in name else 3)
        shards = (2, 16, 16) if "shards" in name else None
        codec = {"compressors": None} if "plain" in name else {}
        data = group.create_array(
            "raw", shape=array.shape, dtype=array.dtype, chunks=(1, 8, 8), shards=shards, **codec
        )
        data[:] = array
        return max(
            (path for path in (file / "raw").rglob("*") if path.is_file()),
            key=lambda path: path.stat().st_size,
        )
    return file


@pytest.mark.parametrize(
    "name", [*FOREIGN, "v.h5:raw", "two.zarr:raw", "three.zarr:raw", "plain.zarr:raw", "shards.zarr:raw"]
)
def test_truncated_file_of_others_is_one_sentence_or_whole(name: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2**16, (5, 16, 17)).astype(np.uint16)
    file = write_foreign(tmp_path, name, array)
    whole = file.read_bytes()
    refused: list[str] = []
    for length in [*range(0, len(whole), max(1, len(whole) // 30)), len(whole) - 1]:
        file.write_bytes(whole[:length])
        for sections in (None, (0, 2), (3, 5)):
            try:
                back = read_volume(tmp_path / name, sections=sections).array
            except (VolumeError, ShapeError) as error:
                refused.append(str(error))
            else:
                np.testing.assert_array_equal(back, array if sections is None else array[slice(*sections)])
    assert refused
    assert not any("\n" in message for message in refused)


def test_byte_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = array.astype(">f4")
    group = zarr.create_group(tmp_path / "v.zarr", zarr_format=2)
    group.create_array("raw", shape=array.shape, dtype=">f4", chunks=(2, 3, 4))[:] = array
    tifffile.imwrite(tmp_path / "v.tif", array, byteorder=">", photometric="minisblack")
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4), header=header), tmp_path / "v.nii")
    for name in ("v.h5:raw", "v.zarr:raw", "v.tif", "v.nii"):
        for sections in (None, (1, 3)):
            volume = read_volume(tmp_path / name, sections=sections)
            assert volume.array.dtype == np.float32
            assert volume.array.dtype.isnative
            np.testing.assert_array_equal(volume.array, array if sections is None else array[1:3])
        assert describe_volume(tmp_path / name).dtype.isnative


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 3)])
def test_volume_without_voxels_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("raw", shape, np.uint8)
    zarr.create_group(tmp_path / "v.zarr").create_array(
        "raw", shape=shape, dtype=np.uint8, chunks=(1,) * len(shape)
    )
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape[::-1], np.uint8), np.eye(4)), tmp_path / "v.nii")
    for name in ("v.h5:raw", "v.zarr:raw", "v.nii"):
        with pytest.raises(ShapeError, match=r"must not be empty, got shape \("):
            read_volume(tmp_path / name)
