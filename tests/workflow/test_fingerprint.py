"""Fingerprints follow content: of configurations, of voxels, never of paths or dates."""

from __future__ import annotations

import gzip
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from objectwise.data import read_in_parts, write_volume
from objectwise.errors import ArgumentError
from objectwise.pipeline.stacks import read_raw_stack
from objectwise.workflow.fingerprint import InputDigests, fingerprint, first_difference, voxels_digest

SMALL_PARTS = partial(read_in_parts, most=32 * 3 * 3 * 4)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(plain, plain)
def test_equal_fingerprints_mean_no_difference(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (first_difference(one, other) is None)


def test_order_of_keys_does_not_matter():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_first_difference_is_a_path():
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}) == "a.b.1"
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1]}}) == "a.b"
    assert first_difference({"a": 1}, {"a": 1, "c": 2}) == "c"
    assert first_difference({"a": 1}, {"a": 1.0}) == "a"


def volume(folder: Path) -> Path:
    write_volume(f"{folder}/a.h5:raw", np.arange(24, dtype=np.uint8).reshape(4, 2, 3), overwrite=True)
    return folder / "a.h5"


def test_copied_and_touched_volume_is_the_same_input(tmp_path: Path):
    file = volume(tmp_path)
    first = InputDigests().of_volume(f"{file}:raw", None)
    os.utime(file, (1, 1))
    shutil.copy(file, tmp_path / "b.h5")
    assert InputDigests().of_volume(f"{file}:raw", None) == first
    assert InputDigests().of_volume(f"{tmp_path}/b.h5:raw", None) == first


def test_another_data_set_in_the_file_changes_nothing(tmp_path: Path):
    file = volume(tmp_path)
    digests = InputDigests()
    first = digests.of_volume(f"{file}:raw", None)
    write_volume(f"{file}:labels", np.ones((4, 2, 3), np.uint8))
    assert digests.of_volume(f"{file}:raw", None) == first


def test_one_voxel_the_sections_and_the_voxel_size_matter(tmp_path: Path):
    file = volume(tmp_path)
    digests = InputDigests()
    place = f"{file}:raw"
    found = {
        digests.of_volume(place, None),
        digests.of_volume(place, (0, 2)),
        digests.of_volume(place, (2, 4)),
    }
    changed = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    write_volume(place, changed, voxel_size=(2, 1, 1), overwrite=True)
    found.add(digests.of_volume(place, None))
    changed[3, 1, 2] = 0
    write_volume(place, changed, overwrite=True)
    found.add(digests.of_volume(place, None))
    assert len(found) == 5


def test_long_stack_read_in_parts_is_one_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    array = np.random.default_rng(0).integers(0, 255, (70, 3, 3)).astype(np.uint8)
    write_volume(tmp_path / "a.tif", array)
    write_volume(f"{tmp_path}/a.h5:raw", np.pad(array, ((2, 3), (0, 0), (0, 0))))
    whole = InputDigests().of_volume(f"{tmp_path}/a.tif", None)
    monkeypatch.setattr("objectwise.workflow.fingerprint.read_in_parts", SMALL_PARTS)
    assert InputDigests().of_volume(f"{tmp_path}/a.tif", None) == whole
    array[69, 2, 2] ^= 1
    write_volume(tmp_path / "b.tif", array)
    assert InputDigests().of_volume(f"{tmp_path}/b.tif", None) != whole


def test_bad_voxel_deep_in_a_stack_is_named_from_where_its_part_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("objectwise.workflow.fingerprint.read_in_parts", SMALL_PARTS)
    array = np.ones((70, 3, 3), np.float32)
    array[40, 1, 2] = np.inf
    write_volume(f"{tmp_path}/a.h5:raw", array)
    with pytest.raises(ArgumentError, match=r"got inf at \(8, 1, 2\), counted from section 32"):
        InputDigests().of_volume(f"{tmp_path}/a.h5:raw", None)


def test_compressed_file_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_volume(tmp_path / "a.nii.gz", np.ones((100, 3, 3), np.uint8))
    monkeypatch.setattr("objectwise.workflow.fingerprint.read_in_parts", SMALL_PARTS)
    opened = []
    original = gzip.open
    monkeypatch.setattr(gzip, "open", lambda *what: opened.append(what) or original(*what))
    InputDigests().of_volume(f"{tmp_path}/a.nii.gz", None)
    assert len(opened) == 1


def test_chunk_of_a_zarr_that_was_written_again_is_noticed(tmp_path: Path):
    write_volume(tmp_path / "a.zarr", np.ones((40, 3, 3), np.uint8))
    digests = InputDigests()
    first = digests.of_volume(f"{tmp_path}/a.zarr", None)
    array = zarr.open_array(str(tmp_path / "a.zarr"))
    array[39, 0, 0] = 2
    assert digests.of_volume(f"{tmp_path}/a.zarr", None) != first


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ArgumentError, match=r"a\.pt cannot be read: No such file"):
        InputDigests().of_file(tmp_path / "a.pt")


def test_digests_of_sections_are_remembered_by_that_of_the_volume(tmp_path: Path):
    voxels = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
    voxels[1] = 7
    for name, array in (("all", voxels), ("some", voxels[1:4])):
        write_volume(f"{tmp_path}/{name}.h5:raw", array)
    digests = InputDigests()
    whole, some = (digests.of_volume(f"{tmp_path}/{name}.h5:raw", None) for name in ("all", "some"))
    digests.write(tmp_path / "inputs.json")
    again = InputDigests.read(tmp_path / "inputs.json")
    assert len(set(again.sections_of(whole))) == 5
    assert again.sections_of(whole)[1] == ""  # of a single value
    assert again.sections_of(some) == again.sections_of(whole)[1:4]
    assert again.sections_of("unknown") == again.sections_of(None) == []


COPIES = [
    (
        np.arange(60),
        ["uint8", "uint16", "int16", "int32", "int64", "uint64", "float16", "float32", "float64"],
    ),
    (np.arange(60) * 1000 - 9, ["int32", "int64", "float32", "float64"]),
    (np.arange(60) / 8, ["float16", "float32", "float64"]),
    (np.arange(60, dtype=np.uint64) + np.uint64(2**64 - 99), ["uint64"]),
    (np.arange(60) + 1e-9, ["float64"]),
    (np.arange(60) + 1e200, ["float64"]),
]


@pytest.mark.parametrize("shape", [(12, 16), (3, 12, 16)])
def test_an_image_or_a_stack_that_was_read_has_the_digest_of_its_file(tmp_path: Path, shape: tuple[int, ...]):
    place = f"{tmp_path}/volume.h5:raw"
    write_volume(place, np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8))
    digests = InputDigests()
    digest = digests.of_volume(place, None)
    assert digest == voxels_digest(read_raw_stack(place))
    assert len(digests.sections_of(digest)) == (1 if len(shape) == 2 else shape[0])


def test_sections_are_known_by_their_values_and_volumes_by_their_dtype_too(tmp_path: Path):
    sections, volumes = [], []
    for values, dtypes in COPIES:
        of_copies = []
        for dtype in dtypes:
            np.testing.assert_array_equal(values.astype(dtype), values)
            place = f"{tmp_path}/{len(volumes)}.h5:raw"
            write_volume(place, values.astype(dtype).reshape(5, 3, 4))
            digests = InputDigests()
            volumes.append(digests.of_volume(place, None))
            of_copies.append(digests.sections_of(volumes[-1]))
        assert all(copy == of_copies[0] for copy in of_copies)
        sections += of_copies[0]
    assert len(set(volumes)) == len(volumes)
    assert len(set(sections)) == len(sections) - 4  # 1e200 is one value
    assert sections[-5:] == [""] * 5


def test_what_an_earlier_version_remembered_is_read_again(tmp_path: Path):
    place = f"{volume(tmp_path)}:raw"
    digests = InputDigests()
    whole = digests.of_volume(place, None)
    (known,) = digests.known.values()
    sections = known["sections"]
    known.pop("format")
    known["sections"] = ["of bytes"] * 4
    assert digests.sections_of(whole) == []
    assert digests.of_volume(place, None) == whole
    assert digests.sections_of(whole) == sections


def test_memory_saves_reading_until_the_file_changes(tmp_path: Path, monkeypatch):
    file = volume(tmp_path)
    digests = InputDigests()
    first = digests.of_volume(f"{file}:raw", None)
    digests.write(tmp_path / "inputs.json")
    reads = []
    monkeypatch.setattr(
        "objectwise.workflow.fingerprint._volume_digests",
        lambda *what: reads.append(what) or {"digest": "new"},
    )
    again = InputDigests.read(tmp_path / "inputs.json")
    assert again.of_volume(f"{file}:raw", None) == first
    assert not reads
    os.utime(file, (1, 1))
    assert again.of_volume(f"{file}:raw", None) == "new"


def test_damaged_memory_is_an_empty_one(tmp_path: Path):
    for text in ("", "[1]", '{"a": 3}'):
        (tmp_path / "inputs.json").write_text(text)
        assert InputDigests.read(tmp_path / "inputs.json").of_file(tmp_path / "inputs.json")
