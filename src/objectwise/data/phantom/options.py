"""The options of a phantom, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from objectwise.errors import ArgumentError, DtypeError, ShapeError

# Where a default depends on the number of axes, `None` stands for it in the signature.
DEFAULT_MISALIGNMENT = 0.5
DEFAULT_GAP_FRACTION = 0.03


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the stages read, documented at `neuropil_phantom`; a 2-D shape is a volume of one section here."""

    shape: tuple[int, ...]
    volume: tuple[int, int, int]
    seed: int
    voxel_size: tuple[float, ...]
    spacing: tuple[float, float, float]
    section_thickness: float
    cell_size: float
    membrane_thickness: float
    membrane_contrast: float
    weak_fraction: float
    organelle_density: float
    noise: float
    section_contrast: float
    misalignment: float
    gap_fraction: float


def checked_options(
    shape: Sequence[int],
    *,
    seed: int,
    voxel_size: Sequence[float] | None,
    cell_size: float,
    membrane_thickness: float,
    misalignment: float | None,
    gap_fraction: float | None,
    **fractions: float,
) -> Options:
    """Return the options in the form the stages need, or say which is wrong."""
    sides = checked_shape(shape)
    sizes = _checked_voxel_size(voxel_size, len(sides))
    size = between(cell_size, 6, 200, "cell_size")
    thickness = between(membrane_thickness, 1, size / 4, "membrane_thickness")
    limits = {"organelle_density": 5.0, "section_contrast": 0.5}
    checked = {name: between(value, 0, limits.get(name, 1.0), name) for name, value in fractions.items()}
    flat = len(sides) == 2
    moved = _of_sections(misalignment, DEFAULT_MISALIGNMENT, "misalignment", flat=flat)
    lost = _of_sections(gap_fraction, DEFAULT_GAP_FRACTION, "gap_fraction", flat=flat)
    # A single section is one voxel deep, of any thickness.
    spacing = [length / min(sizes) for length in sizes]
    depth, height, width = (1, *sides) if flat else sides
    step_z, step_y, step_x = (1.0, *spacing) if flat else spacing
    return Options(
        shape=sides,
        volume=(depth, height, width),
        seed=checked_seed(seed),
        voxel_size=sizes,
        spacing=(step_z, step_y, step_x),
        # A single section is cut as thick as serial sections are for cells of this size.
        section_thickness=size / 4 if flat else step_z,
        cell_size=size,
        membrane_thickness=thickness,
        misalignment=between(moved, 0, size, "misalignment"),
        gap_fraction=between(lost, 0, 1, "gap_fraction"),
        **checked,
    )


def checked_seed(seed: object) -> int:
    """Return the seed, an integer that is not negative."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise DtypeError(f"`seed` must be an integer, got {seed!r}")
    if seed < 0:
        raise ArgumentError(f"`seed` must not be negative, got {seed}")
    return int(seed)


def checked_shape(shape: Sequence[object]) -> tuple[int, ...]:
    """Return the two or three sides of an image or volume."""
    sides = tuple(shape)
    if len(sides) not in (2, 3):
        raise ShapeError(f"`shape` must be (y, x) or (z, y, x), got {sides}")
    lengths = tuple(int(n) for n in sides if isinstance(n, Integral))
    if len(lengths) != len(sides) or min(lengths) < 1:
        raise ShapeError(f"`shape` must hold positive integers, got {sides}")
    return lengths


def _checked_voxel_size(voxel_size: Sequence[object] | None, ndim: int) -> tuple[float, ...]:
    if voxel_size is None:
        return (1.0,) * ndim
    sizes = tuple(voxel_size)
    if len(sizes) != ndim:
        raise ShapeError(f"`voxel_size` must have one number per axis ({ndim}), got {sizes}")
    lengths = tuple(float(s) for s in sizes if isinstance(s, Real))
    if len(lengths) != ndim or not all(math.isfinite(s) and s > 0 for s in lengths):
        raise ArgumentError(f"`voxel_size` must be positive, got {sizes}")
    return lengths


def _of_sections(value: float | None, default: float, name: str, *, flat: bool) -> float:
    """Return an option that only a stack of sections has."""
    if not flat:
        return default if value is None else value
    if value is not None:
        raise ArgumentError(
            f"`{name}` must be left out for a single section, got {value}; it compares sections of a stack"
        )
    return 0.0


def between(value: object, low: float, high: float, name: str) -> float:
    """Return a number that lies between two, both included."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise DtypeError(f"`{name}` must be a number, got {value!r}")
    number = float(value)
    if not low <= number <= high:  # also refuses nan
        raise ArgumentError(f"`{name}` must be between {low:g} and {high:g}, got {number:g}")
    return number
