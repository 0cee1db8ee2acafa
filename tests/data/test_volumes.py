"""Round trips through every format, labels, pairs, and each failure with its sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from objectwise.data import (
    Volume,
    VolumeInfo,
    check_pair,
    describe_volume,
    read_labels,
    read_volume,
    write_volume,
)
from objectwise.errors import ArgumentError, DtypeError, ShapeError, VolumeError

EXACT = ["v.h5:volumes/raw", "v.hdf5:a", "v.tif", "v.tiff", "v.zarr:volumes/raw", "v.zarr"]
NIFTI = ["v.nii", "v.nii.gz"]
STACK = [*EXACT, *NIFTI, "folder"]
SINGLE = [*EXACT, *NIFTI, "v.png"]
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def arrays(dtype: str) -> st.SearchStrategy[np.ndarray]:
    shapes = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6)
    return hnp.arrays(np.dtype(dtype), shapes, elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False))


def numbers(shape: tuple[int, ...], dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 127, shape).astype(dtype)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Round trips


@pytest.mark.parametrize("name", [*EXACT, *NIFTI])
@settings(max_examples=20)
@given(data=st.data())
def test_volume_comes_back_bit_for_bit(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    array = data.draw(arrays(data.draw(st.sampled_from(DTYPES))))
    location = str(tmp_path_factory.mktemp("volume") / name)
    write_volume(location, array)
    volume = read_volume(location)
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.array, array)
    assert volume.voxel_size == (1.0,) * array.ndim
    assert volume.offset == (0.0,) * array.ndim
    info = describe_volume(location)
    assert (info.shape, info.dtype, info.location) == (array.shape, array.dtype, location)


@settings(max_examples=30)
@given(array=arrays("u1") | arrays("u2"))
def test_pngs_come_back_bit_for_bit(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    location = tmp_path_factory.mktemp("volume") / ("one.png" if array.ndim == 2 else "stack")
    write_volume(location, array)
    volume = read_volume(location)
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("name", [*EXACT, *NIFTI])
@pytest.mark.parametrize("ndim", [2, 3])
def test_voxel_size_and_offset_come_back_in_the_order_of_the_axes(
    name: str, ndim: int, tmp_path: Path
) -> None:
    voxel_size, offset = (40.5, 4.1, 0.3)[-ndim:], (120.0, -3.25, 0.1)[-ndim:]
    write_volume(tmp_path / name, numbers((4, 5, 6)[-ndim:]), voxel_size=voxel_size, offset=offset)
    volume, info = read_volume(tmp_path / name), describe_volume(tmp_path / name)
    assert volume.voxel_size == info.voxel_size == voxel_size
    assert volume.offset == info.offset == offset


@pytest.mark.parametrize("name", STACK)
@pytest.mark.parametrize(
    "view", [lambda a: a[::-1, ::2], lambda a: a.transpose(2, 0, 1), lambda a: a.astype(">u2")]
)
def test_strides_and_byte_order_do_not_matter(name: str, view, tmp_path: Path) -> None:
    array = view(numbers((6, 8, 9)))
    write_volume(tmp_path / name, array)
    back = read_volume(tmp_path / name).array
    np.testing.assert_array_equal(back, array)
    assert back.flags.c_contiguous
    assert back.flags.writeable
    assert back.dtype.isnative


@pytest.mark.parametrize("name", [*EXACT, *NIFTI])
def test_ids_beyond_double_precision_stay_apart(name: str, tmp_path: Path) -> None:
    ids = np.array([[[2**53, 2**53 + 1, 2**63, 2**64 - 1, 0, 1]]], dtype=np.uint64)
    write_volume(tmp_path / name, ids)
    labels = read_labels(tmp_path / name).array
    assert labels.dtype == np.uint64
    assert labels.tolist() == ids.tolist()


@pytest.mark.parametrize("name", STACK)
def test_sections_are_a_cut_whose_offset_moves_along(name: str, tmp_path: Path) -> None:
    array = numbers((7, 5, 6))
    sizes = {} if name == "folder" else {"voxel_size": (50, 4, 4), "offset": (100, 8, 0)}
    write_volume(tmp_path / name, array, **sizes)
    volume = read_volume(tmp_path / name, sections=(2, 5))
    np.testing.assert_array_equal(volume.array, array[2:5])
    assert volume.offset == ((200.0, 8.0, 0.0) if sizes else (2.0, 0.0, 0.0))
    info = describe_volume(tmp_path / name, sections=(2, 5))
    assert (info.shape, info.offset) == (volume.array.shape, volume.offset)


@pytest.mark.parametrize("name", ["v.h5:a", "v.zarr:a"])
def test_booleans_are_read_as_zero_and_one(name: str, tmp_path: Path) -> None:
    mask = numbers((3, 4, 5)) > 60
    if "h5" in name:
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file["a"] = mask
    else:
        import zarr

        zarr.create_array(store=str(tmp_path / "v.zarr"), name="a", data=mask)
    volume = read_volume(tmp_path / name)
    assert volume.array.dtype == describe_volume(tmp_path / name).dtype == np.uint8
    np.testing.assert_array_equal(volume.array, mask)


def test_volume_without_size_has_unit_voxels_at_the_origin() -> None:
    volume = Volume(numbers((2, 3)))
    assert (volume.voxel_size, volume.offset) == ((1.0, 1.0), (0.0, 0.0))


def test_import_of_the_room_is_light() -> None:
    code = (
        "import sys, objectwise.data as d; d.read_volume;"
        "assert not {'torch', 'monai', 'h5py', 'zarr', 'tifffile', 'nibabel'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Labels and pairs


def test_float_labels_are_refused_unless_asked_for(tmp_path: Path) -> None:
    location = tmp_path / "labels.nii.gz"
    write_volume(location, np.array([[[0, 7, 2**24 - 1]]], dtype=np.float32), voxel_size=(2, 3, 4))
    with pytest.raises(DtypeError, match=r"labels\.nii\.gz` must hold integer ids .*float32.*from_float"):
        read_labels(location)
    labels = read_labels(location, from_float=True)
    assert labels.array.dtype == np.uint64
    assert labels.array.tolist() == [[[0, 7, 2**24 - 1]]]
    assert labels.voxel_size == (2.0, 3.0, 4.0)


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0**24, np.nan, np.inf])
def test_float_labels_that_cannot_be_ids_are_refused(value: float, tmp_path: Path) -> None:
    location = tmp_path / "labels.tif"
    write_volume(location, np.array([[0, 1, value]], dtype=np.float32))
    with pytest.raises(ArgumentError, match=r"whole numbers from 0 to below 16777216 .* at \(0, 2\)"):
        read_labels(location, from_float=True)


def test_negative_labels_are_refused_with_their_place(tmp_path: Path) -> None:
    write_volume(tmp_path / "l.tif", np.array([[0, -3]], dtype=np.int32))
    with pytest.raises(ArgumentError, match=r"l\.tif` must not be negative, got -3 at \(0, 1\)"):
        read_labels(tmp_path / "l.tif")


def info(**changes: object) -> VolumeInfo:
    fields = {
        "shape": (4, 5, 6),
        "dtype": np.dtype(np.uint8),
        "voxel_size": (50.0, 4.0, 4.0),
        "offset": (100.0, 0.0, 8.0),
    }
    return VolumeInfo(**{**fields, "location": "a.h5:x", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"voxel_size": (1.0, 1.0, 1.0), "offset": (0.0, 0.0, 0.0)},
        {"voxel_size": (50.0001, 4.0, 4.0), "offset": (100.01, 0.0, 8.0)},
        {"dtype": np.dtype(np.uint64)},
    ],
)
def test_pair_that_fits_passes(changes: dict[str, object]) -> None:
    check_pair(info(), info(**changes))
    check_pair(info(**{**changes, "dtype": np.dtype(np.float32)}), info())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"shape": (4, 5, 7)}, ShapeError, r"same shape, got \(4, 5, 6\) and \(4, 5, 7\)"),
        ({"shape": (5, 6)}, ShapeError, r"raw 'a\.h5:x' and labels 'b\.h5:y' must have the same shape"),
        ({"dtype": np.dtype(np.float32)}, DtypeError, r"b\.h5:y` must hold integer ids .* got dtype float32"),
        ({"voxel_size": (40.0, 4.0, 4.0)}, ArgumentError, r"same voxel size, got \(50.0.*\(40.0"),
        ({"offset": (150.0, 0.0, 8.0)}, ArgumentError, r"begin at the same place, got the offsets \(100.0"),
    ],
)
def test_pair_that_does_not_fit_is_refused(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_pair(info(), info(**{"location": "b.h5:y", **changes}))


# Real data


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "voxel_size", "ids"),
    [
        ("isbi2012/slices_00_20.h5:volumes/raw", (20, 512, 512), "u1", (50, 4, 4), None),
        ("snemi3d/ac4_val.h5:volumes/labels/neuron_ids", (14, 512, 512), "u8", (30, 6, 6), 80),
        ("ms_lesions/patient07/flair.nii.gz", (132, 166, 133), "i2", (1, 1, 1), None),
        ("ms_lesions/patient07/lesion_instances_cc26.nii.gz", (132, 166, 133), "u2", (1, 1, 1), 37),
        ("eval_pairs/spine_ref.nii.gz", (17, 512, 512), "u1", (3.3, 0.58594, 0.58594), 22),
        ("nuclei2d_dsb2018/images/03398329ce.png", (256, 256), "u1", (1, 1), None),
        ("bsds500/105053_segmentations.tif", (5, 321, 481), "u2", (1, 1, 1), None),
    ],
)
def test_real_volumes_are_read_as_their_readme_says(
    shared: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    voxel_size: tuple[float, ...],
    ids: int | None,
) -> None:
    location = shared / "data" / name
    volume = read_volume(location) if ids is None else read_labels(location)
    assert volume.array.shape == describe_volume(location).shape == shape
    assert volume.array.dtype == np.dtype(dtype)
    assert volume.voxel_size == pytest.approx(voxel_size)
    if ids is not None:
        assert np.count_nonzero(np.unique(volume.array)) == ids


def test_real_colour_image_is_refused_unless_asked_to_be_grey(shared: Path) -> None:
    location = shared / "data/nuclei2d_dsb2018/images/1d02c4b592.png"
    with pytest.raises(VolumeError, match=r"must be grey, got 3 colour channels; .*grey=True"):
        read_volume(location)
    image = read_volume(location, grey=True).array
    assert (image.shape, image.dtype) == ((256, 320), np.uint8)
    assert describe_volume(location, grey=True).shape == (256, 320)


def test_real_raw_and_labels_fit(shared: Path) -> None:
    for file in (shared / "data").rglob("*.h5"):
        with h5py.File(file) as opened:
            names = [] if "volumes/raw" not in opened else list(opened.get("volumes/labels", ()))
        for name in names:
            raw = describe_volume(f"{file}:volumes/raw")
            check_pair(raw, describe_volume(f"{file}:volumes/labels/{name}"))
