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
from objectwise.report.errors_found import KINDS
from objectwise.report.marks import Marks, outline

AnyArray = NDArray[Any]
Mask = NDArray[np.bool_]


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
        return self._enlarged(self._cropped(section)[self.shrink // 2 :: self.shrink, self.shrink // 2 :: self.shrink])

    def values(self, section: AnyArray) -> NDArray[np.float32]:
        """Return values at the picture's resolution; a shrunk pixel is the mean of its voxels."""
        kept = self._cropped(np.asarray(section, dtype=np.float32))
        height, width = kept.shape[0] // self.shrink, kept.shape[1] // self.shrink
        blocks = kept.reshape(height, self.shrink, width, self.shrink)
        return self._enlarged(blocks.mean(axis=(1, 3)))

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
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


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
    """Draw error areas and borders over dimmed tissue.

    A split border is a solid line and its area dotted; a merged border is a barred line and its area
    hatched; a missed object is crossed in both directions. Lines stand on a dark casing.
    """
    picture = np.repeat((30 + 0.72 * tissue.astype(np.float32))[..., None], 3, axis=2)
    y, x = np.indices(tissue.shape, sparse=True)
    falling, rising = (y - x) % 9 < 2, (y + x) % 9 < 2
    patterns = {
        "split": ((y % 7) < 2) & ((x % 7) < 2),
        "merge": rising,
        "missed": rising | falling,
    }
    for kind in KINDS:
        colour = np.array(ERROR_COLOURS[kind], dtype=np.float32)
        area = marks.areas[kind]
        picture[area] = 0.82 * picture[area] + 0.18 * colour
        drawn = area & patterns[kind]
        picture[drawn] = 0.35 * picture[drawn] + 0.65 * colour
    bars = (y + x) // 5 % 2 == 0
    for kind in ("missed", "split", "merge"):
        line = ndimage.binary_dilation(marks.borders[kind], iterations=1)
        picture[ndimage.binary_dilation(line, iterations=1) & ~line] = 12
        picture[line] = ERROR_COLOURS[kind]
        if kind == "merge":
            picture[line & bars] = 20
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)


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
