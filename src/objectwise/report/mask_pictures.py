"""Sections of a run with masks as pictures: what was found, missed and invented, and the surfaces of both."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.metrics.surfaces import surface_voxels
from objectwise.report.colours import Rgb
from objectwise.report.marks import outline
from objectwise.report.objects_found import ObjectKind
from objectwise.report.pictures import Grid, grey

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]

# Hues of Okabe and Ito's palette, lightened to stand on grey tissue; each kind has a pattern too.
OBJECT_COLOURS: dict[ObjectKind, tuple[int, int, int]] = {
    "found": (70, 215, 150),
    "missed": (240, 90, 205),
    "false": (255, 165, 30),
}
TRUE_SURFACE, PREDICTED_SURFACE = (64, 196, 255), (255, 165, 30)

_SQUARE = np.ones((3, 3), dtype=bool)


class Surfaces(NamedTuple):
    """Two masks of a section, and those voxels of their surfaces that lie too far from the other one."""

    truth: Mask
    prediction: Mask
    far_truth: Mask
    far_prediction: Mask


def find_surfaces(
    truth: AnyArray, segmentation: AnyArray, z: int, *, tolerance: float, spacing: tuple[float, ...]
) -> Surfaces:
    """Find the surfaces of section `z`, and what of them lies further than `tolerance` from the other one.

    Parameters
    ----------
    truth, segmentation : (z, y, x) integer, 0 = none
    tolerance : float, in the unit of `spacing`
    spacing : (2,) or (3,) float
        With two, the section is an image of its own; with three, surfaces are those of the volume, as in
        `objectwise.metrics.mask_scores`.

    Returns
    -------
    Surfaces, (y, x) each
    """
    # What lies beyond the tolerance along z decides nothing; one section more shows what is a surface.
    reach = 0 if len(spacing) == 2 else math.ceil(min(tolerance / spacing[0], len(truth))) + 1
    first, last = max(z - reach, 0), min(z + reach + 1, len(truth))
    masks = [np.asarray(labels[first:last]) != 0 for labels in (truth, segmentation)]
    here = z - first
    if len(spacing) == 2:
        surfaces = [surface_voxels(mask[here])[None] for mask in masks]
        here, spacing = 0, (1.0, *spacing)
    else:
        low = 1 if first > 0 else 0
        high = last - first - (1 if last < len(truth) else 0)
        surfaces = [surface_voxels(mask)[low:high] for mask in masks]
        masks, here = [mask[low:high] for mask in masks], here - low
    far = [
        own[here] & (_distances(other, spacing)[here] > tolerance)
        for own, other in (surfaces, surfaces[::-1])
    ]
    return Surfaces(masks[0][here], masks[1][here], far[0], far[1])


def paint_objects(
    tissue: NDArray[np.uint8],
    *,
    truth: AnyArray,
    segments: AnyArray,
    masks: dict[ObjectKind, Mask],
    unknown: Mask | None = None,
) -> Rgb:
    """Draw found, missed and false objects over dimmed tissue, (y, x, 3) uint8.

    A found object is tinted, with the solid outline of its segment; a missed one is crossed, with a dashed
    outline; a false one is hatched, with a barred outline. What is unknown is darkened.

    Parameters
    ----------
    tissue : (y, x) uint8
    truth, segments : (y, x) integer
    masks : by kind, (y, x) bool
    unknown : (y, x) bool, optional
    """
    painted = _dimmed(tissue)
    if unknown is not None:
        painted[unknown] *= 0.4
    y, x = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    falling, rising = (y - x) % 9 < 2, (y + x) % 9 < 2
    bars = (y + x) % 12 < 3
    patterns: dict[ObjectKind, Any] = {
        "found": np.zeros_like(rising),
        "missed": rising | falling,
        "false": rising,
    }
    for kind, pattern in patterns.items():
        colour, area = np.array(OBJECT_COLOURS[kind], np.float32), masks[kind]
        painted[area] = 0.72 * painted[area] + 0.28 * colour
        drawn = area & pattern
        painted[drawn] = 0.3 * painted[drawn] + 0.7 * colour
    lines = {
        "found": outline(np.where(masks["found"], segments, 0)),
        "false": ndimage.binary_dilation(outline(np.where(masks["false"], segments, 0)), _SQUARE),
        "missed": ndimage.binary_dilation(outline(np.where(masks["missed"], truth, 0)), _SQUARE),
    }
    _draw(painted, ndimage.binary_dilation(lines["found"]), OBJECT_COLOURS["found"])
    _draw(painted, lines["false"], OBJECT_COLOURS["false"], casing=True)
    painted[lines["false"] & bars] = 20
    # Dashed, so that the outline of a false object along it stays visible.
    _draw(painted, lines["missed"] & ((y - x) % 12 < 8), OBJECT_COLOURS["missed"], casing=True)
    return np.round(painted).astype(np.uint8)


def paint_one(tissue: NDArray[np.uint8], body: Mask, others: AnyArray, kind: ObjectKind) -> Rgb:
    """Draw one object as `paint_objects` does, and the outlines of those of the other side in white."""
    masks: dict[ObjectKind, Mask] = {name: body & (name == kind) for name in OBJECT_COLOURS}
    painted = paint_objects(tissue, truth=body, segments=body, masks=masks)
    painted[outline(others)] = 255
    return painted


def paint_surfaces(tissue: NDArray[np.uint8], surfaces: Surfaces, grid: Grid) -> Rgb:
    """Draw the contours of truth and prediction in one picture, (y, x, 3) uint8.

    Truth is a solid line, the prediction a barred one. Lines are thin where they lie within the tolerance of
    each other and strong where not; between them, what only one of both holds is tinted in its colour.
    """
    painted = _dimmed(tissue)
    truth, prediction = (grid.small_labels(mask) for mask in surfaces[:2])
    y, x = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    for area, colour in ((truth & ~prediction, TRUE_SURFACE), (prediction & ~truth, PREDICTED_SURFACE)):
        painted[area] = 0.6 * painted[area] + 0.4 * np.array(colour, np.float32)
    dashes = (y + x) % 12 < 7
    for mask, far, colour, drawn in (
        (truth, surfaces.far_truth, TRUE_SURFACE, np.ones_like(dashes)),
        (prediction, surfaces.far_prediction, PREDICTED_SURFACE, dashes),
    ):
        line = mask & ~ndimage.binary_erosion(mask, border_value=1)
        strong = line & ndimage.binary_dilation(grid.small_labels(far), _SQUARE)
        _draw(painted, line & drawn, colour)
        _draw(painted, ndimage.binary_dilation(strong, _SQUARE) & drawn, colour, casing=True)
    return np.round(painted).astype(np.uint8)


def colour_picture(channels: AnyArray, grid: Grid) -> Rgb:
    """Return three channels as they are, (3, y, x) uint8 to (y, x, 3)."""
    return np.stack([np.round(grid.values(channel)) for channel in channels], axis=-1).astype(np.uint8)


def is_photograph(raw: AnyArray) -> bool:
    """Tell three channels that are red, green and blue from any others."""
    return raw.ndim == 4 and len(raw) == 3 and raw.dtype == np.uint8


def tissue_of(raw: AnyArray, z: int, grid: Grid, box: tuple[slice, slice]) -> NDArray[np.uint8]:
    """Return what objects are drawn on: the mean of a photograph's channels, else the first channel."""
    section = np.asarray(raw[z] if raw.ndim == 3 else raw[:, z])
    if section.ndim == 3:
        section = section.mean(axis=0, dtype=np.float32) if is_photograph(raw) else section[0]
    # Stretched as the whole section: of its own, a crop of background would be noise.
    return np.round(grid.values(grey(section)[box])).astype(np.uint8)


def _dimmed(tissue: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.repeat((30 + 0.72 * tissue.astype(np.float32))[..., None], 3, axis=2)


def _draw(
    painted: NDArray[np.float32], line: Mask, colour: tuple[int, int, int], *, casing: bool = False
) -> None:
    if casing:
        painted[ndimage.binary_dilation(line, iterations=1) & ~line] = 12
    painted[line] = colour


def _distances(surface: Mask, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Return how far each voxel is from a surface, infinitely where there is none."""
    if not surface.any():
        return np.full(surface.shape, np.inf)
    distances: NDArray[np.float64] = ndimage.distance_transform_edt(~surface, sampling=spacing)
    return distances
