"""Each way a volume can fail, with its sentence; nothing is written then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from objectwise.data import describe_volume, read_labels, read_volume, volume_exists, write_volume
from objectwise.data.formats import format_of
from objectwise.data.formats.common import Location
from objectwise.errors import (
    ArgumentError,
    DtypeError,
    ObjectwiseWarning,
    ShapeError,
    VolumeError,
    VolumeWriteError,
)
from tests.data.test_volumes import SINGLE, STACK, numbers


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no.h5:a", VolumeError, r"no\.h5:a` must exist, got no such file"),
        ("no.tif", VolumeError, r"no\.tif` must exist, got no such file"),
        ("no.png", VolumeError, r"no\.png` must exist, got no such file"),
        ("no.nii.gz", VolumeError, r"no\.nii\.gz` must exist, got no such file"),
        ("no.zarr:a", VolumeError, r"no\.zarr:a` must exist, got no such folder"),
        ("no", VolumeError, r"no` must exist, got no such file or folder"),
        (
            "v.jpg",
            ArgumentError,
            r"v\.jpg` must be .*got the unknown extension '\.jpg'",
        ),
        ("v.h5:a/../b", ArgumentError, r"must name a plain path after the colon, got 'a/\.\./b'"),
        ("v.zarr/a/b", ArgumentError, r"must name an array after a colon .*got a slash"),
        ("empty", VolumeError, r"empty` must hold PNGs, one a section, got a folder without any"),
        ("empty.tif", VolumeError, r"empty\.tif` must be a TIFF file, got a folder|must hold PNGs"),
        (
            "v.h5",
            VolumeError,
            r"must name a data set as v\.h5:NAME, got no name; the file holds a/b, raw",
        ),
        ("v.h5:rew", VolumeError, r"got none of that name; the file holds a/b, raw"),
        ("v.h5:a", VolumeError, r"got a group; the file holds a/b, raw"),
        (
            "v.zarr",
            VolumeError,
            r"must name an array as v\.zarr:NAME, got a group; the folder holds a/b",
        ),
        ("v.zarr:c", VolumeError, r"got none of that name; the folder holds a/b"),
        ("empty.zarr", VolumeError, r"got no Zarr; the folder holds nothing"),
    ],
)
def test_location_that_names_nothing_is_refused(
    name: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    write_volume(tmp_path / "v.h5:a/b", numbers((2, 3)))
    write_volume(tmp_path / "v.h5:raw", numbers((2, 3)))
    write_volume(tmp_path / "v.zarr:a/b", numbers((2, 3)))
    for folder in ("empty", "empty.tif", "empty.zarr"):
        (tmp_path / folder).mkdir()
    for reader in (read_volume, describe_volume, read_labels):
        with pytest.raises(error, match=message):
            reader(str(tmp_path / name))


def test_no_format_is_taken_for_a_folder_of_pngs() -> None:
    assert format_of(Location("sections/", "PNG folder", Path("sections"))).__name__.endswith("png_folder")
    with pytest.raises(
        ArgumentError, match=r"`v\.jpg` must be .* a folder of PNGs, .* got the format 'JPEG'"
    ):
        format_of(Location("v.jpg", "JPEG", Path("v.jpg")))


@pytest.mark.parametrize("location", ["", " ", None, 3])
def test_location_that_is_no_name_is_refused(location: object) -> None:
    with pytest.raises(ArgumentError, match=r"`location` must be file\.h5:path/in/file"):
        read_volume(location)  # type: ignore[arg-type]


@pytest.mark.parametrize("sections", [(-1, 2), (0, 8), (3, 3), (5, 2)])
@pytest.mark.parametrize("name", STACK)
def test_sections_outside_are_refused(name: str, sections: tuple[int, int], tmp_path: Path) -> None:
    write_volume(tmp_path / name, numbers((7, 2, 2)))
    with pytest.raises(ArgumentError, match=r"`sections` must ascend .* within 0 to 7, got .* for /"):
        read_volume(tmp_path / name, sections=sections)


@pytest.mark.parametrize("name", SINGLE)
def test_sections_of_one_image_are_refused(name: str, tmp_path: Path) -> None:
    write_volume(tmp_path / name, numbers((5, 6)))
    with pytest.raises(ShapeError, match=r"`sections` need a stack \(z, y, x\), got one image \(5, 6\)"):
        describe_volume(tmp_path / name, sections=(0, 1))


@pytest.mark.parametrize("name", ["v.h5:raw", "v.tif", "p.tif", "v.nii", "v.nii.gz", "v.png", "v.zarr"])
def test_truncated_file_is_one_sentence_or_whole(name: str, tmp_path: Path) -> None:

    location = tmp_path / name
    array = np.random.default_rng(0).integers(0, 2**16, (5, 16, 17)).astype(np.uint16)
    if name == "p.tif":  # pages without a description that states how many there are
        tifffile.imwrite(location, array, photometric="minisblack", metadata=None, compression="zlib")
    else:
        array = array[0] if name == "v.png" else array
        write_volume(location, array)
    messages: list[str] = []
    for file in [item for item in tmp_path.rglob("*") if item.is_file()]:
        whole = file.read_bytes()
        for length in [*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
            file.write_bytes(whole[:length])
            try:
                back = read_volume(location).array
            except (VolumeError, ShapeError) as error:
                messages.append(str(error))
            else:  # PNG ends in 12 bytes that say nothing, zlib in a checksum of what is there
                assert length > 0.9 * len(whole)
                np.testing.assert_array_equal(back, array)
        file.write_bytes(whole)
    assert messages
    assert all("\n" not in message and str(tmp_path) in message for message in messages)


@pytest.mark.parametrize("name", ["v.h5:raw", "v.tif", "v.nii", "v.nii.gz", "v.png"])
def test_file_of_another_format_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / name.partition(":")[0]
    file.write_text("this is a text, not a picture of anything\n" * 50)
    with pytest.raises(VolumeError, match=file.name):
        read_volume(tmp_path / name)
    with pytest.raises(VolumeError, match=r"damaged, truncated or of another format|must be a PNG"):
        describe_volume(tmp_path / name)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4, 5)])
def test_wrong_rank_is_refused_both_ways(shape: tuple[int, ...], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["a"] = numbers(shape)
    with pytest.raises(ShapeError, match=r"v\.h5:a` must have axes \(z, y, x\) or \(y, x\), got shape"):
        read_volume(tmp_path / "v.h5:a")
    with pytest.raises(ShapeError, match=r"`array` must have shape \(z, y, x\) or \(y, x\)"):
        write_volume(tmp_path / "w.h5:a", numbers(shape))
    assert not (tmp_path / "w.h5").exists()


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        (
            {"voxel_size": (1, 1)},
            ShapeError,
            r"`voxel_size` must hold one number per axis \(3\), got",
        ),
        ({"voxel_size": (1, 0, 1)}, ArgumentError, "`voxel_size` must be positive"),
        ({"voxel_size": (1, np.nan, 1)}, ArgumentError, "`voxel_size` must be finite"),
        ({"voxel_size": 5}, ArgumentError, "`voxel_size` must hold one number per axis"),
        ({"offset": (1, 2, 3, 4)}, ShapeError, "`offset` must hold one number per axis"),
        ({"offset": (1, np.inf, 3)}, ArgumentError, "`offset` must be finite"),
    ],
)
def test_wrong_size_or_place_is_refused(
    keywords: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        write_volume(tmp_path / "v.h5:a", numbers((2, 3, 4)), **keywords)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [[[1, 2]], numbers((2, 3)) > 9, numbers((2, 3)).astype(complex), np.array([["a"]])]
)
def test_array_of_no_numbers_is_refused(array: object, tmp_path: Path) -> None:
    with pytest.raises(DtypeError, match=r"`array` must be a numpy array of integers or floats"):
        write_volume(tmp_path / "v.h5:a", array)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", STACK)
def test_write_refuses_what_is_there_unless_told(name: str, tmp_path: Path) -> None:
    old, new = numbers((2, 3, 4)), numbers((3, 4, 5)) + 1
    write_volume(tmp_path / name, old)
    before = tree(tmp_path)
    with pytest.raises(
        VolumeError, match=r"must not exist yet, got a volume there; overwrite=True replaces it"
    ):
        write_volume(tmp_path / name, new)
    assert tree(tmp_path) == before
    write_volume(tmp_path / name, new, overwrite=True)
    np.testing.assert_array_equal(read_volume(tmp_path / name).array, new)


@pytest.mark.parametrize("name", STACK)
def test_write_that_fails_leaves_what_was_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_volume(tmp_path / name, numbers((2, 3, 4)))
    before = tree(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    # The last step: everything is written, under a temporary name.
    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(VolumeError, match=r"can be written, got .*No space left on device"):
        write_volume(tmp_path / name, numbers((5, 5, 5)), overwrite=True)
    monkeypatch.undo()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", STACK)
def test_folders_above_are_made(name: str, tmp_path: Path) -> None:
    write_volume(tmp_path / "new" / "deep" / name, numbers((2, 3, 4)))
    assert read_volume(tmp_path / "new" / "deep" / name).array.shape == (2, 3, 4)


@pytest.fixture
def strange_folder() -> Iterator[Path]:
    """A folder, and in the test a user whom permissions bind."""
    with tempfile.TemporaryDirectory() as name:
        folder, is_root = Path(name), os.geteuid() == 0
        folder.chmod(0o755)
        yield folder
        if is_root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def become_someone() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("name", [*STACK, "v.png"])
def test_volume_without_permission_is_refused(name: str, strange_folder: Path) -> None:
    write_volume(strange_folder / name, numbers((2, 3, 4)) if name != "v.png" else numbers((3, 4)))
    for path in strange_folder.iterdir():
        path.chmod(0)
    strange_folder.chmod(0o555)
    become_someone()
    for reader in (read_volume, describe_volume):
        with pytest.raises(VolumeError, match=r"must be a readable .*permission is denied"):
            reader(strange_folder / name)
    new = strange_folder / f"new-{name}"
    with pytest.raises(
        VolumeWriteError, match="can be written, got a file or folder of which permission is denied"
    ):
        write_volume(new, numbers((2, 3, 4)) if name != "v.png" else numbers((3, 4)))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_volume_in_a_folder_that_may_not_be_entered_is_refused(strange_folder: Path) -> None:
    write_volume(strange_folder / "locked" / "v.tif", numbers((2, 3)))
    (strange_folder / "locked").chmod(0)
    become_someone()
    for doing in (read_volume, volume_exists, lambda place: write_volume(place, numbers((2, 3)))):
        with pytest.raises(VolumeError, match="must be in a folder that may be entered"):
            doing(strange_folder / "locked" / "v.tif")


@pytest.mark.parametrize("suffix", [".h5:raw", ".tif", ".png", ".nii"])
@pytest.mark.parametrize("name", ["v.h5:raw", "v.tif", "v.nii", "v.png"])
def test_format_that_a_file_has_is_named(name: str, suffix: str, tmp_path: Path) -> None:
    write_volume(tmp_path / name, numbers((3, 4)))
    file = tmp_path / name.partition(":")[0]
    if suffix.startswith(file.suffix):
        return
    file.rename(tmp_path / ("w" + suffix.partition(":")[0]))
    kind = {".h5": "HDF5", ".tif": "TIFF", ".nii": "NIfTI", ".png": "PNG"}[file.suffix]
    message = f"the file is of another format, {kind}: name it so|must be a PNG, got other bytes"
    with pytest.raises(VolumeError, match=message):
        read_volume(tmp_path / ("w" + suffix))


@pytest.mark.parametrize("name", ["v.h5:raw", "v.zarr:raw"])
def test_volume_beyond_memory_says_what_it_needs(name: str, tmp_path: Path) -> None:
    shape = (2**20, 2**16, 2**16)
    if name.startswith("v.h5"):
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file.create_dataset("raw", shape, np.uint8, chunks=(2, 2**12, 2**12))
    else:
        zarr.create_group(tmp_path / "v.zarr").create_array(
            "raw", shape=shape, dtype=np.uint8, chunks=(2**14, 2**16, 2**16)
        )
    message = r"raw` must fit into memory, got '\(1048576, 65536, 65536\) uint8, 4.19e\+06 GiB'; name fewer"
    with (
        pytest.raises(VolumeError, match=message),
        pytest.warns(ObjectwiseWarning) if "zarr" in name else nullcontext(),
    ):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("sections", [(1,), (0, 1, 2), (0.5, 2), 3, "ab"])
def test_sections_that_are_no_two_integers_are_refused(sections: object, tmp_path: Path) -> None:
    write_volume(tmp_path / "v.h5:raw", numbers((3, 2, 2)))
    for reader in (read_volume, describe_volume):
        with pytest.raises(ArgumentError, match=r"`sections` must be two integers, first"):
            reader(tmp_path / "v.h5:raw", sections=sections)


def test_what_would_be_replaced_is_known_before_writing(tmp_path: Path) -> None:
    for name in ("v.h5:a/b", "v.tif", "v.zarr:a", "v"):
        assert not volume_exists(tmp_path / name)
        write_volume(tmp_path / name, numbers((2, 3, 4)))
        assert volume_exists(tmp_path / name)
    assert not volume_exists(tmp_path / "v.h5:a/c")
    with pytest.raises(VolumeError, match="got a group, which is never replaced"):
        volume_exists(tmp_path / "v.h5:a")
    (tmp_path / "text.h5").write_text("words")
    with pytest.raises(VolumeError, match=r"text\.h5:a` must be a place where a HDF5 can be written"):
        volume_exists(tmp_path / "text.h5:a")
