"""Volumes on disk that are missing, damaged, or not what their names say, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import tifffile
import zarr
from PIL import Image

from objectwise import read_volume, write_volume
from objectwise.errors import ArgumentError, DtypeError, ShapeError, VolumeError
from tests.bad_input.arrays import LABELS
from tests.bad_input.rows import File

VOLUME = LABELS.astype(np.uint8)


def hdf5(folder: Path, array: object = VOLUME, **attributes: object) -> str:
    """Write what h5py takes, as it comes."""
    with h5py.File(folder / "v.h5", "w") as file:
        data = file.create_dataset("raw", data=array)
        data.attrs.update(attributes)
    return f"{folder}/v.h5:raw"


def cut(location: str, suffix: str, share: float = 0.5) -> str:
    """Write a sound volume, and cut its file off."""
    write_volume(location, VOLUME)
    path = next(Path(location.split(":", maxsplit=1)[0]).parent.glob(f"*{suffix}"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return location


def text(path: Path) -> str:
    """Write text under the name of a volume."""
    path.write_text("not a volume")
    return str(path)


def pngs(folder: Path, *images: np.ndarray) -> str:
    """Write a folder of images."""
    for z, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{z}.png")
    return str(folder)


def ome(folder: Path, **changes: object) -> str:
    """Write a Zarr array, and change its metadata."""
    write_volume(f"{folder}/v.zarr:raw", VOLUME)
    path = folder / "v.zarr" / "raw" / "zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return f"{folder}/v.zarr:raw"


def empty_zarr(folder: Path) -> str:
    """Write a group without an array."""
    zarr.open_group(folder / "v.zarr", mode="w")
    return f"{folder}/v.zarr:raw"


ROWS = [
    File("no name", lambda _: "", "`location` must be", ArgumentError),
    File("a number for a name", lambda _: 3, "`location` must be", ArgumentError),
    File("a kind that no one knows", lambda folder: text(folder / "v.jpg"), "got the unknown extension '.jpg'", ArgumentError),
    File("no such HDF5", lambda folder: f"{folder}/v.h5:raw", "must exist, got no such file", VolumeError),
    File("no such TIFF", lambda folder: f"{folder}/v.tif", "must exist, got no such file", VolumeError),
    File("no such PNG", lambda folder: f"{folder}/v.png", "must exist", VolumeError),
    File("no such folder", lambda folder: f"{folder}/none", "must exist", VolumeError),
    File("no such NIfTI", lambda folder: f"{folder}/v.nii.gz", "must exist, got no such file", VolumeError),
    File("no such Zarr", lambda folder: f"{folder}/v.zarr:raw", "must exist", VolumeError),
    File("a name with a NUL", lambda folder: f"{folder}/a\0.tif", "must be a path", VolumeError),
    File("a name of 300 characters", lambda folder: f"{folder}/{300 * 'a'}.tif", "must be a path", VolumeError),
    File("a way out of the container", lambda folder: hdf5(folder) + "/../x", "must name a plain path after the colon", ArgumentError),
    File("an array of Zarr by a slash", lambda folder: f"{folder}/v.zarr/raw", "must name an array after a colon", ArgumentError),
    File("text named HDF5", lambda folder: text(folder / "v.h5") + ":raw", "v.h5:raw` must be a readable HDF5", VolumeError),
    File("text named TIFF", lambda folder: text(folder / "v.tif"), "v.tif` must be a readable TIFF", VolumeError),
    File("text named PNG", lambda folder: text(folder / "v.png"), "v.png` must be a PNG", VolumeError),
    File("text named NIfTI", lambda folder: text(folder / "v.nii"), "v.nii` must be a readable NIfTI", VolumeError),
    File("text named compressed NIfTI", lambda folder: text(folder / "v.nii.gz"), "v.nii.gz` must be a readable NIfTI", VolumeError),
    File("text named Zarr", lambda folder: text(folder / "v.zarr") + ":raw", "v.zarr:raw` must", VolumeError),
    File("HDF5 cut off", lambda folder: cut(f"{folder}/v.h5:raw", ".h5"), "must be a readable HDF5", VolumeError),
    File("TIFF cut off", lambda folder: cut(f"{folder}/v.tif", ".tif"), "must be a whole TIFF", VolumeError),
    File("NIfTI cut off", lambda folder: cut(f"{folder}/v.nii", ".nii"), "must be a readable NIfTI", VolumeError),
    File("compressed NIfTI cut off", lambda folder: cut(f"{folder}/v.nii.gz", ".nii.gz"), "must be a readable NIfTI", VolumeError),
    File("folder where a file is meant", lambda folder: ((folder / "v.h5").mkdir(), f"{folder}/v.h5:raw")[1], "got a folder", VolumeError),
    File("HDF5 without that data set", lambda folder: hdf5(folder)[:-3] + "row", "row` must", VolumeError),
    File("HDF5 without the name of a data set", lambda folder: hdf5(folder)[:-4], "must", VolumeError),
    File("HDF5 of compounds", lambda folder: hdf5(folder, np.zeros((2, 2), [("a", "i4"), ("b", "f4")])), "must hold integers or floats", VolumeError),
    File("HDF5 of text", lambda folder: hdf5(folder, np.array([[b"ab", b"cd"]])), "must hold integers or floats", VolumeError),
    File("HDF5 of complex numbers", lambda folder: hdf5(folder, np.zeros((2, 2), complex)), "must hold integers or floats", VolumeError),
    File("HDF5 of one number", lambda folder: hdf5(folder, np.uint8(3)), "must have axes (z, y, x) or (y, x), got shape ()", ShapeError),
    File("HDF5 of four axes", lambda folder: hdf5(folder, VOLUME[None]), "channels are read where `channel_axis` names their axis", ShapeError),
    File("HDF5 without voxels", lambda folder: hdf5(folder, VOLUME[:0]), "must not be empty, got shape (0, 6, 6)", ShapeError),
    File("HDF5 with a voxel size of 0", lambda folder: hdf5(folder, resolution=(0, 1, 1)), "states a wrong voxel size or offset", VolumeError),
    File("HDF5 with a voxel size of two", lambda folder: hdf5(folder, resolution=(1, 1)), "must hold one number per axis (3)", VolumeError),
    File("HDF5 with a voxel size of words", lambda folder: hdf5(folder, resolution="large"), "must have numbers in its attribute 'resolution'", VolumeError),
    File("HDF5 with an offset of NaN", lambda folder: hdf5(folder, offset=(np.nan, 0, 0)), "states a wrong voxel size or offset", VolumeError),
    File("Zarr without an array", empty_zarr, "must", VolumeError),
    File("Zarr of another shape", lambda folder: ome(folder, shape=[4, 6]), "must", VolumeError),
    File("Zarr of a codec that no one knows", lambda folder: ome(folder, codecs=[{"name": "unheard of"}]), "must be a readable Zarr", VolumeError),
    File("TIFF of colours", lambda folder: (tifffile.imwrite(folder / "v.tif", np.zeros((6, 6, 3), np.uint8), photometric="rgb"), f"{folder}/v.tif")[1], "must be grey, got 3 colour channels", VolumeError),
    File("PNGs some of which are in colour", lambda folder: pngs(folder, VOLUME[0], np.zeros((6, 6, 3), np.uint8)), "must hold PNGs of one size and dtype", VolumeError),
    File("PNGs of unequal sizes", lambda folder: pngs(folder, VOLUME[0], VOLUME[1, 1:]), "must", VolumeError),
    File("PNGs of unequal depths", lambda folder: pngs(folder, VOLUME[0], VOLUME[1].astype(np.uint16)), "must", VolumeError),
    File("PNGs of colours", lambda folder: pngs(folder, np.zeros((6, 6, 3), np.uint8)), "must be grey, got 3 colour channels", VolumeError),
    File("folder without PNGs", lambda folder: str(folder), "must hold PNGs, one a section, got a folder without any; what can be read is file.h5:path/in/file, .tif", VolumeError),
    File("file without an extension", lambda folder: text(folder / "v"), "v` must be file.h5:path/in/file, .tif, .png, a folder of PNGs, .nii, .nii.gz or volume.zarr:path, got a file without a known extension", VolumeError),
    File("file with a slash behind", lambda folder: text(folder / "v.jpg") + "/", "v.jpg/` must be file.h5:path/in/file", VolumeError),
]  # fmt: skip

CHANNELS = [
    File("channels along no axis", lambda folder: read_volume(hdf5(folder, VOLUME[None]), channel_axis=4), "`channel_axis` must be an axis of", ArgumentError),
    File("channels along half an axis", lambda folder: read_volume(hdf5(folder, VOLUME[None]), channel_axis=0.5), "`channel_axis` must be an integer or None, got 0.5", ArgumentError),
    File("channels along every axis", lambda folder: read_volume(hdf5(folder, VOLUME[None]), channel_axis=True), "`channel_axis` must be an integer or None, got True", ArgumentError),
    File("channels of two axes alone", lambda folder: read_volume(hdf5(folder, VOLUME[0]), channel_axis=0), "beside that of the channels, got shape (6, 6)", ShapeError),
    File("channels of which there is none", lambda folder: read_volume(hdf5(folder, VOLUME[None][:0]), channel_axis=0), "must not be empty", ShapeError),
    File("channels of a grey PNG", lambda folder: read_volume(pngs(folder, VOLUME[0]), channel_axis=-1), "must hold colours to have channels, got a grey PNG", VolumeError),
    File("channels of a PNG along its rows", lambda folder: read_volume(pngs(folder, np.zeros((6, 6, 3), np.uint8)), channel_axis=1), "`channel_axis` must be -1 for colours of a PNG", ArgumentError),
    File("channels of a transparent PNG", lambda folder: read_volume(pngs(folder, np.zeros((6, 6, 4), np.uint8)), channel_axis=-1), "must be opaque to be read by channels, got transparent pixels", VolumeError),
    File("channels as grey", lambda folder: read_volume(pngs(folder, np.zeros((6, 6, 3), np.uint8)), channel_axis=-1, grey=True), "`grey` must be left out beside `channel_axis`", ArgumentError),
    File("channels with sections of one image", lambda folder: read_volume(hdf5(folder, VOLUME), channel_axis=0, sections=(0, 1)), "`sections` need a stack", ShapeError),
]  # fmt: skip

WRITES = [
    File("writing a list", lambda folder: write_volume(folder / "v.tif", VOLUME.tolist()), "`array` must be a numpy array", DtypeError),
    File("writing complex numbers", lambda folder: write_volume(folder / "v.tif", VOLUME.astype(complex)), "`array` must be a numpy array of integers or floats", DtypeError),
    File("writing four axes", lambda folder: write_volume(folder / "v.tif", VOLUME[None]), "`array` must have shape (z, y, x) or (y, x)", ShapeError),
    File("writing nothing", lambda folder: write_volume(folder / "v.tif", VOLUME[:0]), "`array` must have shape (z, y, x) or (y, x) and voxels", ShapeError),
    File("writing a voxel size of 0", lambda folder: write_volume(folder / "v.h5", VOLUME, voxel_size=(0, 1, 1)), "`voxel_size` must be positive", ArgumentError),
    File("writing a voxel size of words", lambda folder: write_volume(f"{folder}/v.h5:raw", VOLUME, voxel_size="abc"), "`voxel_size` must hold one number per axis (3)", ArgumentError),
    File("writing a voxel size into a PNG", lambda folder: write_volume(folder / "v.png", VOLUME[0], voxel_size=(2, 2)), "can hold no voxel size or offset as PNG", VolumeError),
    File("writing a stack into one PNG", lambda folder: write_volume(folder / "v.png", VOLUME), "can hold one image (y, x)", VolumeError),
    File("writing floats into a PNG", lambda folder: write_volume(folder / "v.png", VOLUME[0].astype(np.float32)), "PNG", DtypeError),
    File("writing without the name of a data set", lambda folder: write_volume(folder / "v.h5", VOLUME), "must", VolumeError),
    File("writing where there is a volume", lambda folder: write_volume(cut(f"{folder}/v.tif", ".tif", 1), VOLUME), "must not exist yet", VolumeError),
    File("writing in place of a group", lambda folder: write_volume(hdf5(folder)[:-4] + ":", VOLUME, overwrite=True), "must", VolumeError),
    File("sections past the end", lambda folder: read_volume(cut(f"{folder}/v.tif", ".tif", 1), sections=(2, 9)), "`sections` must ascend [first, one past the last] within 0 to 4", ArgumentError),
    File("sections that descend", lambda folder: read_volume(cut(f"{folder}/v.tif", ".tif", 1), sections=(3, 2)), "`sections` must ascend", ArgumentError),
    File("sections of fractions", lambda folder: read_volume(cut(f"{folder}/v.tif", ".tif", 1), sections=(0.5, 2)), "`sections` must be two integers", ArgumentError),
    File("writing masked voxels", lambda folder: write_volume(folder / "v.tif", np.ma.masked_equal(VOLUME, 1)), "mask", DtypeError),
]  # fmt: skip
