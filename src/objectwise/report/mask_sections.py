"""A section of a run with masks as the page shows it: its pictures with ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.report.colours import Rgb
from objectwise.report.mask_content import MaskRun, MaskVolume
from objectwise.report.mask_pictures import (
    colour_picture,
    find_surfaces,
    is_photograph,
    paint_objects,
    paint_surfaces,
    tissue_of,
)
from objectwise.report.objects_found import FoundObject, VolumeObjects, find_objects, ids_by_kind
from objectwise.report.pictures import Grid, grey, paint_affinities, paint_instances
from objectwise.report.sections import SMALL_SIDE, Picture, Pin, picture

AnyArray = NDArray[Any]
MOST_CHANNELS = 4
"""Raw channels that are shown."""
MOST_IDS = 120
"""Ids written on a picture; more would hide it."""
WHOLE = (slice(None), slice(None))
"""All of a section."""
_LETTER, _LINE = 1.15, 2.6
"""Width of a digit and height of a line of an id, in percent of a large picture's width."""


@dataclass(frozen=True, eq=False)
class SegmentedClass:
    """One class of a volume of a run, beside its objects (None without truth)."""

    run: MaskRun
    volume: MaskVolume
    index: int
    key: str
    objects: VolumeObjects | None

    @classmethod
    def of(cls, run: MaskRun, volume: MaskVolume, index: int, key: str) -> SegmentedClass:
        """Match the objects of a class of a volume."""
        truth = volume.true_objects(index)
        objects = None
        if truth is not None:
            objects = find_objects(
                truth=truth, segmentation=volume.objects(index), linked_sections=run.dimensions == 3
            )
        return cls(run, volume, index, key, objects)

    @property
    def name(self) -> str:
        """What the class is called."""
        return self.run.classes[self.index]

    def anchor(self, number: int) -> str:
        """Return the page's name for an error."""
        return f"error-{self.key}-{number}"


@dataclass(frozen=True)
class ClassSection:
    """What one run made of a class in a section."""

    run: str
    objects: Picture | None
    surfaces: Picture | None
    segmentation: Picture
    probabilities: Picture | None
    words: str


@dataclass(frozen=True)
class ObjectSection:
    """A section of one class: tissue and truth once, then what each run made of it."""

    z: int
    raw: tuple[Picture, ...]
    truth: Picture | None
    runs: tuple[ClassSection, ...]


def object_section(
    segmented: Sequence[SegmentedClass], z: int, *, side: int, listed: int = 0
) -> ObjectSection:
    """Paint section `z` of one class as every run left it, the large pictures up to `side` pixels.

    The first `listed` errors of each run have a card on the page, which their ids lead to.
    """
    first = next((one for one in segmented if one.objects is not None), segmented[0])
    volume = first.volume
    grid = Grid.fit(volume.shape[1:], min(side, SMALL_SIDE))
    tissue = tissue_of(volume.raw, z, grid, WHOLE)
    truth, labels = None, volume.true_objects(first.index)
    if labels is not None:
        shown = grid.small_labels(labels[z])
        n_objects = len(np.unique(labels[z][labels[z] != 0]))
        alt = f"True objects of {_where(first, z)}: {n_objects} in colour"
        truth = picture(paint_instances(tissue, shown, shown), volume.voxel_size, "Truth", alt)
    large = Grid.fit(volume.shape[1:], side)
    runs = tuple(_class_section(one, z, (large, grid), listed) for one in segmented)
    return ObjectSection(z, _raw_pictures(volume, z, grid), truth, runs)


def thumbnail(one: SegmentedClass, z: int, side: int) -> Picture:
    """Paint a section small: found, missed and false objects, no ids; predicted objects without truth."""
    grid = Grid.fit(one.volume.shape[1:], side)
    tissue = tissue_of(one.volume.raw, z, grid, WHOLE)
    pixels, words = _painted(one, z, grid, tissue)
    return picture(pixels, one.volume.voxel_size, one.volume.name, f"{words} in {_where(one, z)}")


def worst_sections(found: Sequence[VolumeObjects], depth: int, limit: int) -> list[int]:
    """Return the section with most voxels in error, then bad ones that are no neighbours.

    Where nothing is wrong, those that show most objects; without truth the middle first.
    """
    wrong, shown = np.zeros(depth), -np.abs(np.arange(depth) - depth // 2)
    if found:
        wrong = np.sum([objects.wrong_voxels for objects in found], axis=0)
        shown = np.sum([objects.object_voxels for objects in found], axis=0)
    apart = max(1, depth // 5)
    chosen: list[int] = []
    for z in np.lexsort((-shown, -wrong)).tolist():
        if all(abs(z - other) >= apart for other in chosen):
            chosen.append(z)
    return chosen[:limit]


def _where(one: SegmentedClass, z: int) -> str:
    return f"{one.name}, section {z} of {one.volume.name}"


def errors_of(one: SegmentedClass) -> list[FoundObject]:
    """Return the missed and false objects, largest first."""
    return [] if one.objects is None else [found for found in one.objects.objects if found.kind != "found"]


def _raw_pictures(volume: MaskVolume, z: int, grid: Grid) -> tuple[Picture, ...]:
    raw, where = volume.raw, f"section {z} of {volume.name}"
    if is_photograph(raw):
        pixels: list[NDArray[np.uint8]] = [colour_picture(np.asarray(raw[:, z]), grid)]
    elif raw.ndim == 3:
        pixels = [grey(grid.values(np.asarray(raw[z])))]
    else:
        pixels = [grey(grid.values(np.asarray(channel[z]))) for channel in raw[:MOST_CHANNELS]]
    several = len(pixels) > 1
    return tuple(
        picture(
            one,
            volume.voxel_size,
            f"Raw, channel {index} of {len(raw)}" if several else "Raw",
            f"Raw image of {where}, channel {index}" if several else f"Raw image of {where}",
        )
        for index, one in enumerate(pixels)
    )


def _class_section(one: SegmentedClass, z: int, grids: tuple[Grid, Grid], listed: int) -> ClassSection:
    """Paint one run's section: what was found and the surfaces on the first grid, the rest on the second."""
    volume, where, size = one.volume, f"{_where(one, z)} by {one.run.name}", one.volume.voxel_size
    objects, surfaces, words = None, None, ""
    grid, small = grids
    tissue = tissue_of(volume.raw, z, small, WHOLE)
    truth = volume.true_objects(one.index)
    if one.objects is not None and truth is not None:
        under = tissue_of(volume.raw, z, grid, WHOLE)
        pixels, words = _painted(one, z, grid, under)
        pins = tuple(_pins(one, one.objects, z, listed)) if listed else ()
        objects = picture(pixels, size, "Objects", f"{words} in {where}", pins)
        surfaces = _surface_picture(one, truth, z, grid, under)
    segments = small.small_labels(volume.objects(one.index)[z])
    colours = segments if one.objects is None else _true_colours(segments, one.objects, z)
    n_segments = len(np.unique(segments[segments != 0]))
    segmentation = picture(
        paint_instances(tissue, segments, colours), size, "Segmentation",
        f"Predicted objects of {where}: {n_segments} in colour",
    )  # fmt: skip
    probabilities = None
    section = volume.probability_section(z, one.run.n_channels)
    if section is not None:
        values = small.values(section[one.run.channel_of(one.index)])
        alt = f"Probability of {where}, bright where the network is sure"
        probabilities = picture(paint_affinities(values), size, "Probability", alt)
    return ClassSection(one.run.name, objects, surfaces, segmentation, probabilities, words)


def _painted(one: SegmentedClass, z: int, grid: Grid, tissue: NDArray[np.uint8]) -> tuple[Rgb, str]:
    """Paint what was found, missed and invented in a section, and say how much of each it shows."""
    segments = grid.small_labels(one.volume.objects(one.index)[z])
    true_objects = one.volume.true_objects(one.index)
    if one.objects is None or true_objects is None:
        n_segments = len(np.unique(segments[segments != 0]))
        return paint_instances(tissue, segments, segments), f"{n_segments} predicted"
    truth = grid.small_labels(true_objects[z])
    masks = one.objects.masks(z, truth, segments)
    unknown = one.volume.unknown(z)
    painted = paint_objects(
        tissue,
        truth=truth,
        segments=segments,
        masks=masks,
        unknown=None if unknown is None else grid.labels(unknown),
    )
    number = {
        kind: len(np.unique((truth if kind == "missed" else segments)[mask])) for kind, mask in masks.items()
    }
    return painted, ", ".join(f"{count:,} {kind}" for kind, count in number.items())


def _surface_picture(
    one: SegmentedClass, truth: AnyArray, z: int, grid: Grid, tissue: NDArray[np.uint8]
) -> Picture:
    size = one.volume.voxel_size
    spacing = size if one.run.dimensions == 3 else size[1:]
    surfaces = find_surfaces(
        truth, one.volume.objects(one.index), z, tolerance=one.run.tolerance, spacing=spacing
    )
    alt = (
        f"Contours of truth and prediction, strong where they are further apart than {one.run.tolerance:g}, "
        f"of {_where(one, z)} by {one.run.name}"
    )
    return picture(paint_surfaces(tissue, surfaces, grid), size, "Surfaces", alt)


def _true_colours(segments: AnyArray, objects: VolumeObjects, z: int) -> AnyArray:
    """Return the id that each pixel's colour is taken from: of the true object where it was found.

    What was not has the highest bit set, so that it shares its colour with no true object.
    """
    matching = objects.matching(z)
    ids, inverse = np.unique(segments.astype(np.uint64), return_inverse=True)
    own = ids | np.uint64(1 << 63)
    own[ids == 0] = 0
    segment_ids, truth_ids = ids_by_kind(matching)["found"], matching.truth.ids[matching.pairs[:, 0]]
    order = np.argsort(segment_ids)
    if order.size:
        at = np.minimum(np.searchsorted(segment_ids[order], ids), order.size - 1)
        known = segment_ids[order][at] == ids
        own[known] = truth_ids[order][at[known]]
    colours: AnyArray = own[inverse].reshape(segments.shape)
    return colours


def _pins(one: SegmentedClass, objects: VolumeObjects, z: int, listed: int) -> Iterator[Pin]:
    """Write ids on the objects of a section, errors before found ones, largest first, none over another."""
    truth = one.volume.true_objects(one.index)
    assert truth is not None
    places = {
        True: inner_pixels(np.asarray(truth[z])),
        False: inner_pixels(np.asarray(one.volume.objects(one.index)[z])),
    }
    numbers = {id(found): number for number, found in enumerate(errors_of(one)[:listed], start=1)}
    linked = one.run.dimensions == 3
    shown = [found for found in objects.objects if linked or found.section == z]
    height, width = truth.shape[1:]
    tall = height * one.volume.voxel_size[1] / (width * one.volume.voxel_size[2])
    taken: list[tuple[float, float, float]] = []
    for found in sorted(shown, key=lambda found: found.kind == "found"):
        own = found.segment_id if found.kind == "false" else found.truth_id
        assert own is not None
        place = places[found.kind != "false"].get(own)
        if place is None or len(taken) == MOST_IDS:
            continue
        left, across = 100 * (place.x + 0.5) / width, 100 * tall * (place.y + 0.5) / height
        if 100 * tall * place.depth / height < _LINE:  # what is small stays visible under its id
            above = 100 * tall * place.top / height - 0.6 * _LINE
            across = above if above > _LINE / 2 else 100 * tall * place.bottom / height + 0.6 * _LINE
        wide = _LETTER * (len(str(own)) + 1)
        if any(abs(left - x) < (wide + w) / 2 and abs(across - y) < _LINE for x, y, w in taken):
            continue
        taken.append((left, across, wide))
        left = float(np.clip(left, wide / 2, 100 - wide / 2))
        top = float(np.clip(across, _LINE / 2, 100 * tall - _LINE / 2)) / tall
        number = numbers.get(id(found), 0)
        yield Pin(own, found.kind, round(left, 2), round(top, 2), one.anchor(number) if number else "")


class Place(NamedTuple):
    """Where an object lies in a section: its most inner pixel, how deep that is, and its rows."""

    y: int
    x: int
    depth: float
    top: int
    bottom: int


def inner_pixels(section: AnyArray) -> dict[int, Place]:
    """Find the most inner pixel of each object of a section, (y, x)."""
    ids, inverse = np.unique(section, return_inverse=True)
    # Numbered from 1 without gaps, and 0 only for background.
    compact = inverse.reshape(section.shape) + (0 if ids[0] == 0 else 1)
    named = ids[ids != 0].tolist()
    places = {}
    for index, box in enumerate(ndimage.find_objects(compact), start=1):
        inside = np.pad(compact[box] == index, 1)
        depths = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        y, x = np.unravel_index(int(np.argmax(depths)), depths.shape)
        places[int(named[index - 1])] = Place(
            int(y) + box[0].start, int(x) + box[1].start, float(depths[y, x]), box[0].start, box[0].stop
        )
    return places
