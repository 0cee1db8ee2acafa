"""One section as the page shows it: its pictures, its pins, and a crop around each large error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.graph import known_edges
from objectwise.report.colours import Rgb, matching_ids
from objectwise.report.content import VolumeContent
from objectwise.report.errors_found import CellErrors, ErrorRegion, Kind, VolumeErrors, contact
from objectwise.report.marks import find_marks
from objectwise.report.pictures import (
    Grid,
    data_uri,
    grey,
    paint_affinities,
    paint_areas,
    paint_borders,
    paint_errors,
    paint_instances,
)

AnyArray = NDArray[Any]

LARGE_SIDE, SMALL_SIDE, CROP_SIDE = 640, 320, 200
"""Longest side of a picture in pixels: the worst section, the others, and an error's crop."""


@dataclass(frozen=True)
class Pin:
    """A number on a picture that leads to the error it names; position in percent of the picture."""

    number: int
    kind: str
    left: float
    top: float
    target: str


@dataclass(frozen=True)
class Picture:
    """An embedded picture with its caption, and its text for those who do not see it."""

    uri: str
    width: int
    height: int
    aspect: float
    caption: str
    alt: str
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True)
class RunSection:
    """What one run made of a section."""

    run: str
    errors: Picture | None
    segmentation: Picture
    affinities: Picture | None
    wrong: str


@dataclass(frozen=True)
class SectionView:
    """A section: tissue and truth once, then what each run made of it."""

    z: int
    raw: Picture
    truth: Picture | None
    runs: tuple[RunSection, ...]


@dataclass(frozen=True)
class ErrorCard:
    """One of the largest errors, with a crop of truth and segmentation around it."""

    anchor: str
    number: int
    kind: Kind
    region: ErrorRegion
    share: str
    truth: Picture
    segmentation: Picture


@dataclass(frozen=True, eq=False)
class Segmented:
    """A volume of a run beside its errors (None without truth)."""

    run: str
    key: str
    content: VolumeContent
    errors: VolumeErrors | None
    linked_sections: bool


def section_view(segmented: Sequence[Segmented], z: int, *, side: int, pins: bool) -> SectionView:
    """Paint section `z` of one volume as every run left it, the longer side up to `side` pixels."""
    # Where only some runs were given the truth, it is shown from one that was.
    volume = next((one for one in segmented if one.errors is not None), segmented[0]).content
    tissue_values = np.asarray(volume.raw[z])
    grid = Grid.fit((tissue_values.shape[0], tissue_values.shape[1]), side)
    tissue = grey(grid.values(tissue_values))
    where = f"section {z} of {volume.name}"
    truth = None
    if volume.truth is not None:
        labels = grid.labels(volume.truth[z])
        painted = paint_instances(tissue, labels, labels)
        n_objects = len(np.unique(labels[labels != 0]))
        truth = _picture(painted, volume, "Truth", f"True objects of {where}: {n_objects} in colour")
    raw = _picture(tissue, volume, "Raw", f"Raw image of {where}")
    runs = tuple(_run_section(one, z, grid, tissue, pins=pins) for one in segmented)
    return SectionView(z, raw, truth, runs)


def error_cards(one: Segmented) -> list[ErrorCard]:
    """Crop truth and segmentation around each of the largest errors."""
    if one.errors is None:
        return []
    objects = max(1, int(one.errors.object_voxels.sum()))
    return [
        _card(one, one.errors, region, number, f"{region.voxels / objects:.1%}")
        for number, region in enumerate(one.errors.regions, start=1)
    ]


def anchor(one: Segmented, number: int) -> str:
    """Return the page's name for an error."""
    return f"error-{one.key}-{number}"


def in_plane_affinities(volume: VolumeContent, z: int) -> AnyArray | None:
    """Return one affinity per voxel of a section: the lowest of the nearest edges within it, (y, x).

    Edges that leave the volume are left out. Without offsets the channels' mean stands in.
    """
    section = volume.affinity_section(z)
    if section is None:
        return None
    if volume.offsets is None:
        mean: AnyArray = section.mean(axis=0)
        return mean
    offsets = np.asarray(volume.offsets)
    flat = offsets[:, 0] == 0
    length = np.abs(offsets).sum(axis=1)
    if not flat.any():
        return np.asarray(section.mean(axis=0))
    chosen = flat & (length == length[flat].min())
    known = known_edges(section.shape[1:], offsets[chosen, 1:])
    lowest = np.where(known, section[chosen], np.inf).min(axis=0)
    return np.where(np.isfinite(lowest), lowest, 1.0)


def _run_section(one: Segmented, z: int, grid: Grid, tissue: NDArray[np.uint8], *, pins: bool) -> RunSection:
    volume, errors = one.content, one.errors
    segments = grid.labels(volume.segmentation[z])
    where = f"section {z} of {volume.name} by {one.run}"
    marked, wrong = None, ""
    if errors is not None and volume.truth is not None:
        truth = grid.labels(volume.truth[z])
        painted = paint_errors(tissue, find_marks(truth, segments, errors.section_cells(z)))
        share = errors.wrong_voxels[z] / max(1, errors.object_voxels[z])
        wrong = f"{share:.1%}"
        alt = f"Errors marked in {where}: {wrong} of the object voxels are split, merged or missed"
        found = _pins(one, errors, volume, z) if pins else ()
        marked = _picture(painted, volume, "Errors", alt, found)
    painted = paint_instances(tissue, segments, _colour_ids(one, segments, z))
    segmentation = _picture(painted, volume, "Segmentation", f"Segments of {where} in colour")
    values = in_plane_affinities(volume, z)
    affinities = None
    if values is not None:
        alt = f"Affinities of {where}, dark where edges are cut"
        affinities = _picture(paint_affinities(grid.values(values)), volume, "Affinities", alt)
    return RunSection(one.run, marked, segmentation, affinities, wrong)


def _colour_ids(one: Segmented, segments: AnyArray, z: int) -> AnyArray:
    if one.errors is None:
        return segments
    table = one.errors.section_cells(z).table
    ids: AnyArray = matching_ids(table)[table.columns_of(segments)]
    return ids


def _pins(one: Segmented, errors: VolumeErrors, volume: VolumeContent, z: int) -> tuple[Pin, ...]:
    assert volume.truth is not None
    truth, segments = volume.truth[z], volume.segmentation[z]
    height, width = truth.shape
    pins = []
    for number, region in enumerate(errors.regions, start=1):
        if not one.linked_sections and region.centre[0] != z:
            continue
        place = contact(truth, segments, region)
        if place is not None:
            left, top = 100 * (place[1] + 0.5) / width, 100 * (place[0] + 0.5) / height
            pins.append(Pin(number, region.kind, round(left, 2), round(top, 2), anchor(one, number)))
    return tuple(pins)


def _card(one: Segmented, errors: VolumeErrors, region: ErrorRegion, number: int, share: str) -> ErrorCard:
    volume = one.content
    assert volume.truth is not None
    z, y, x = region.centre
    box = _crop_box(volume.truth[z], volume.segmentation[z], region, (y, x))
    truth_voxels, segment_voxels = volume.truth[z][box], volume.segmentation[z][box]
    grid = Grid.fit((truth_voxels.shape[0], truth_voxels.shape[1]), CROP_SIDE)
    tissue = grey(grid.values(np.asarray(volume.raw[z])[box]))
    truth, segments = grid.labels(truth_voxels), grid.labels(segment_voxels)
    cells: CellErrors = errors.section_cells(z)
    marks = find_marks(truth, segments, cells.only(region))
    painted = paint_instances(tissue, segments, _colour_ids(one, segments, z))
    if not marks.borders[region.kind].any() or region.kind == "missed":
        painted = paint_areas(painted, marks)
    painted = paint_borders(painted, marks)
    where = f"around z {z}, y {y}, x {x}"
    before: Rgb = paint_instances(tissue, truth, truth)
    return ErrorCard(
        anchor(one, number),
        number,
        region.kind,
        region,
        share,
        _picture(before, volume, "truth", f"True objects {where}"),
        _picture(painted, volume, "segmentation", f"Segments {where}, the {_noun(region.kind)} marked"),
    )


def _noun(kind: Kind) -> str:
    return {"split": "split border", "merge": "merged border", "missed": "missed object"}[kind]


def _crop_box(
    truth: AnyArray, segments: AnyArray, region: ErrorRegion, centre: tuple[int, int]
) -> tuple[slice, slice]:
    """Choose a square around an error: as wide as its smaller shares, 64 to 256 voxels."""
    concerned = np.isin(truth, np.array(region.truth_ids, dtype=truth.dtype))
    concerned &= np.isin(segments, np.array(region.segment_ids, dtype=segments.dtype))
    if region.kind == "split":
        concerned &= segments != region.segment_ids[0]
    elif region.kind == "merge":
        concerned &= truth != region.truth_ids[0]
    rows, columns = np.nonzero(concerned.any(axis=1))[0], np.nonzero(concerned.any(axis=0))[0]
    extent = max(np.ptp(rows) if rows.size else 0, np.ptp(columns) if columns.size else 0)
    side = int(np.clip(1.5 * extent, 64, 256))
    first, second = (
        slice(start, start + min(side, size))
        for start, size in (
            (int(np.clip(middle - side // 2, 0, max(0, size - side))), size)
            for middle, size in zip(centre, truth.shape, strict=True)
        )
    )
    return first, second


def _picture(
    pixels: NDArray[np.uint8], volume: VolumeContent, caption: str, alt: str, pins: tuple[Pin, ...] = ()
) -> Picture:
    return picture(pixels, volume.voxel_size, caption, alt, pins)


def picture(
    pixels: NDArray[np.uint8],
    voxel_size: tuple[float, float, float],
    caption: str,
    alt: str,
    pins: tuple[Pin, ...] = (),
) -> Picture:
    """Embed pixels, as wide and high as their voxels (z, y, x) are."""
    height, width = pixels.shape[:2]
    aspect = width * voxel_size[2] / (height * voxel_size[1])
    return Picture(data_uri(pixels), width, height, round(aspect, 4), caption, alt, pins)
