"""Files with an axis of channels: colours, stacks of them, and arrays of any format; opacity is no channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from objectwise.data import describe_volume, read_in_parts, read_volume, write_volume
from objectwise.errors import ArgumentError, ObjectwiseError, ShapeError, VolumeError

VOLUME = np.random.default_rng(0).integers(0, 255, (3, 5, 6, 7)).astype(np.uint8)
"""(c, z, y, x)."""
IMAGE = VOLUME[:, 0]


def save(place: str, array: np.ndarray, **attributes: Any) -> str:
    """Store an array in HDF5 or Zarr, in small chunks, and return its place."""
    path, inner = place.split(":")
    chunks = tuple(min(size, 2) for size in array.shape)
    if path.endswith("h5"):
        with h5py.File(path, "a") as file:
            file.create_dataset(inner, data=array, chunks=chunks).attrs.update(attributes)
    else:
        zarr.create_group(path, overwrite=True).create_array(inner, data=array, chunks=chunks).attrs.update(
            attributes
        )
    return place


def save_png(path: Path, image: np.ndarray) -> None:
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))


def colours(folder: Path, name: str, volume: np.ndarray = VOLUME) -> str:
    """Write (c, z, y, x) as what `name` says with colours in the last axis."""
    last = np.ascontiguousarray(np.moveaxis(volume, 0, -1))
    if name == "pngs":
        (folder / name).mkdir()
        for z, section in enumerate(last):
            save_png(folder / name / f"{z}.png", section)
        return str(folder / name)
    if name.startswith("v.tif"):
        tifffile.imwrite(folder / name, last, photometric="rgb")
        return str(folder / name)
    return save(f"{folder}/{name}", last, resolution=(4, 2, 1), offset=(40, 0, 0))


def leading(folder: Path, name: str) -> str:
    """Write (c, z, y, x) as what `name` says, with channels in the first axis."""
    if name.endswith(("nii", "nii.gz")):
        nibabel.save(nibabel.Nifti1Image(VOLUME.T, np.diag([1.0, 2, 4, 1])), folder / name)
        return f"{folder}/{name}"
    if name.endswith("tif"):
        options: dict[str, Any] = {
            "imagej.tif": {"imagej": True, "metadata": {"axes": "ZCYX"}},
            "ome.tif": {"ome": True, "metadata": {"axes": "CZYX"}},
            "plain.tif": {"compression": "zlib"},
        }[name]
        array = VOLUME.swapaxes(0, 1) if name == "imagej.tif" else VOLUME
        tifffile.imwrite(folder / name, array, photometric="minisblack", **options)
        return f"{folder}/{name}"
    return save(f"{folder}/{name}", VOLUME, resolution=(4, 2, 1), offset=(40, 0, 0))


LAST = ["v.h5:raw", "v.zarr:raw", "pngs", "v.tif"]
FIRST = ["v.h5:raw", "v.zarr:raw", "v.nii", "v.nii.gz", "plain.tif", "ome.tif"]


def check(place: str, axis: int) -> None:
    """Require one file to come back whole, by sections, and in parts."""
    info, volume = describe_volume(place, channel_axis=axis), read_volume(place, channel_axis=axis)
    assert (info.shape, info.channels) == ((5, 6, 7), 3)
    assert volume.channels == 3
    assert (volume.voxel_size, volume.offset) == (info.voxel_size, info.offset)
    np.testing.assert_array_equal(volume.array, VOLUME)
    assert volume.array.flags.c_contiguous
    some = read_volume(place, channel_axis=axis, sections=(1, 4))
    np.testing.assert_array_equal(some.array, VOLUME[:, 1:4])
    assert some.offset[0] == volume.offset[0] + volume.voxel_size[0]
    for sections in (None, (1, 4)):
        parts = list(read_in_parts(place, channel_axis=axis, sections=sections, most=1))
        whole = VOLUME if sections is None else VOLUME[:, 1:4]
        np.testing.assert_array_equal(np.concatenate([part.array for part in parts], axis=1), whole)
        assert all(part.channels == 3 for part in parts)


@pytest.mark.parametrize("name", LAST)
def test_colours_come_first(name: str, tmp_path: Path) -> None:
    check(colours(tmp_path, name), -1)


@pytest.mark.parametrize("name", FIRST)
def test_channels_of_the_first_axis(name: str, tmp_path: Path) -> None:
    check(leading(tmp_path, name), 0)


def test_channels_between_sections_and_rows(tmp_path: Path) -> None:
    check(leading(tmp_path, "imagej.tif"), 1)
    check(save(f"{tmp_path}/v.h5:raw", np.moveaxis(VOLUME, 0, 1)), 1)


def test_voxel_size_is_that_of_space(tmp_path: Path) -> None:
    for name in ("v.h5:raw", "v.zarr:raw"):
        assert describe_volume(colours(tmp_path, name), channel_axis=-1).voxel_size == (4, 2, 1)
    with_channels = save(f"{tmp_path}/w.h5:raw", VOLUME, resolution=(9, 4, 2, 1), offset=(9, 8, 0, 0))
    info = describe_volume(with_channels, channel_axis=0)
    assert (info.voxel_size, info.offset) == ((4, 2, 1), (8, 0, 0))
    assert describe_volume(leading(tmp_path, "v.nii"), channel_axis=0).voxel_size == (4, 2, 1)


def test_parts_end_where_chunks_of_sections_end(tmp_path: Path) -> None:
    for place, axis in ((leading(tmp_path, "v.h5:raw"), 0), (colours(tmp_path, "w.h5:raw"), -1)):
        parts = read_in_parts(place, channel_axis=axis, most=1)
        assert [part.array.shape[1] for part in parts] == [2, 2, 1]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("array", "axis", "options"),
    [
        (VOLUME, 0, {"photometric": "minisblack"}),
        (np.moveaxis(VOLUME, 0, 1), 1, {"photometric": "rgb", "planarconfig": "separate"}),
        (np.moveaxis(VOLUME, 0, -1), -1, {"photometric": "rgb"}),
    ],
)
def test_pages_of_a_tiff_are_read_alone(
    array: np.ndarray,
    axis: int,
    options: dict[str, Any],
    compression: str | None,
    tmp_path: Path,
    monkeypatch,
) -> None:
    tifffile.imwrite(tmp_path / "v.tif", np.ascontiguousarray(array), compression=compression, **options)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    some = read_volume(tmp_path / "v.tif", channel_axis=axis, sections=(1, 3)).array
    np.testing.assert_array_equal(some, VOLUME[:, 1:3])


def test_single_images(tmp_path: Path) -> None:
    last = np.moveaxis(IMAGE, 0, -1)
    save_png(tmp_path / "a.png", last)
    tifffile.imwrite(tmp_path / "last.tif", last, photometric="rgb")
    tifffile.imwrite(tmp_path / "first.tif", IMAGE, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "named.tif", IMAGE, imagej=True, metadata={"axes": "CYX"})
    save(f"{tmp_path}/a.h5:a", IMAGE)
    for name, axis in {"a.png": -1, "last.tif": 2, "first.tif": 0, "named.tif": 0, "a.h5:a": 0}.items():
        volume = read_volume(tmp_path / name, channel_axis=axis)
        np.testing.assert_array_equal(volume.array, IMAGE)
        assert volume.voxel_size == (1, 1)
        assert describe_volume(tmp_path / name, channel_axis=axis).shape == (6, 7)
        with pytest.raises(ShapeError, match="`sections` need a stack"):
            read_volume(tmp_path / name, channel_axis=axis, sections=(0, 1))


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", np.moveaxis(IMAGE, 0, -1).astype(np.uint16) * 257)
    volume = read_volume(tmp_path / "a.png", channel_axis=-1)
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array, IMAGE.astype(np.uint16) * 257)


def test_axes_of_length_one_beside_channels(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.T[:, :, :, None], np.eye(4)), tmp_path / "vector.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "vector.nii", channel_axis=0).array, VOLUME)
    root = zarr.create_group(str(tmp_path / "a.zarr"))
    root.create_array("0", data=VOLUME[None], chunks=(1, 1, 2, 4, 4))
    scale = [{"type": "scale", "scale": [1, 1, 4, 2, 1]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    root.attrs["multiscales"] = [{"datasets": levels, "axes": list("tczyx")}]
    place = f"{tmp_path}/a.zarr:0"
    check(place, 1)
    assert describe_volume(place, channel_axis=1).voxel_size == (4, 2, 1)
    with pytest.raises(ArgumentError, match=r"`channel_axis` must be 1 for .* of axes tczyx"):
        read_volume(place, channel_axis=0)


@pytest.mark.parametrize("name", ["pngs", "v.tif", "a.png", "grey.png"])
def test_complete_opacity_is_left_out_and_another_refused(name: str, tmp_path: Path) -> None:
    image = VOLUME[:1] if name == "grey.png" else VOLUME
    for number, opacity in enumerate((255, 254)):
        folder = tmp_path / str(number)
        folder.mkdir()
        full = np.concatenate([image, np.full_like(VOLUME[:1], opacity)])
        if name.endswith("png"):
            save_png(folder / name, np.moveaxis(full[:, 0], 0, -1))
            place, expected = f"{folder}/{name}", image[:, 0]
        else:
            place, expected = colours(folder, name, full), image
        assert describe_volume(place, channel_axis=-1).channels == len(image)
        if opacity == 255:
            np.testing.assert_array_equal(read_volume(place, channel_axis=-1).array, expected)
        else:
            with pytest.raises(VolumeError, match="must be opaque to be read by channels, got transparent"):
                read_volume(place, channel_axis=-1)


def test_fourth_channel_that_is_no_opacity_stays(tmp_path: Path) -> None:
    four = np.concatenate([VOLUME, VOLUME[:1]])
    tifffile.imwrite(
        tmp_path / "v.tif", np.moveaxis(four, 0, -1), photometric="rgb", extrasamples=["unspecified"]
    )
    np.testing.assert_array_equal(read_volume(tmp_path / "v.tif", channel_axis=-1).array, four)
    place = save(f"{tmp_path}/v.h5:raw", four)
    np.testing.assert_array_equal(read_volume(place, channel_axis=0).array, four)


REFUSED = [
    ("v.h5:raw", 4, ArgumentError, r"`channel_axis` must be an axis of .*h5:raw`, which has 4 .*, got 4"),
    ("v.zarr:raw", -5, ArgumentError, "`channel_axis` must be an axis of .*, got -5"),
    ("stack.h5:raw", True, ArgumentError, "`channel_axis` must be an integer or None, got True"),
    ("plane.h5:raw", 0, ShapeError, r"or \(y, x\) beside that of the channels, got shape \(6, 7\)"),
    ("five.h5:raw", 0, ShapeError, "beside that of the channels, got shape"),
    ("a.png", 0, ArgumentError, "`channel_axis` must be -1 for colours of a PNG, the last axis, got 0"),
    ("pngs", 0, ArgumentError, "`channel_axis` must be -1 for colours of a PNG, the last axis, got 0"),
    ("grey.png", -1, VolumeError, r"grey\.png` must hold colours to have channels, got a grey PNG"),
    ("rgb.tif", 0, ArgumentError, r"`channel_axis` must be 3 for .* of axes .*S and shape .*, got 0"),
    ("named.tif", 0, ArgumentError, r"`channel_axis` must be 1 for .* of axes ZCYX and shape .*, got 0"),
    ("times.tif", 2, VolumeError, "one stack of sections beside its channels, got axes TZCYX"),
    ("v.nii", -1, ArgumentError, r"`channel_axis` must be 0 for .* turned to \(channels, z, y, x\), got -1"),
    (
        "one.nii",
        0,
        ShapeError,
        r"must have axes \(x, y, z, channels\) to have channels, got shape \(7, 6, 5\)",
    ),
]


@pytest.mark.parametrize(("name", "axis", "error", "words"), REFUSED)
def test_axis_that_is_none_of_channels_is_refused(
    name: str, axis: int, error: type[ObjectwiseError], words: str, tmp_path: Path
) -> None:
    save(f"{tmp_path}/v.h5:raw", VOLUME)
    save(f"{tmp_path}/v.zarr:raw", VOLUME)
    write_volume(tmp_path / "stack.h5:raw", VOLUME[0])
    write_volume(tmp_path / "plane.h5:raw", IMAGE[0])
    save(f"{tmp_path}/five.h5:raw", VOLUME[None])
    save_png(tmp_path / "a.png", np.moveaxis(IMAGE, 0, -1))
    save_png(tmp_path / "grey.png", IMAGE[0])
    colours(tmp_path, "pngs")
    tifffile.imwrite(tmp_path / "rgb.tif", np.moveaxis(VOLUME, 0, -1), photometric="rgb")
    tifffile.imwrite(tmp_path / "named.tif", VOLUME.swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"})
    tifffile.imwrite(
        tmp_path / "times.tif",
        np.stack([VOLUME.swapaxes(0, 1)] * 2),
        imagej=True,
        metadata={"axes": "TZCYX"},
    )
    leading(tmp_path, "v.nii")
    write_volume(tmp_path / "one.nii", VOLUME[0])
    for reader in (describe_volume, read_volume):
        with pytest.raises(error, match=words):
            reader(tmp_path / name, channel_axis=axis)


def test_channels_without_an_axis_say_how_they_are_read(tmp_path: Path) -> None:
    for name in ("pngs", "v.tif"):
        with pytest.raises(VolumeError, match=r"got 3 colour channels; .*`data\.channel_axis: -1`"):
            read_volume(colours(tmp_path, name))
    with pytest.raises(ShapeError, match="channels are read where `channel_axis` names their axis"):
        read_volume(leading(tmp_path, "v.h5:raw"))
    with pytest.raises(ShapeError, match="read where `channel_axis` is 0"):
        read_volume(leading(tmp_path, "v.nii"))
    with pytest.raises(ArgumentError, match="`grey` must be left out beside `channel_axis`"):
        read_volume(tmp_path / "v.tif", grey=True, channel_axis=-1)
