"""The largest missed and false objects of a run with masks, each with a crop around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.report.colours import Rgb
from objectwise.report.mask_pictures import colour_picture, is_photograph, paint_one, tissue_of
from objectwise.report.mask_sections import SegmentedClass, errors_of, inner_pixels
from objectwise.report.objects_found import FoundObject, VolumeObjects, among
from objectwise.report.pictures import Grid
from objectwise.report.sections import CROP_SIDE, Picture, picture


@dataclass(frozen=True)
class ObjectCard:
    """One of the largest missed or false objects, with a crop of the tissue, and of what was made of it."""

    anchor: str
    number: int
    found: FoundObject
    sentence: str
    place: str
    raw: Picture
    objects: Picture


def object_cards(one: SegmentedClass, limit: int) -> list[ObjectCard]:
    """Crop the largest missed and false objects."""
    return [_card(one, found, number) for number, found in enumerate(errors_of(one)[:limit], start=1)]


def _card(one: SegmentedClass, found: FoundObject, number: int) -> ObjectCard:
    volume, z, size = one.volume, found.section, one.volume.voxel_size
    truth, segments = volume.true_objects(one.index), volume.objects(one.index)
    assert truth is not None
    assert one.objects is not None
    labels, own = (segments[z], found.segment_id) if found.kind == "false" else (truth[z], found.truth_id)
    body = among(np.asarray(labels), np.array([own], np.uint64))
    box = _crop_box(body)
    grid = Grid.fit(body[box].shape, CROP_SIDE)
    tissue = tissue_of(volume.raw, z, grid, box)
    shown_truth, shown_segments = (grid.small_labels(ids[z][box]) for ids in (truth, segments))
    shown_body = grid.small_labels(body[box])
    others = shown_truth if found.kind == "false" else shown_segments
    painted = paint_one(tissue, shown_body, others, found.kind)
    y, x = inner_pixels(body.astype(np.uint8))[1][:2]
    place = f"z {z}, y {y}, x {x}"
    raw: Rgb | NDArray[np.uint8] = tissue
    if is_photograph(volume.raw):
        raw = colour_picture(np.asarray(volume.raw[:, z])[(slice(None), *box)], grid)
    return ObjectCard(
        one.anchor(number),
        number,
        found,
        _sentence(found, one.objects),
        place,
        picture(raw, size, "raw", f"Raw image around {place}"),
        picture(painted, size, *_caption(found, place)),
    )


def _caption(found: FoundObject, place: str) -> tuple[str, str]:
    if found.kind == "missed":
        return "segments in white", f"The missed object at {place}, and the outlines of segments in white"
    return "true objects in white", f"The false segment at {place}, and the outlines of true objects in white"


def _sentence(found: FoundObject, objects: VolumeObjects) -> str:
    """Say why an object has no partner: it is cut, it is joined with others, or it fits badly."""
    missed = found.kind == "missed"
    rival = found.segment_id if missed else found.truth_id
    if rival is None:
        return "Nothing was predicted here." if missed else "There is no object here."
    other = f"{'segment' if missed else 'object'} {rival}"
    if len(found.pieces) > 1:
        return f"{'Cut into segments' if missed else 'Joins objects'} {_listed(found.pieces)}."
    if found.company:
        others = f"{'object' if missed else 'segment'}{'s' if len(found.company) > 1 else ''}"
        how = "Joined in" if missed else "A piece of"
        return f"{how} {other}, with {others} {_listed(found.company)}."
    partner = _partner(found, objects)
    rest = f", which {'is object' if missed else 'was found as segment'} {partner}" if partner else ""
    return f"Overlaps {other} by an IoU of {found.overlap:.2f} only{rest}."


def _listed(ids: tuple[int, ...], most: int = 5) -> str:
    """Return ids as words, not too many of them."""
    if len(ids) > most:
        return f"{', '.join(map(str, ids[:most]))} and {len(ids) - most} more"
    return " and ".join(filter(None, (", ".join(map(str, ids[:-1])), str(ids[-1]))))


def _partner(found: FoundObject, objects: VolumeObjects) -> int | None:
    """Return whom the rival of an object without a partner was matched with."""
    matching = objects.matching(found.section)
    truth = matching.truth.ids[matching.pairs[:, 0]]
    segments = matching.predicted.ids[matching.pairs[:, 1]]
    if found.kind == "missed":
        partner = truth[segments == np.uint64(found.segment_id or 0)]
    else:
        partner = segments[truth == np.uint64(found.truth_id or 0)]
    return int(partner[0]) if partner.size else None


def _crop_box(body: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Choose a square around an object: three times as wide, 48 to 256 voxels."""
    ((rows, columns),) = ndimage.find_objects(body.astype(np.uint8))
    extent = max(rows.stop - rows.start, columns.stop - columns.start)
    side = int(np.clip(3 * extent, 48, 256))
    first, second = (
        slice(start, min(start + side, size))
        for start, size in (
            (int(np.clip((part.start + part.stop - side) // 2, 0, max(0, size - side))), size)
            for part, size in zip((rows, columns), body.shape, strict=True)
        )
    )
    return first, second
