"""Voxel sizes with a unit come in nanometres, and in millimetres from NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from objectwise.data import describe_volume, read_in_parts, read_volume, write_volume
from objectwise.errors import ObjectwiseWarning, VolumeError

STACK = np.random.default_rng(0).integers(0, 255, (5, 6, 7)).astype(np.uint8)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nm", (0.0505, 0.0052, 0.0046)),
        ("um", (50.5, 5.2, 4.6)),
        ("micron", (50.5, 5.2, 4.6)),
        (r"\u00B5m", (50.5, 5.2, 4.6)),
        ("mm", (50500.0, 5200.0, 4600.0)),
        ("pixel", (1.0, 1.0, 1.0)),
    ],
)
def test_imagej_units_become_nanometres(unit: str, expected: tuple[float, ...], tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 0.0505, "unit": unit}
    resolution = (1 / 0.0046, 1 / 0.0052)
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=resolution, metadata=metadata)
    assert describe_volume(tmp_path / "a.tif").voxel_size == pytest.approx(expected, rel=1e-6)


def test_unit_that_is_no_length_counts_as_not_stated_and_says_so(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "furlong"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(2, 2), metadata=metadata)
    with pytest.warns(
        ObjectwiseWarning, match=r"a\.tif` counts as not stated \(1\): its unit 'furlong' is no length"
    ):
        info = describe_volume(tmp_path / "a.tif")
    assert info.voxel_size == (1.0, 1.0, 1.0)


def ome(path: Path, **sizes: Any) -> Path:
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX", **sizes})
    return path


@pytest.mark.parametrize("unit", [None, "\u00b5m", "\u03bcm"])
def test_ome_sizes_are_micrometres_unless_they_say_otherwise(unit: str | None, tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": 0.0046, "PhysicalSizeY": 0.0052, "PhysicalSizeZ": 0.0505}
    units = {f"{name}Unit": unit for name in sizes} if unit else {}
    info = describe_volume(ome(tmp_path / "a.ome.tif", **sizes, **units))
    assert info.voxel_size == (50.5, 5.2, 4.6)


def test_ome_size_along_some_axes_counts_as_not_stated_and_says_so(tmp_path: Path) -> None:
    file = ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.004, PhysicalSizeY=0.004)
    with pytest.warns(ObjectwiseWarning, match="it states PhysicalSizeY, and no PhysicalSizeZ"):
        assert describe_volume(file).voxel_size == (1.0, 1.0, 1.0)


def test_ome_without_scale_states_nothing(tmp_path: Path) -> None:
    assert describe_volume(ome(tmp_path / "a.ome.tif")).voxel_size == (1.0, 1.0, 1.0)


AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
]


def ome_zarr(
    folder: Path, version: Literal[2, 3], image: dict[str, Any], array: np.ndarray, group: str = ""
) -> None:
    root = zarr.create_group(str(folder), zarr_format=version)
    root = root.require_group(group) if group else root
    root.create_array("0", data=array, chunks=(1,) * (array.ndim - 3) + (2, 4, 4))
    scale = [{"type": "scale", "scale": [1, 1, 0.04, 0.004, 0.0052][-array.ndim :]}]
    images = [{"datasets": [{"path": "0", "coordinateTransformations": scale}], "axes": AXES, **image}]
    root.attrs.update(
        {"ome": {"version": "0.5", "multiscales": images}} if version == 3 else {"multiscales": images}
    )


@pytest.mark.parametrize("group", ["", "labels/cells"])
@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_is_read_with_its_scale(version: Literal[2, 3], group: str, tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr", version, {}, STACK[None, None], group)
    place = f"{tmp_path}/a.zarr:{group}/0"
    volume = read_volume(place)
    np.testing.assert_array_equal(volume.array, STACK)
    assert (volume.voxel_size, volume.offset) == ((40.0, 4.0, 5.2), (0.0, 0.0, 0.0))
    np.testing.assert_array_equal(read_volume(place, sections=(1, 3)).array, STACK[1:3])
    assert [len(part.array) for part in read_in_parts(place, most=1)] == [2, 2, 1]


def test_translations_and_the_scale_of_the_whole_image_count(tmp_path: Path) -> None:
    level = {
        "path": "0",
        "coordinateTransformations": [
            {"type": "scale", "scale": [2, 1, 1]},
            {"type": "translation", "translation": [10, 0, 3]},
        ],
    }
    image = {
        "datasets": [{"path": "1"}, level],
        "axes": [{"name": name, "unit": "nanometer"} for name in "zyx"],
        "coordinateTransformations": [{"type": "scale", "scale": [20, 4, 4]}],
    }
    ome_zarr(tmp_path / "a.zarr", 3, image, STACK)
    info = describe_volume(f"{tmp_path}/a.zarr:0")
    assert (info.voxel_size, info.offset) == ((40.0, 4.0, 4.0), (200.0, 0.0, 12.0))


def test_ome_zarr_without_units_keeps_its_numbers(tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr", 2, {"axes": list("tczyx")}, STACK[None, None])
    assert describe_volume(f"{tmp_path}/a.zarr:0").voxel_size == (0.04, 0.004, 0.0052)


def test_resolution_of_our_own_goes_before_that_of_ome(tmp_path: Path) -> None:
    ome_zarr(tmp_path / "a.zarr", 2, {}, STACK[None, None])
    zarr.open_array(str(tmp_path / "a.zarr"), path="0").attrs["resolution"] = [3, 2, 1]
    assert describe_volume(f"{tmp_path}/a.zarr:0").voxel_size == (3.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("image", "array", "message"),
    [
        (
            {},
            np.stack([STACK, STACK])[None],
            r"got axes tczyx with shape \(1, 2, 5, 6, 7\); channels and times",
        ),
        ({"axes": list("xyz")}, STACK, "got axes xyz with shape"),
        ({"axes": list("zyx")}, STACK[None], "got axes zyx with shape"),
        (
            {"axes": list("zyx"), "coordinateTransformations": [{"type": "scale", "scale": [2, 1]}]},
            STACK,
            "must have one scale and translation per axis, got",
        ),
        (
            {"axes": [{"name": "z", "unit": "micrometer"}, {"name": "y"}, {"name": "x"}]},
            STACK,
            "must state its voxel size in one unit, got '', 'micrometer'",
        ),
    ],
)
def test_ome_zarr_that_is_no_stack_is_refused(
    image: dict[str, Any], array: np.ndarray, message: str, tmp_path: Path
) -> None:
    ome_zarr(tmp_path / "a.zarr", 2, image, array)
    with pytest.raises(VolumeError, match=message):
        describe_volume(f"{tmp_path}/a.zarr:0")


@pytest.mark.parametrize(
    ("unit", "voxel_size", "offset"),
    [("mm", (3.0, 0.5, 0.5), (6.0, 0.0, 10.0)), ("micron", (0.003, 0.0005, 0.0005), (0.006, 0.0, 0.01)),
     ("meter", (3000.0, 500.0, 500.0), (6000.0, 0.0, 10000.0))],
)  # fmt: skip
def test_nifti_comes_in_millimetres(
    unit: str, voxel_size: tuple[float, ...], offset: tuple[float, ...], tmp_path: Path
) -> None:
    affine = np.diag([0.5, 0.5, 3.0, 1.0])
    affine[:3, 3] = (10, 0, 6)
    image = nibabel.Nifti1Image(STACK.T, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    info = describe_volume(tmp_path / "a.nii")
    assert (info.voxel_size, info.offset) == (voxel_size, offset)


def test_what_we_write_comes_back_in_its_own_numbers(tmp_path: Path) -> None:
    for name in ("a.h5:raw", "a.zarr", "a.tif", "a.nii"):
        write_volume(tmp_path / name, STACK, voxel_size=(40, 4, 5.2), offset=(80, 0, 1))
        volume = read_volume(tmp_path / name)
        assert (volume.voxel_size, volume.offset) == ((40.0, 4.0, 5.2), (80.0, 0.0, 1.0))
