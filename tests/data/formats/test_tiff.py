"""TIFFs that others wrote: ImageJ's and OME's voxel size, colours, pages that do not fit."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from objectwise.data import describe_volume, read_volume, write_volume
from objectwise.errors import VolumeError

STACK = np.random.default_rng(0).integers(0, 255, (5, 6, 7)).astype(np.uint8)


def test_imagej_calibration_becomes_the_voxel_size(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(1 / 4.6, 1 / 5.2),
        metadata={"axes": "ZYX", "spacing": 50.5, "unit": "nm"},
    )
    volume = read_volume(tmp_path / "a.tif")
    assert volume.voxel_size == pytest.approx((50.5, 5.2, 4.6), rel=1e-6)
    np.testing.assert_array_equal(volume.array, STACK)


def test_imagej_file_without_unit_is_not_calibrated(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(72, 72), metadata={"axes": "ZYX"})
    assert read_volume(tmp_path / "a.tif").voxel_size == (1.0, 1.0, 1.0)


def test_ome_physical_size_becomes_the_voxel_size(tmp_path: Path) -> None:
    units = {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    sizes = {"PhysicalSizeX": 4.0, "PhysicalSizeY": 5.0, "PhysicalSizeZ": 40.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX", **sizes, **units})
    volume = read_volume(tmp_path / "a.ome.tif", sections=(1, 4))
    assert volume.voxel_size == (40.5, 5.0, 4.0)
    assert volume.offset == (40.5, 0.0, 0.0)
    np.testing.assert_array_equal(volume.array, STACK[1:4])


def test_ome_voxel_size_in_mixed_units_is_refused(tmp_path: Path) -> None:
    metadata = {"PhysicalSizeX": 4.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 4.0, "PhysicalSizeZ": 1.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX", **metadata})
    with pytest.raises(VolumeError, match=r"a\.ome\.tif` must state its voxel size in one unit, got nm, µm"):
        describe_volume(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("imagej", [False, True])
def test_sections_of_a_foreign_stack_are_read_page_by_page(
    compression: str | None, imagej: bool, tmp_path: Path
) -> None:
    metadata = {"axes": "ZYX"} if imagej else None
    keywords = {"compression": compression, "imagej": imagej, "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", **keywords)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").array, STACK)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif", sections=(2, 5)).array, STACK[2:5])


def test_only_the_pages_asked_for_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_volume(tmp_path / "a.tif", STACK)
    decoded = []
    for kind in (tifffile.TiffPage, tifffile.TiffFrame):
        original = kind.asarray

        def counted(page, *args, _original=original, **keywords):
            decoded.append(page.index)
            return _original(page, *args, **keywords)

        monkeypatch.setattr(kind, "asarray", counted)
    read_volume(tmp_path / "a.tif", sections=(1, 3))
    assert sorted(set(decoded)) == [1, 2]


def test_one_page_is_one_image_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None)
    assert read_volume(tmp_path / "a.tif").array.shape == (6, 7)
    write_volume(tmp_path / "b.tif", STACK[:1])
    assert read_volume(tmp_path / "b.tif").array.shape == (1, 6, 7)


def test_three_columns_are_no_colours(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.tif", STACK[..., :3])
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").array, STACK[..., :3])


def test_colours_are_refused_unless_asked_to_be_grey(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([STACK] * 3, axis=-1), photometric="rgb")
    with pytest.raises(VolumeError, match=r"a\.tif` must be grey, got 3 colour channels"):
        read_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif", grey=True).array, STACK)


def test_channels_are_not_taken_for_sections(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(VolumeError, match=r"one stack of sections, got axes CYX with shape \(5, 6, 7\)"):
        read_volume(tmp_path / "a.tif")


def test_pages_of_several_sizes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(STACK[0], metadata=None)
        file.write(STACK[0, :3], metadata=None)
    with pytest.raises(VolumeError, match=r"pages of one size and dtype, got 2 different images"):
        read_volume(tmp_path / "a.tif")


def test_stack_that_lost_its_last_pages_is_refused_quietly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata=None, compression="zlib")
    whole = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        third = file.pages[2].offset
    (tmp_path / "a.tif").write_bytes(whole[:third])
    with caplog.at_level(logging.DEBUG), pytest.raises(VolumeError, match="must be a whole TIFF"):
        read_volume(tmp_path / "a.tif")
    assert not capfd.readouterr().err
    assert logging.getLogger("tifffile").propagate
