"""PNGs alone and in folders: natural order, depths, colours, and what they cannot hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from objectwise.data import describe_volume, read_labels, read_volume, write_volume
from objectwise.data.formats.png import natural_key
from objectwise.errors import DtypeError, VolumeError

IMAGE = np.random.default_rng(0).integers(0, 255, (6, 7)).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.write_bytes(imagecodecs.png_encode(image))


def save_grey_bits(path: Path, image: np.ndarray, bits: int) -> None:
    """Write a greyscale PNG of 1, 2 or 4 bit, as the specification says."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b""
    for row in image:
        digits = "".join(f"{value:0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        rows += b"\0" + bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))
    header = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], bits, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 10, 9, 100):
        save(tmp_path / f"section{number}.png", np.full((2, 3), number, np.uint8))
    (tmp_path / "._section1.png").write_text("left by another system")
    (tmp_path / "notes.txt").write_text("not a section")
    assert read_volume(tmp_path).array[:, 0, 0].tolist() == [1, 2, 9, 10, 100]
    assert read_volume(tmp_path, sections=(1, 3)).array[:, 0, 0].tolist() == [2, 9]


def test_natural_order_is_total_over_mixed_names() -> None:
    names = ["b1", "a10", "a2", "1", "01", "a", "A3", "x1y2", "x1y10", "²"]
    assert sorted(names, key=natural_key) == ["01", "1", "a", "a2", "A3", "a10", "b1", "x1y2", "x1y10", "²"]


def test_only_the_sections_asked_for_are_decoded(tmp_path: Path) -> None:
    write_volume(tmp_path / "s", np.stack([IMAGE] * 4))
    file = tmp_path / "s" / "0003.png"
    file.write_bytes(file.read_bytes()[:40])
    assert read_volume(tmp_path / "s", sections=(0, 3)).array.shape == (3, 6, 7)
    with pytest.raises(VolumeError, match=r"s` must be a readable PNG folder"):
        read_volume(tmp_path / "s")


@pytest.mark.parametrize("other", [np.zeros((6, 8), np.uint8), np.zeros((6, 7), np.uint16)])
def test_folder_of_several_sizes_is_refused(other: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "1.png", IMAGE)
    save(tmp_path / "2.png", other)
    with pytest.raises(
        VolumeError, match=r"one size and dtype, got \(6, 7\) uint8 in 1\.png and .* in 2\.png"
    ):
        describe_volume(tmp_path)


def test_text_with_a_png_name_in_a_folder_is_named(tmp_path: Path) -> None:
    save(tmp_path / "1.png", IMAGE)
    (tmp_path / "2.png").write_text("no image")
    with pytest.raises(VolumeError, match=r"2\.png` must be a PNG, got other bytes or a truncated file"):
        read_volume(tmp_path)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_labels_of_few_bits_keep_their_ids(bits: int, tmp_path: Path) -> None:
    ids = np.arange(15).reshape(3, 5) % 2**bits
    save_grey_bits(tmp_path / "a.png", ids, bits)
    labels = read_labels(tmp_path / "a.png").array
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, ids)


def test_grey_keeps_the_value_that_equal_channels_share(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for dtype in (np.uint8, np.uint16):
        scaled = values.astype(dtype) * (257 if dtype == np.uint16 else 1)
        save(tmp_path / "a.png", np.stack([scaled] * 3, axis=-1).astype(dtype))
        grey = read_volume(tmp_path / "a.png", grey=True).array
        assert grey.dtype == dtype
        np.testing.assert_array_equal(grey, scaled)


def test_grey_is_the_luma_of_bt601(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8))
    # 0.299 R + 0.587 G + 0.114 B, by hand: 76.2, 149.7, 29.1, 18.2
    assert read_volume(tmp_path / "a.png", grey=True).array.tolist() == [[76, 150, 29, 18]]


def test_opacity_is_dropped_only_where_it_is_complete(tmp_path: Path) -> None:
    image = np.dstack([IMAGE, IMAGE, IMAGE, np.full_like(IMAGE, 255)])
    save(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.png", grey=True).array, IMAGE)
    image[2, 3, 3] = 0
    save(tmp_path / "b.png", image)
    with pytest.raises(VolumeError, match=r"b\.png` must be opaque to become grey, got transparent pixels"):
        read_volume(tmp_path / "b.png", grey=True)


def test_colour_labels_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.dstack([IMAGE] * 3))
    with pytest.raises(VolumeError, match=r"a\.png` must be grey, got 3 colour channels"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize(("name", "shape"), [("a.png", (4, 5)), ("a", (3, 4, 5))])
@pytest.mark.parametrize(
    ("dtype", "largest", "advice"),
    [
        (np.uint64, 70000, "values up to 70000 do not fit either; write HDF5, Zarr or TIFF"),
        (np.int64, 65535, r"the values fit: convert on purpose with \.astype\(np\.uint16\)"),
        (np.float32, 0.5, "do not fit either"),
    ],
)
def test_dtype_beyond_16_bit_is_refused_before_writing(
    name: str, shape: tuple[int, ...], dtype: type, largest: float, advice: str, tmp_path: Path
) -> None:
    array = np.zeros(shape, dtype)
    array.flat[3] = largest
    with pytest.raises(DtypeError, match=r"can hold uint8 or uint16 as PNG, got dtype .*" + advice):
        write_volume(tmp_path / name, array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keywords", [{"voxel_size": (4, 4)}, {"offset": (0, 1)}])
def test_voxel_size_and_offset_are_refused_not_dropped(keywords: dict, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="can hold no voxel size or offset as PNG"):
        write_volume(tmp_path / "a.png", IMAGE, **keywords)
    write_volume(tmp_path / "a.png", IMAGE, voxel_size=(1, 1), offset=(0, 0))


def test_rank_and_name_must_agree(tmp_path: Path) -> None:
    with pytest.raises(
        VolumeError, match=r"one image \(y, x\), got shape \(1, 6, 7\); name a folder for a stack"
    ):
        write_volume(tmp_path / "a.png", IMAGE[None])
    with pytest.raises(VolumeError, match=r"a folder of PNGs, got shape \(6, 7\); end the name in \.png"):
        write_volume(tmp_path / "a", IMAGE)


def test_folder_with_anything_else_is_never_replaced(tmp_path: Path) -> None:
    write_volume(tmp_path / "s", IMAGE[None])
    (tmp_path / "s" / "thesis.txt").write_text("the only copy")
    with pytest.raises(
        VolumeError, match=r"nothing but PNGs to be written as a whole, got 'thesis\.txt' in it"
    ):
        write_volume(tmp_path / "s", IMAGE[None], overwrite=True)
    assert (tmp_path / "s" / "thesis.txt").read_text() == "the only copy"
