"""NIfTI: the order of the axes, the place of a cut, scaled values, headers of others."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from objectwise.data import read_volume, write_volume
from objectwise.errors import DtypeError, ShapeError, VolumeError

# Voxel axes to world axes: x runs to the left, y upwards, z to the front, as in a sagittal scan.
ROTATED = np.array([[0, 0, 3.0, -12.5], [-0.5, 0, 0, 150.25], [0, -0.5, 0, 202.0], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> None:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def test_axes_are_reversed_from_disk_to_memory(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    save(tmp_path / "a.nii", array, np.diag([7.0, 8, 9, 1]))
    volume = read_volume(tmp_path / "a.nii")
    assert volume.array.shape == (4, 3, 2)
    assert volume.array[3, 2, 1] == array[1, 2, 3]
    assert volume.voxel_size == (9.0, 8.0, 7.0)
    assert volume.offset == (0.0, 0.0, 0.0)


def test_written_file_is_what_nibabel_expects(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint16).reshape(4, 3, 2)
    write_volume(tmp_path / "a.nii.gz", array, voxel_size=(9, 8, 7), offset=(30, 20, 10))
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), array.T)
    np.testing.assert_array_equal(image.affine, [[7, 0, 0, 10], [0, 8, 0, 20], [0, 0, 9, 30], [0, 0, 0, 1]])
    assert image.get_data_dtype() == np.uint16


@pytest.mark.parametrize("affine", [np.diag([0.5, 0.5, 3.0, 1.0]), ROTATED, np.diag([-1.0, 2, 3, 1])])
def test_offset_of_a_cut_moves_along_the_axes_of_the_array(affine: np.ndarray, tmp_path: Path) -> None:
    array = np.zeros((4, 5, 6), np.uint8)
    image = nibabel.Nifti1Image(array, affine)
    nibabel.save(image, tmp_path / "whole.nii")
    nibabel.save(image.slicer[1:, 2:, 3:], tmp_path / "cut.nii")
    whole, cut = read_volume(tmp_path / "whole.nii"), read_volume(tmp_path / "cut.nii")
    assert cut.voxel_size == whole.voxel_size
    moved = np.subtract(cut.offset, whole.offset)
    np.testing.assert_allclose(moved, np.multiply((3, 2, 1), whole.voxel_size), rtol=1e-5)


def test_header_without_position_gives_offset_zero(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.uint8), None)
    image.header.set_zooms((2, 3, 4))
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert (volume.voxel_size, volume.offset) == ((4.0, 3.0, 2.0), (0.0, 0.0, 0.0))


def test_scaled_values_are_float64(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.array.dtype == np.float64
    np.testing.assert_allclose(volume.array.T.ravel(), 10 + np.arange(24) / 2)


def test_trailing_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1, 1)
    save(tmp_path / "a.nii", array)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, array[..., 0, 0].T)
    sections = read_volume(tmp_path / "a.nii", sections=(1, 3)).array
    np.testing.assert_array_equal(sections, array[:, :, 1:3, 0, 0].T)


def test_time_series_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", np.zeros((2, 3, 4, 5), np.uint8))
    with pytest.raises(ShapeError, match=r"a\.nii` must be an image .* got shape \(2, 3, 4, 5\)"):
        read_volume(tmp_path / "a.nii")


def test_float16_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(
        DtypeError, match=r"float32 and float64 as NIfTI, got dtype float16; convert on purpose"
    ):
        write_volume(tmp_path / "a.nii", np.zeros((2, 3), np.float16))
    assert not list(tmp_path.iterdir())


def test_axis_beyond_16_bit_is_written_as_nifti_2(tmp_path: Path) -> None:
    array = np.arange(40000, dtype=np.int32)[None]
    write_volume(tmp_path / "a.nii", array)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, array)


def test_damage_that_decompresses_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_volume(path, np.random.default_rng(0).integers(0, 255, (40, 50, 60), dtype=np.uint8))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 9
    damaged = bytearray(gzip.compress(bytes(content)))
    damaged[-8:-4] = path.read_bytes()[-8:-4]  # the checksum of the voxels as they were
    path.write_bytes(damaged)
    with pytest.raises(VolumeError, match=r"a\.nii\.gz` must be a readable NIfTI, got 'CRC check failed"):
        read_volume(path)
    with pytest.raises(VolumeError, match="CRC check failed"):
        read_volume(path, sections=(0, 1))
