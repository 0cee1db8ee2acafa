"""Sections as pictures: raw tissue, instances, affinities, and errors marked; PNG inside a data URI."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from objectwise.report.colours import ERROR_COLOURS, Rgb, instance_colours
from objectwise.report.errors_found import KINDS, Kind
from objectwise.report.marks import Marks, outline

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]

_SQUARE = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Grid:
    """How voxels of a section become pixels: shrunk or enlarged by a whole number, never both."""

    shrink: int
    enlarge: int

    @classmethod
    def fit(cls, shape: tuple[int, int], side: int) -> Grid:
        """Choose the factors that bring the longer side of (y, x) near `side` pixels, never above."""
        longest = max(shape)
        return cls(ceil(longest / side), max(1, side // longest))

    def labels(self, section: AnyArray) -> AnyArray:
        """Return labels at the picture's resolution; a shrunk pixel takes its middle voxel."""
        middle = slice(self.shrink // 2, None, self.shrink)
        return self._enlarged(self._cropped(section)[middle, middle])

    def small_labels(self, section: AnyArray) -> AnyArray:
        """Return labels as `labels` does, but where the middle voxel is background any label of the pixel.

        An object smaller than a pixel is then seen, though by up to a pixel larger than it is.
        """
        if self.shrink == 1:
            return self._enlarged(section)
        blocks = self._blocks(section)
        middle = blocks[:, self.shrink // 2, :, self.shrink // 2]
        return self._enlarged(np.where(middle != 0, middle, blocks.max(axis=(1, 3))))

    def values(self, section: AnyArray) -> NDArray[np.float32]:
        """Return values at the picture's resolution; a shrunk pixel is the mean of its voxels."""
        blocks = self._blocks(np.asarray(section, dtype=np.float32))
        return self._enlarged(blocks.mean(axis=(1, 3)))

    def _blocks(self, section: AnyArray) -> AnyArray:
        kept = self._cropped(section)
        height, width = kept.shape[0] // self.shrink, kept.shape[1] // self.shrink
        return kept.reshape(height, self.shrink, width, self.shrink)

    def _cropped(self, section: AnyArray) -> AnyArray:
        if self.shrink > min(section.shape):  # a strip thinner than a pixel: repeat its edge
            section = np.pad(section, [(0, max(0, self.shrink - n)) for n in section.shape], mode="edge")
        height, width = (n - n % self.shrink for n in section.shape)
        return section[:height, :width]

    def _enlarged(self, section: AnyArray) -> AnyArray:
        return section.repeat(self.enlarge, axis=0).repeat(self.enlarge, axis=1)


def grey(raw: AnyArray) -> NDArray[np.uint8]:
    """Stretch raw values to 0..255 between the 0.5th and 99.5th percentile, (y, x) uint8."""
    values = np.nan_to_num(np.asarray(raw, dtype=np.float32), posinf=0, neginf=0)
    low, high = np.percentile(values, [0.5, 99.5])
    scaled = (values - low) / max(float(high - low), 1e-12)
    stretched: NDArray[np.uint8] = np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return stretched


def paint_instances(tissue: NDArray[np.uint8], labels: AnyArray, colour_ids: AnyArray) -> Rgb:
    """Lay instance colours and thin dark outlines over the tissue.

    Parameters
    ----------
    tissue : (y, x) uint8
    labels : (y, x) integer, 0 = background
    colour_ids : (y, x) integer
        The id that each pixel's colour is taken from.
    """
    ids, inverse = np.unique(colour_ids, return_inverse=True)
    colours = instance_colours(ids)[inverse].reshape(*labels.shape, 3)
    share = np.where(labels != 0, 0.62, 0.0)[..., None]
    picture = share * colours + (1 - share) * tissue[..., None]
    picture[outline(labels)] *= 0.35
    return np.round(picture).astype(np.uint8)


def paint_affinities(affinities: AnyArray) -> Rgb:
    """Colour affinities, (y, x) in 0..1, on a scale that is ordered in lightness."""
    values = np.clip(np.nan_to_num(affinities, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    colours: Rgb = np.round(255 * colormaps["cividis"](values)[..., :3]).astype(np.uint8)
    return colours


def paint_errors(tissue: NDArray[np.uint8], marks: Marks) -> Rgb:
    """Draw error areas and borders over dimmed tissue, (y, x, 3) uint8.

    A split border is a solid line and its area dotted; a merged border is a barred line and its area
    hatched; a missed object is outlined and crossed in both directions. Lines stand on a dark casing.
    """
    dimmed = np.repeat((30 + 0.72 * tissue.astype(np.float32))[..., None], 3, axis=2)
    return paint_borders(paint_areas(np.round(dimmed).astype(np.uint8), marks), marks)


def paint_areas(picture: Rgb, marks: Marks) -> Rgb:
    """Fill the areas in error with the pattern of their kind."""
    painted = picture.astype(np.float32)
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    falling, rising = (y - x) % 9 < 2, (y + x) % 9 < 2
    patterns: dict[Kind, Mask] = {
        "split": (y % 7 < 2) & (x % 7 < 2),
        "merge": rising,
        "missed": rising | falling,
    }
    for kind in KINDS:
        colour = np.array(ERROR_COLOURS[kind], dtype=np.float32)
        area = marks.areas[kind]
        painted[area] = 0.8 * painted[area] + 0.2 * colour
        drawn = area & patterns[kind]
        painted[drawn] = 0.25 * painted[drawn] + 0.75 * colour
    return np.round(painted).astype(np.uint8)


def paint_borders(picture: Rgb, marks: Marks) -> Rgb:
    """Draw the borders in error as strong lines, merged ones barred, and outline the merged segments."""
    painted = picture.copy()
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    bars = (y + x) % 12 < 4
    thin = ndimage.binary_dilation(marks.merged)
    painted[thin & ~bars] = ERROR_COLOURS["merge"]
    painted[thin & bars] = 20
    order: tuple[Kind, ...] = ("missed", "split", "merge")
    for kind in order:
        line = ndimage.binary_dilation(marks.borders[kind], _SQUARE)
        casing = ndimage.binary_dilation(line, iterations=2)
        painted[casing & ~line] = 12
        painted[line] = ERROR_COLOURS[kind]
        if kind == "merge":
            painted[line & bars] = 20
    return painted


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Encode a (y, x) grey or (y, x, 3) colour picture as PNG in a data URI.

    Colour is reduced to a palette of 256: a third of the size, and no difference that the eye would find.
    """
    image = Image.fromarray(picture)
    if picture.ndim == 3:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
