"""Colours of instances and of errors.

An instance's colour depends on its id alone, so it is the same in every picture and every run. Errors differ
in hue *and* in pattern: a reader who sees no hue tells a solid line from a barred one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.report.errors_found import CellErrors, Kind
from objectwise.report.overlaps import CellTable

AnyArray = NDArray[Any]
Rgb = NDArray[np.uint8]

# Hues of Okabe and Ito's colour-blind safe palette (2008), lightened to stand on grey tissue.
ERROR_COLOURS: dict[Kind, tuple[int, int, int]] = {
    "split": (64, 196, 255),
    "merge": (255, 150, 20),
    "missed": (240, 120, 210),
}

_OWN_COLOUR = np.uint64(1) << np.uint64(63)


def instance_colours(ids: AnyArray) -> Rgb:
    """Return one colour per id, (n, 3) uint8; 0 is black.

    Notes
    -----
    A hashed id picks hue, lightness and chroma in OKLCH (B. Ottosson, "A perceptual color space for image
    processing", 2020), so no colour is much darker than another and consecutive ids are far apart.
    """
    hashed = _splitmix(ids.astype(np.uint64))
    hue = 2 * np.pi * ((hashed & np.uint64(0xFFFF)).astype(np.float64) / 65536)
    lightness = np.array([0.58, 0.70, 0.82])[((hashed >> np.uint64(16)) % np.uint64(3)).astype(np.int64)]
    chroma = np.array([0.10, 0.17])[((hashed >> np.uint64(24)) % np.uint64(2)).astype(np.int64)]
    colours = _oklch_to_srgb(lightness, chroma, hue)
    colours[ids == 0] = 0
    return colours


def matching_ids(table: CellTable) -> AnyArray:
    """Return for each segment the id that its colour is taken from, (m,) uint64.

    A segment takes its object's colour where each is the other's largest share, so that what is right looks
    the same in truth and segmentation and what is wrong stands out. Other segments get a colour of their own.
    """
    errors = CellErrors.classify(table)
    foreground = (table.truth_ids[table.rows] != 0) & (table.segment_ids[table.columns] != 0)
    chosen = foreground & ~errors.split & ~errors.merge
    own = table.segment_ids.astype(np.uint64) | _OWN_COLOUR
    cells = np.flatnonzero(chosen)
    cells = cells[np.argsort(table.voxels[cells], kind="stable")]  # the largest share is written last
    best_object = np.full(len(table.segment_ids), -1)
    best_object[table.columns[cells]] = table.rows[cells]
    best_segment = np.full(len(table.truth_ids), -1)
    best_segment[table.rows[cells]] = table.columns[cells]
    columns = np.flatnonzero(best_object >= 0)
    columns = columns[best_segment[best_object[columns]] == columns]
    own[columns] = table.truth_ids[best_object[columns]].astype(np.uint64)
    own[table.segment_ids == 0] = 0
    return own


def _splitmix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter integers over 64 bits (the finaliser of SplitMix64, Steele et al. 2014); overflow is meant."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def _oklch_to_srgb(lightness: AnyArray, chroma: AnyArray, hue: AnyArray) -> Rgb:
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=-1,
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(cones**3 @ to_linear.T, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: Rgb = np.round(255 * gamma).astype(np.uint8)
    return colours
