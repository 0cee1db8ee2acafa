"""HDF5: the CREMI layout, joining a file, what is never replaced."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from objectwise.data import describe_volume, read_volume, write_volume
from objectwise.data.formats import hdf5
from objectwise.errors import VolumeError

ARRAY = np.random.default_rng(0).integers(0, 2**64, (5, 6, 7), dtype=np.uint64)


def test_written_file_has_the_cremi_layout(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.h5:volumes/labels/neuron_ids", ARRAY, voxel_size=(40, 4, 4), offset=(80, 0, 4))
    with h5py.File(tmp_path / "a.h5") as file:
        dataset = file["volumes/labels/neuron_ids"]
        assert dataset.attrs["resolution"].tolist() == [40.0, 4.0, 4.0]
        assert dataset.attrs["offset"].tolist() == [80.0, 0.0, 4.0]
        assert dataset.dtype == np.uint64
        assert dataset.chunks is not None


def test_new_data_set_joins_the_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["volumes/raw"] = ARRAY
        file["volumes/raw"].attrs["comment"] = "kept"
        file.attrs["file_format"] = "0.2"
    write_volume(tmp_path / "a.h5:volumes/labels/ids", ARRAY[:2])
    write_volume(tmp_path / "a.h5:volumes/labels/ids", ARRAY[:3], overwrite=True)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["volumes/raw"][...], ARRAY)
        assert (file["volumes/raw"].attrs["comment"], file.attrs["file_format"]) == ("kept", "0.2")
        np.testing.assert_array_equal(file["volumes/labels/ids"][...], ARRAY[:3])


def test_replacing_a_data_set_does_not_make_the_file_grow(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2**64, (16, 64, 64), dtype=np.uint64)
    sizes = []
    for _ in range(4):
        write_volume(tmp_path / "a.h5:raw", noise, overwrite=True)
        sizes.append((tmp_path / "a.h5").stat().st_size)
    assert max(sizes) < 1.1 * sizes[0]


def test_groups_and_data_sets_above_are_never_replaced(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.h5:volumes/raw", ARRAY)
    before = (tmp_path / "a.h5").read_bytes()
    for location, message in [
        ("a.h5", r"must name a data set, as in .*a\.h5:volumes/raw"),
        ("a.h5:volumes", "must name a data set, got a group, which is never replaced"),
        ("a.h5:volumes/raw/x", "must lie in a group, got the data set 'volumes/raw' above it"),
    ]:
        with pytest.raises(VolumeError, match=message):
            write_volume(tmp_path / location, ARRAY, overwrite=True)
    assert (tmp_path / "a.h5").read_bytes() == before


def test_file_that_is_no_hdf5_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("the only copy of something else")
    with pytest.raises(VolumeError, match=r"a\.h5:raw` must be a place where a HDF5 can be written"):
        write_volume(tmp_path / "a.h5:raw", ARRAY, overwrite=True)
    assert (tmp_path / "a.h5").read_text() == "the only copy of something else"


def test_failure_while_writing_leaves_the_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_volume(tmp_path / "a.h5:raw", ARRAY)
    before = (tmp_path / "a.h5").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(h5py.File, "create_dataset", fail)
    with pytest.raises(KeyboardInterrupt):
        write_volume(tmp_path / "a.h5:more", ARRAY)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
    assert (tmp_path / "a.h5").read_bytes() == before


def test_only_the_sections_asked_for_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = ARRAY
    asked = []
    original = h5py.Dataset.__getitem__

    def noted(dataset, key, *args, **keywords):
        asked.append(key)
        return original(dataset, key, *args, **keywords)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", noted)
    read_volume(tmp_path / "a.h5:raw", sections=(1, 3))
    assert asked == [(slice(1, 3),)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([b"a", b"b"]), "must hold integers or floats up to 64 bit, got dtype"),
        (np.zeros((2, 3), np.complex64), "must hold integers or floats up to 64 bit, got dtype complex64"),
        (np.float32(3), r"must have axes \(z, y, x\) or \(y, x\), got shape \(\)"),
        (np.zeros((0, 3, 4)), r"must not be empty, got shape \(0, 3, 4\)"),
        (h5py.Empty("f4"), "must hold voxels, got an empty data set"),
    ],
)
def test_data_set_of_no_voxels_is_refused(content: object, message: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = content
    with pytest.raises((VolumeError, ValueError), match=r"a\.h5:raw` " + message):
        describe_volume(tmp_path / "a.h5:raw")


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delattr("objectwise.data.formats.hdf5")
    monkeypatch.delitem(sys.modules, hdf5.__name__)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(VolumeError, match=r"needs the package h5py; install objectwise\[pipeline\]"):
        read_volume(tmp_path / "a.h5:raw")
