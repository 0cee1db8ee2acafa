"""Lesions of very different sizes on an uneven background, with exact labels."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from objectwise.data.phantom.neuropil import Phantom
from objectwise.data.phantom.noise import Float32, box_around, smooth_noise, squared_distances
from objectwise.data.phantom.options import between, checked_seed, checked_shape
from objectwise.errors import ArgumentError, DtypeError
from objectwise.maps.instances import connected_components

GAP = 2
"""Background voxels between two lesions, diagonals included: no connectivity joins them."""
_PLACES_TRIED = 100
_ROUGHNESS = 0.22
_SHARPNESS = 0.6


def lesion_phantom(
    shape: Sequence[int],
    *,
    seed: int = 0,
    smallest: int = 4,
    largest: int = 4000,
    fraction: float = 0.05,
    contrast: float = 0.5,
    faintness: float = 0.15,
    noise: float = 0.08,
) -> Phantom:
    """Scatter bright lesions over an uneven, noisy background, the small ones fainter than the large.

    A loss that averages over voxels gains little from the small ones: with the default sizes, the smaller
    half of the lesions has 3 % of their voxels. The same arguments give the same arrays, in one environment.

    Parameters
    ----------
    shape : (y, x) or (z, y, x), voxels
    seed : int, >= 0
    smallest, largest : int, voxels, 1 or more
        Range of the sizes, which are spread evenly over their logarithm. Each is kept
        to within a tenth.
    fraction : float, 0 to 0.3
        Share of the voxels that lesions take; their number follows from it. Where there is no more room for
        a lesion it is left out.
    contrast : float, 0 to 1
        Brightness of the largest lesions above the background, in units of the grey range.
    faintness : float, 0 to 1
        Lesions of n voxels have the contrast times (n / `largest`)**`faintness`, give or take a fifth.
    noise : float, 0 to 1
        Standard deviation of the grain, same unit.

    Returns
    -------
    Phantom
        `raw` uint8, `labels` uint64, `voxel_size` 1. A lesion is one face-connected component; the ids are
        1..n in C order of their first voxels. Two lesions are `GAP` voxels apart or more, so the connected
        components of `labels > 0` are the lesions with any connectivity. Labels depend on `shape`, `seed`,
        `smallest`, `largest` and `fraction` only.

    Raises
    ------
    ShapeError, ArgumentError, DtypeError
        If an argument is outside its range.

    Examples
    --------
    >>> phantom = lesion_phantom((64, 64), seed=1, largest=400)
    >>> phantom.raw.shape, phantom.raw.dtype.name, int(phantom.labels.max())
    ((64, 64), 'uint8', 2)
    """
    sides = checked_shape(shape)
    streams = np.random.SeedSequence(checked_seed(seed)).spawn(2)
    sizes = _checked_sizes(smallest, largest)
    share = between(fraction, 0, 0.3, "fraction")
    strength = between(contrast, 0, 1, "contrast")
    exponent = between(faintness, 0, 1, "faintness")
    grain = between(noise, 0, 1, "noise")
    volume = (1, *sides) if len(sides) == 2 else sides
    lesions = _scatter(np.random.default_rng(streams[0]), volume, sizes, share)
    labels = connected_components(lesions, 26).astype(np.uint64)
    sizes_found = np.bincount(labels.ravel().astype(np.int64))
    brightness = strength * np.minimum(sizes_found / sizes[1], 1) ** exponent
    raw = _photograph(np.random.default_rng(streams[1]), labels, brightness, grain)
    return Phantom(raw.reshape(sides), labels.reshape(sides), (1.0,) * len(sides))


def _checked_sizes(smallest: object, largest: object) -> tuple[int, int]:
    sizes = []
    for name, size in (("smallest", smallest), ("largest", largest)):
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise DtypeError(f"`{name}` must be an integer, got {size!r}")
        sizes.append(int(between(size, 1, 2**31, name)))
    if sizes[0] > sizes[1]:
        raise ArgumentError(f"`largest` must not be below `smallest` ({smallest}), got {largest}")
    return sizes[0], sizes[1]


def _scatter(
    rng: np.random.Generator, shape: tuple[int, ...], limits: Sequence[int], fraction: float
) -> NDArray[np.bool_]:
    """Return the mask of the lesions, the largest placed first."""
    lesions = np.zeros(shape, bool)
    near = np.zeros(shape, bool)
    for size in _sizes(rng, limits, fraction * lesions.size):
        for _ in range(_PLACES_TRIED):
            centre = rng.integers(shape)
            box = box_around(centre, 2 * _radius(size, shape) + 2, (1, 1, 1), shape)
            assert box is not None
            lesion = None if near[tuple(centre)] else _grow(rng, near, box, centre, size)
            if lesion is not None:
                lesions[box] |= lesion
                around = tuple(slice(max(0, part.start - GAP), part.stop + GAP) for part in box)
                near[around] |= ndimage.maximum_filter(lesions[around], 2 * GAP + 1)
                break
    return lesions


def _sizes(rng: np.random.Generator, limits: Sequence[int], n_voxels: float) -> NDArray[np.int64]:
    """Return sizes that add up to about `n_voxels`, evenly over their logarithm, largest first."""
    low, high = (float(np.log(limit)) for limit in limits)
    mean = (limits[1] - limits[0]) / (high - low) if high > low else limits[0]
    n = round(n_voxels / mean)
    # One from each of n equal parts of the logarithm: every decade has its lesions.
    places = (np.arange(n) + rng.random(n)) / max(n, 1)
    return np.rint(np.exp(low + (high - low) * places)).astype(np.int64)[::-1]


def _radius(size: int, shape: tuple[int, ...]) -> float:
    """Return the radius of a disk or ball of that many voxels."""
    return float((size / np.pi) ** 0.5 if shape[0] == 1 else (0.75 * size / np.pi) ** (1 / 3))


def _grow(
    rng: np.random.Generator,
    near: NDArray[np.bool_],
    box: tuple[slice, ...],
    centre: NDArray[np.int64],
    size: int,
) -> NDArray[np.bool_] | None:
    """Return a knobbly blob around `centre` in the free part of a box, or None where it has no room."""
    shape = tuple(part.stop - part.start for part in box)
    distance = np.sqrt(squared_distances(centre, box, (1, 1, 1)))
    radius = max(_radius(size, near.shape), 1.0)
    distance *= np.exp(np.float32(_ROUGHNESS) * smooth_noise(rng, shape, (1, 1, 1), [0.8 * radius] * 3))
    distance[near[box]] = np.inf
    room = int(np.isfinite(distance).sum())
    if room < size:
        return None
    reach = np.partition(distance, size - 1, axis=None)[size - 1]
    pieces = connected_components(distance <= reach, 6)
    here = tuple(int(c) - part.start for c, part in zip(centre, box, strict=True))
    lesion = pieces == pieces[here]
    return lesion if 0.9 * size <= lesion.sum() <= 1.1 * size else None


def _photograph(
    rng: np.random.Generator,
    labels: NDArray[np.uint64],
    brightness: NDArray[np.float64],
    noise: float,
) -> NDArray[np.uint8]:
    """Draw lesions on an uneven background, blur a little, add grain."""
    brightness = brightness * np.clip(1 + 0.2 * rng.standard_normal(len(brightness)), 0.6, 1.4)
    brightness[0] = 0
    shape = labels.shape
    image: Float32 = np.full(shape, 0.3, np.float32)
    for strength, grain in ((0.05, 24.0), (0.03, 6.0)):
        image += np.float32(strength) * smooth_noise(rng, shape, (1, 1, 1), [grain] * 3)
    image += brightness.astype(np.float32)[labels]
    blurred = ndimage.gaussian_filter(image, [_SHARPNESS if n > 1 else 0 for n in shape])
    exposed = blurred + np.float32(noise) * rng.standard_normal(shape, dtype=np.float32)
    raw: NDArray[np.uint8] = np.clip(np.rint(255 * exposed), 0, 255).astype(np.uint8)
    return raw
