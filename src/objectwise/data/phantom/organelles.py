"""Mitochondria, vesicles, reticulum, synapses: as dark as membranes, without being one.

Every field here is darkness or a blend in 0..1, one value a voxel, (z, y, x). None touches the labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from objectwise.data.phantom.cells import Cells
from objectwise.data.phantom.neurites import Balls
from objectwise.data.phantom.noise import Float32, Float64, box_around, smooth_noise, squared_distances
from objectwise.kernels.balls import two_nearest_owners

# Counts per cell-sized cube of tissue at density 1.
_MITOCHONDRIA_PER_BALL = 0.08
_SYNAPSES = 0.07
_VESICLE_CLUSTERS = 0.07


class Tissue(NamedTuple):
    """What the organelles are placed in."""

    balls: Balls
    cells: Cells
    place: Float32
    """(3, z, y, x), of `warped_coordinates`."""
    half_membrane: Float32
    """(z, y, x), half the thickness of the nearest membrane."""
    spacing: tuple[float, float, float]
    cell_size: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume."""
        depth, height, width = self.cells.owner.shape
        return depth, height, width

    @property
    def unit(self) -> float:
        """Size of a pixel of an image with cells of 24 pixels, the scale that the organelles are drawn at."""
        return self.cell_size / 24

    @property
    def n_cubes(self) -> float:
        """Volume in cell-sized cubes; a single section counts for half a cube of depth."""
        sides = np.array(self.shape) * self.spacing / self.cell_size
        return float((sides[0] + 0.5) * sides[1] * sides[2])


def paint_organelles(rng: np.random.Generator, image: Float32, tissue: Tissue, density: float) -> None:
    """Paint all organelles into an image of bare cytoplasm, in place."""
    if density == 0:
        return
    image -= 0.34 * _reticulum(rng, tissue, density)
    _paint_mitochondria(rng, image, tissue, density)
    sites = _synaptic_sites(rng, tissue, density)
    image -= 0.40 * _vesicles(rng, tissue, sites, density)
    image -= 0.50 * _synaptic_densities(rng, tissue, sites)


def _reticulum(rng: np.random.Generator, tissue: Tissue, density: float) -> Float32:
    """Curved sheets of membrane inside cells: the zero level of a smooth field, here and there."""
    size, unit = tissue.cell_size, tissue.unit
    sheet = smooth_noise(rng, tissue.shape, tissue.spacing, [0.8 * size] * 3)
    patch = smooth_noise(rng, tissue.shape, tissue.spacing, [0.9 * size] * 3)
    present = expit((patch - ndtri(1 - min(0.16 * density, 0.9))) / 0.1)
    darkness: Float32 = np.exp(-((sheet / 0.09) ** 2)) * present * _well_inside(tissue, 2.5 * unit)
    return darkness


def _well_inside(tissue: Tissue, depth: float) -> Float32:
    """Return 1 further than `depth` from the membrane, falling to 0 within about a voxel."""
    inside: Float32 = expit((tissue.cells.border - tissue.half_membrane - np.float32(depth)) * np.float32(3))
    return inside


def _paint_mitochondria(rng: np.random.Generator, image: Float32, tissue: Tissue, density: float) -> None:
    """Grey bodies with a dark rim and striped inside, which follow their neurite."""
    unit = np.float32(tissue.unit)
    bodies, hosts, axes = _mitochondria(rng, tissue, density)
    if not len(bodies):
        return
    ids = bodies[:, 4].astype(np.int32)
    distances, nearest = two_nearest_owners(
        bodies[:, :4].astype(np.float32),
        ids,
        3.0 * tissue.unit,
        tissue.place,
        np.asarray(tissue.spacing, dtype=np.float32),
    )
    body = ids[nearest[0]]
    at = np.nonzero((nearest[0] >= 0) & (tissue.cells.owner == hosts[body]))
    # A mitochondrion keeps clear of its cell's membrane.
    outside = np.maximum(
        distances[0][at], tissue.half_membrane[at] + np.float32(1.6) * unit - tissue.cells.border[at]
    )
    along = sum(tissue.place[i][at] * axes[body[at], i] for i in range(3))
    bend = smooth_noise(rng, tissue.shape, tissue.spacing, [6 * tissue.unit] * 3)[at]
    cristae = np.sin(along * np.float32(2 * np.pi / 4.6) / unit + np.float32(1.6) * bend)
    rim = np.exp(-(((outside + 1.2 * unit) / (1.1 * unit)) ** 2))
    grey = 0.36 + 0.09 * cristae * expit(-(outside + 3 * unit)) - 0.20 * rim
    inside = expit(-outside / (0.5 * unit))
    image[at] += inside * (grey - image[at])


def _mitochondria(
    rng: np.random.Generator, tissue: Tissue, density: float
) -> tuple[Float64, NDArray[np.int32], Float32]:
    """Return balls (n, 5) with the number of their body, and each body's host neurite and stripe axis."""
    balls, unit = tissue.balls, tissue.unit
    roomy = np.flatnonzero(balls.radius > 6.5 * unit)
    chosen = roomy[rng.random(roomy.size) < _MITOCHONDRIA_PER_BALL * density]
    rows = [np.empty((0, 5))]
    hosts: list[int] = []
    for i in chosen:
        stretch = np.arange(i, min(i + rng.integers(2, 7), balls.radius.size))
        stretch = stretch[balls.branch[stretch] == balls.branch[i]]
        radius = min(rng.uniform(0.4, 0.6) * balls.radius[stretch].min(), rng.uniform(5, 10) * unit)
        aside = 0.35 * balls.radius[i] * rng.standard_normal(3) / np.sqrt(3)
        fine = np.linspace(0, len(stretch) - 1, 4 * len(stretch))
        path = [np.interp(fine, np.arange(len(stretch)), balls.centre[stretch, axis]) for axis in range(3)]
        body = np.column_stack([*path, np.full(fine.size, radius), np.full(fine.size, len(hosts))])
        body[:, :3] += aside
        rows.append(body)
        hosts.append(int(balls.owner[i]))
    axes = rng.standard_normal((len(hosts), 3)) * [0.3, 1, 1]
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.concatenate(rows), np.array(hosts, dtype=np.int32), axes.astype(np.float32)


def _synaptic_sites(rng: np.random.Generator, tissue: Tissue, density: float) -> NDArray[np.int64]:
    """Return random voxels (n, 3) beside membranes; the cell that owns the voxel is the presynaptic one."""
    beside = np.flatnonzero((tissue.cells.border < 1.5 * tissue.unit) & (tissue.cells.neighbour >= 0))
    return _draw(rng, beside, _SYNAPSES * density * tissue.n_cubes, tissue)


def _draw(
    rng: np.random.Generator, candidates: NDArray[np.int64], expected: float, tissue: Tissue
) -> NDArray[np.int64]:
    count = min(int(rng.poisson(expected)), candidates.size)
    drawn = rng.choice(candidates, size=count, replace=False) if count else candidates[:0]
    return np.stack(np.unravel_index(drawn, tissue.shape), axis=1).astype(np.int64)


def _synaptic_densities(rng: np.random.Generator, tissue: Tissue, sites: NDArray[np.int64]) -> Float32:
    """Dark patches on membranes, thicker on the postsynaptic side."""
    darkness = np.zeros(tissue.shape, dtype=np.float32)
    cells, unit = tissue.cells, np.float32(tissue.unit)
    for site in sites:
        radius = rng.uniform(5, 10) * tissue.unit
        centre = site * np.array(tissue.spacing)
        box = box_around(centre, 1.5 * radius, tissue.spacing, tissue.shape)
        if box is None:
            continue
        pre, post = cells.owner[tuple(site)], cells.neighbour[tuple(site)]
        owner, other, border = cells.owner[box], cells.neighbour[box], cells.border[box]
        reach = np.where(owner == pre, np.float32(2.0) * unit, np.float32(4.5) * unit)
        pair = ((owner == pre) & (other == post)) | ((owner == post) & (other == pre))
        patch = np.exp(-((squared_distances(centre, box, tissue.spacing) / np.float32(radius**2)) ** 2))
        np.maximum(darkness[box], pair * patch * np.exp(-((border / reach) ** 2)), out=darkness[box])
    return darkness


def _vesicles(rng: np.random.Generator, tissue: Tissue, sites: NDArray[np.int64], density: float) -> Float32:
    """Small dark rings, some filled, in crowds beside synapses and alone in large cells."""
    cells, unit = tissue.cells, tissue.unit
    deep = np.flatnonzero(cells.border > 7 * unit)
    clusters = np.concatenate([sites, _draw(rng, deep, _VESICLE_CLUSTERS * density * tissue.n_cubes, tissue)])
    rows = [np.empty((0, 4))]
    for centre in clusters:
        spread = rng.standard_normal((rng.integers(8, 40), 3)) * 8 * unit
        voxels = np.rint(centre + spread / tissue.spacing).astype(np.int64)
        voxels = voxels[((voxels >= 0) & (voxels < tissue.shape)).all(axis=1)]
        index = tuple(voxels.T)
        fits = (cells.owner[index] == cells.owner[tuple(centre)]) & (cells.border[index] > 5.5 * unit)
        index = tuple(axis[fits] for axis in index)
        rows.append(
            np.column_stack([*(axis[index] for axis in tissue.place), np.full(fits.sum(), 2.9 * unit)])
        )
    balls = np.concatenate(rows).astype(np.float32)
    if not len(balls):
        return np.zeros(tissue.shape, dtype=np.float32)
    owners = np.arange(len(balls), dtype=np.int32)
    spacing = np.asarray(tissue.spacing, dtype=np.float32)
    distances, nearest = two_nearest_owners(balls, owners, 0.3 * tissue.cell_size, tissue.place, spacing)
    filled = rng.random(len(balls)) < 0.15
    surface = distances[0] / np.float32(unit)
    ring = np.exp(-(((surface + np.float32(0.3)) / np.float32(1.0)) ** 2))
    blob = expit(-2 * surface)
    darkness: Float32 = np.where(filled[nearest[0]], blob, ring) * _well_inside(tissue, unit)
    return darkness
