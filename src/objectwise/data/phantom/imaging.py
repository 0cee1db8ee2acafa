"""From tissue to picture: cytoplasm, membranes seen through a section, and the microscope's faults."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, ndtri

from objectwise.data.phantom.cells import Cells
from objectwise.data.phantom.noise import Float32, smooth_noise
from objectwise.data.phantom.organelles import Tissue

MEMBRANE_GREY = 0.16


def cytoplasm(rng: np.random.Generator, tissue: Tissue) -> Float32:
    """Return granular cytoplasm; each neurite has its own grey, and one in eight is dark."""
    n_neurites = int(tissue.balls.owner[-1]) + 1
    grey = 0.63 + 0.035 * rng.standard_normal(n_neurites) - 0.12 * (rng.random(n_neurites) < 0.12)
    image: Float32 = grey.astype(np.float32)[tissue.cells.owner]
    fine, coarse = 2.0 * tissue.unit, 3.2 * tissue.unit
    image += np.float32(0.035) * smooth_noise(rng, tissue.shape, tissue.spacing, [fine] * 3)
    # Filaments, ribosomes and small tubes: the dark tail of a grainy field.
    specks = smooth_noise(rng, tissue.shape, tissue.spacing, [coarse] * 3)
    image -= np.float32(0.20) * expit((specks - np.float32(1.75)) * 6)
    return image


def half_thickness(
    rng: np.random.Generator,
    shape: Sequence[int],
    spacing: Sequence[float],
    cell_size: float,
    thickness: float,
) -> Float32:
    """Return half the local membrane thickness, which varies by about a fifth."""
    varied = 1 + np.float32(0.2) * smooth_noise(rng, shape, spacing, [cell_size] * 3)
    half: Float32 = np.float32(thickness / 2) * np.clip(varied, np.float32(0.5), np.float32(1.6))
    return half


def membrane_density(cells: Cells, half: Float32, section_thickness: float) -> Float32:
    """Return the share of the section's thickness that is membrane above each pixel, 0..1.

    A membrane that crosses the section upright is sharp; one cut obliquely smears into a grey band:

        upright    ---+||+---        oblique    ---+ / /+---
                      ||||                         |/ / |
                   ---+||+---                   ---+ /--+---
    """
    # Never less than a pixel: this also antialiases upright membranes.
    smear = np.maximum(np.abs(cells.tilt) * np.float32(section_thickness), 1)
    above = np.minimum(half, cells.border + smear / 2)
    below = np.maximum(-half, cells.border - smear / 2)
    density: Float32 = np.clip(above - below, 0, None) / smear
    return density


def membrane_strength(
    rng: np.random.Generator, tissue: Tissue, contrast: float, weak_fraction: float
) -> Float32:
    """Return the darkness of the membrane nearest to each voxel, 0..1: nearly none on short stretches."""
    grain = [0.55 * tissue.cell_size] * 3
    wander = smooth_noise(rng, tissue.shape, tissue.spacing, grain)
    weak = expit((smooth_noise(rng, tissue.shape, tissue.spacing, grain) - ndtri(1 - weak_fraction)) / 0.12)
    strength: Float32 = contrast * np.clip(1 + 0.12 * wander, 0, 1.2) * (1 - 0.93 * weak)
    return np.minimum(strength, np.float32(1)).astype(np.float32)


def expose(
    rng: np.random.Generator,
    image: Float32,
    spacing: Sequence[float],
    *,
    noise: float,
    section_contrast: float,
) -> Float32:
    """Return the image as a microscope shows it: blurred, unevenly lit, grainy."""
    sharpness = (0, 0.8, 0.8)
    seen = ndimage.gaussian_filter(image, sharpness)
    depth = image.shape[0]
    wide = max(image.shape[1] * spacing[1], image.shape[2] * spacing[2], 64) / 3
    # A lattice as fine as the sections in z: every section has its own illumination.
    light = smooth_noise(rng, image.shape, spacing, [spacing[0], wide, wide])
    gain = 1 + section_contrast * rng.standard_normal((depth, 1, 1))
    shift = 0.5 * section_contrast * rng.standard_normal((depth, 1, 1))
    seen = (0.5 + (seen - 0.5) * gain + shift) * (1 + 0.5 * section_contrast * light)
    # Shot noise grows with the root of the signal; the detector smears a part of it over neighbours.
    shot = rng.standard_normal(image.shape, dtype=np.float32)
    smeared = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), sharpness)
    smeared *= np.float32(2 * np.sqrt(np.pi) * sharpness[1])
    grain = np.float32(0.75) * shot + np.float32(0.65) * smeared
    exposed: Float32 = seen + noise * grain * np.sqrt(np.clip(seen, 0.05, None) / 0.6)
    return exposed.astype(np.float32)


def lose_sections(rng: np.random.Generator, raw: NDArray[np.uint8], fraction: float) -> None:
    """Set a fraction of the sections, rounded, to black, in place."""
    count = round(fraction * len(raw))
    raw[rng.choice(len(raw), size=count, replace=False)] = 0
