"""EM-like neuropil with exact labels: the pieces put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray

from objectwise.data.phantom import imaging
from objectwise.data.phantom.cells import Cells, divide_space, warped_coordinates
from objectwise.data.phantom.neurites import grow_neurites
from objectwise.data.phantom.noise import Float32, Float64
from objectwise.data.phantom.options import Options, checked_options
from objectwise.data.phantom.organelles import Tissue, paint_organelles


class Phantom(NamedTuple):
    """A volume whose true segmentation is known."""

    raw: NDArray[np.uint8]
    """(y, x) or (z, y, x), grey values."""
    labels: NDArray[np.uint64]
    """Same shape; 0 on membranes, otherwise 1..n."""
    voxel_size: tuple[float, ...]
    """Size of a voxel along each axis, in the unit it was asked for in."""


def neuropil_phantom(
    shape: Sequence[int],
    *,
    seed: int = 0,
    voxel_size: Sequence[float] | None = None,
    cell_size: float = 24.0,
    membrane_thickness: float = 3.0,
    membrane_contrast: float = 0.85,
    weak_fraction: float = 0.15,
    organelle_density: float = 1.0,
    noise: float = 0.07,
    section_contrast: float = 0.06,
    misalignment: float | None = None,
    gap_fraction: float | None = None,
) -> Phantom:
    """Grow a piece of neuropil and take its picture in an electron microscope.

    Branching neurites of many calibres are packed into space and pressed against each other. Their membranes
    are dark, of varying thickness, smeared where a section cuts them obliquely, and nearly invisible on short
    stretches: a segmentation by local contrast merges there. Mitochondria, vesicles, reticulum and synapses
    are as dark as membranes: it splits there. The same arguments give the same arrays, in one environment.

    Parameters
    ----------
    shape : (y, x) or (z, y, x), voxels
        Two numbers give one section of a tissue that is just as three-dimensional.
    seed : int, >= 0
    voxel_size : one positive number per axis, any unit, optional
        Only ratios matter: (30, 6, 6) makes sections five times as thick as pixels. 1 by default.
    cell_size : float, 6 to 200, voxels of the finest axis
        Typical diameter of a neurite, and the scale of its organelles; profiles vary about tenfold.
    membrane_thickness : float, 1 to `cell_size` / 4, voxels of the finest axis
    membrane_contrast : float, 0 to 1
        Darkness of an upright membrane: 0 is invisible, 1 black.
    weak_fraction : float, 0 to 1
        Fraction of all membrane that nearly vanishes.
    organelle_density : float, 0 to 5
        Number of organelles, in multiples of the usual number.
    noise : float, 0 to 1
        Standard deviation of the grain at the brightness of cytoplasm, in units of the grey range.
    section_contrast : float, 0 to 0.5
        Standard deviation of a section's contrast; brightness and illumination vary by half as much.
    misalignment : float, 0 to `cell_size`, voxels of the finest axis, only with three axes
        Standard deviation of a section's displacement; the labels move along. 0.5 by default.
    gap_fraction : float, 0 to 1, only with three axes
        Fraction of the sections, rounded, that are lost: black in `raw`, still labelled. 0.03 by default.

    Returns
    -------
    Phantom
        `raw` uint8, `labels` uint64, `voxel_size`. Each label is one face-connected component of the volume,
        of (`cell_size` / 5)**2 voxels or more; the ids are 1..n in C order of their first voxels. A neurite
        that leaves the volume and comes back therefore has two ids, and a tiny volume may have none. Labels
        depend on `shape`, `seed`, `voxel_size`, `cell_size`, `membrane_thickness` and `misalignment` only.

    Raises
    ------
    ShapeError, ArgumentError, DtypeError
        If an argument is outside its range, or is given where it has no effect.

    Examples
    --------
    >>> phantom = neuropil_phantom((8, 64, 64), seed=1, voxel_size=(30, 6, 6))
    >>> phantom.raw.shape, phantom.raw.dtype.name, phantom.labels.dtype.name
    ((8, 64, 64), 'uint8', 'uint64')
    """
    options = checked_options(
        shape,
        seed=seed,
        voxel_size=voxel_size,
        cell_size=cell_size,
        membrane_thickness=membrane_thickness,
        membrane_contrast=membrane_contrast,
        weak_fraction=weak_fraction,
        organelle_density=organelle_density,
        noise=noise,
        section_contrast=section_contrast,
        misalignment=misalignment,
        gap_fraction=gap_fraction,
    )
    # One stream of random numbers per stage: an option of the picture leaves the tissue as it is.
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(options.seed).spawn(3)]
    tissue = _grow_tissue(streams[0], options)
    labels, specks = _label(tissue)
    raw = _photograph(streams[1], streams[2], tissue, specks, options)
    return Phantom(raw.reshape(options.shape), labels.reshape(options.shape), options.voxel_size)


def _grow_tissue(rng: np.random.Generator, options: Options) -> Tissue:
    """Grow neurites and divide the space among them."""
    shape, spacing, size = options.volume, options.spacing, options.cell_size
    extent: Float64 = (np.array(shape) - 1.0) * spacing
    balls = grow_neurites(rng, extent, size)
    place = warped_coordinates(rng, shape, spacing, size)
    half = imaging.half_thickness(rng, shape, spacing, size, options.membrane_thickness)
    # Sections are displaced before anything is cut, so labels and picture stay in register.
    place[1:] += (options.misalignment * rng.standard_normal((2, shape[0], 1, 1))).astype(np.float32)
    cells: Cells = divide_space(balls, place, spacing, size)
    return Tissue(balls, cells, place, half, spacing, size)


def _label(tissue: Tissue) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the connected cells, numbered from 1, and the mask of the specks too small to be one."""
    inside = tissue.cells.border >= tissue.half_membrane
    pieces = cc3d.connected_components(np.where(inside, tissue.cells.owner + 1, 0), connectivity=6)
    sizes = np.bincount(pieces.ravel())
    kept = sizes >= (tissue.cell_size / 5) ** 2
    kept[0] = False
    ids = np.cumsum(kept, dtype=np.uint64)
    ids[~kept] = 0
    labels = ids[pieces]
    return labels, inside & (labels == 0)


def _photograph(
    tissue_rng: np.random.Generator,
    camera_rng: np.random.Generator,
    tissue: Tissue,
    specks: NDArray[np.bool_],
    options: Options,
) -> NDArray[np.uint8]:
    """Draw the tissue and expose it."""
    image = imaging.cytoplasm(tissue_rng, tissue)
    strength = imaging.membrane_strength(tissue_rng, tissue, options.membrane_contrast, options.weak_fraction)
    paint_organelles(tissue_rng, image, tissue, options.organelle_density)
    density: Float32 = imaging.membrane_density(tissue.cells, tissue.half_membrane, options.section_thickness)
    # A speck is where membranes of several cells run together: grey, and nobody's inside.
    density[specks] = np.maximum(density[specks], np.float32(0.7))
    image += density * strength * (np.float32(imaging.MEMBRANE_GREY) - image)
    exposed = imaging.expose(
        camera_rng,
        image,
        tissue.spacing,
        noise=options.noise,
        section_contrast=options.section_contrast,
    )
    raw: NDArray[np.uint8] = np.clip(np.rint(255 * exposed), 0, 255).astype(np.uint8)
    imaging.lose_sections(camera_rng, raw, options.gap_fraction)
    return raw
