"""Every shape, dtype and value check on arrays, worded once.

The form of a message is "`argument` must <rule>, got <what came>; <what to do>". Nothing here converts:
a check returns its array unchanged, or raises.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError, DtypeError, ShapeError

AnyArray = NDArray[Any]


def check_offsets(offsets: object, *, ndim: int | None = None, name: str = "offsets") -> NDArray[np.int64]:
    """Return `offsets` as a (k, ndim) int64 array, or say what is wrong with them."""
    if isinstance(offsets, np.ndarray):
        check_unmasked(offsets, name=name)
    try:
        array = np.asarray(offsets)
    except ValueError as error:
        raise ShapeError(
            f"`{name}` must be a (k, ndim) table of integers, got rows of unequal length"
        ) from error
    if array.ndim != 2 or array.shape[0] == 0:
        raise ShapeError(f"`{name}` must be a non-empty (k, ndim) table of integers, got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise DtypeError(f"`{name}` must hold integers (voxels), got dtype {array.dtype}")
    if array.shape[1] not in (2, 3):
        raise ShapeError(f"`{name}` must have 2 or 3 columns (y, x or z, y, x), got {array.shape[1]}")
    if ndim is not None and array.shape[1] != ndim:
        raise ShapeError(f"`{name}` must have one column per spatial axis ({ndim}), got {array.shape[1]}")
    longest = np.iinfo(np.int32).max
    if (array > longest).any() or (array < -longest).any():
        raise ArgumentError(f"`{name}` must be at most {longest} voxels long, got {array.tolist()}")
    array = array.astype(np.int64)
    zero_rows = np.flatnonzero(~array.any(axis=1))
    if zero_rows.size:
        raise ArgumentError(f"`{name}` must not join a voxel to itself, got all zeros in row {zero_rows[0]}")
    # (v, v + o) and (v, v - o) are the same set of edges, so a negated row repeats as well.
    seen: dict[tuple[int, ...], int] = {}
    for row, offset in enumerate(array.tolist()):
        edge = max(tuple(offset), tuple(-step for step in offset))
        if edge in seen:
            raise ArgumentError(
                f"`{name}` must not repeat an edge, got {offset} in row {row}, "
                f"equal or opposite to row {seen[edge]}"
            )
        seen[edge] = row
    return array


def check_labels(labels: object, *, name: str = "labels", any_byte_order: bool = False) -> AnyArray:
    """Require an integer array without negative ids (0 is background)."""
    array = check_array(labels, name)
    if array.dtype.kind not in "iu":
        raise DtypeError(
            f"`{name}` must hold integer ids (0 = background), got dtype {array.dtype}; "
            "convert on purpose with .astype, labels never pass through floating point here"
        )
    if not any_byte_order:
        _check_byte_order(array, name)
    if array.dtype.kind == "i" and array.size and int(array.min()) < 0:
        first = first_position(array < 0)
        raise ArgumentError(f"`{name}` must not be negative, got {array[first]} at {first}")
    return array


def check_affinities(affinities: object, *, name: str = "affinities") -> AnyArray:
    """Require a float32 or float64 array with a channel axis in front; `check_edges` looks at the values."""
    array = check_array(affinities, name)
    if array.dtype.newbyteorder("=") not in (np.float32, np.float64):
        raise DtypeError(f"`{name}` must be float32 or float64, got dtype {array.dtype}")
    _check_byte_order(array, name)
    if array.ndim not in (3, 4):
        raise ShapeError(f"`{name}` must have shape (k, y, x) or (k, z, y, x), got {array.shape}")
    check_not_empty(array, name=name)
    return array


def check_edges(affinities: AnyArray, offsets: NDArray[np.int64], *, name: str = "affinities") -> None:
    """Require affinities (k, *spatial), or a batch of them, of a graph, and finite inside the volume.

    What stands where an edge leaves the volume is never read.
    """
    ndim = offsets.shape[1]
    check_graph(affinities.shape[-ndim - 1], affinities.shape[-ndim:], offsets, name=name)
    if _sum_is_finite(affinities):
        return
    bad = edges_inside(~np.isfinite(affinities), offsets)
    if bad.any():
        first = first_position(bad)
        raise ArgumentError(f"`{name}` must be finite, got {affinities[first]} at {first}")


def edges_inside(edges: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask of edges, (k, *spatial) or a batch, without those that leave the volume."""
    kept = np.zeros_like(edges)
    for channel, offset in enumerate(offsets.tolist()):
        place: Any = (..., channel, *voxels_inside(offset))
        kept[place] = edges[place]
    return kept


def voxels_inside(offset: Sequence[int]) -> tuple[slice, ...]:
    """Return where the voxels lie from which an offset leads to another one, axis by axis."""
    return tuple(slice(max(0, -step), -step if step > 0 else None) for step in offset)


def check_unmasked(array: object, *, name: str) -> None:
    """Refuse masked arrays, whose masks NumPy's functions drop in silence."""
    if isinstance(array, np.ma.MaskedArray):
        raise DtypeError(
            f"`{name}` must be a plain numpy array, got a masked one; fill it with .filled(value), and pass "
            "what is unknown as the function has it (a mask, an ignored label)"
        )


def check_finite(array: AnyArray, *, name: str) -> None:
    """Require every value to be finite; the message names the first that is not."""
    if _sum_is_finite(array):
        return
    bad = ~np.isfinite(array)
    if bad.any():
        first = first_position(bad)
        raise ArgumentError(f"`{name}` must be finite, got {array[first]} at {first}")


def _sum_is_finite(array: AnyArray) -> bool:
    """Say that all values are finite. A sum is much cheaper than a mask; that of finite ones may overflow."""
    with np.errstate(invalid="ignore", over="ignore"):
        # In their own precision: float64 would take several times as long.
        return bool(np.isfinite(np.sum(array)))


def check_not_empty(array: AnyArray, *, name: str) -> None:
    """Require at least one element."""
    if array.size == 0:
        raise ShapeError(f"`{name}` must not be empty, got shape {array.shape}")


def check_same_shape(first: AnyArray, second: AnyArray, *, names: tuple[str, str]) -> None:
    """Require two arrays of one shape."""
    if first.shape != second.shape:
        raise ShapeError(
            f"`{names[0]}` and `{names[1]}` must have the same shape, got {first.shape} and {second.shape}"
        )


def check_mask(mask: object, *, name: str, like: AnyArray, like_name: str) -> None:
    """Require one boolean per element of another array."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        came = f"dtype {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise DtypeError(f"`{name}` must be a numpy array of bool, got {came}")
    check_unmasked(mask, name=name)
    check_same_shape(mask, like, names=(name, like_name))


def check_unlabelled(unlabelled: object, labels: AnyArray) -> None:
    """Require a mask of voxels that no object of `labels` has."""
    check_mask(unlabelled, name="unlabelled", like=labels, like_name="labels")
    taken = unlabelled & (labels != 0)
    if taken.any():
        first = first_position(taken)
        raise ArgumentError(
            f"`unlabelled` must be background in `labels`, got label {labels[first]} at {first}"
        )


def check_graph(
    channels: int, spatial: Sequence[int], offsets: NDArray[np.int64], *, name: str = "affinities"
) -> None:
    """Require one affinity channel per offset, and offsets shorter than the volume."""
    if channels != len(offsets):
        raise ShapeError(
            f"`offsets` must have one row per channel of `{name}` ({channels}), got {len(offsets)} rows; "
            "pass the neighborhood used for training"
        )
    check_offsets_fit(spatial, offsets)


def check_offsets_fit(spatial: Sequence[int], offsets: NDArray[np.int64]) -> None:
    """Require every offset to stay inside the volume from at least one voxel."""
    if offsets.shape[1] != len(spatial):
        raise ShapeError(
            f"`offsets` must have one column per spatial axis ({len(spatial)}), got {offsets.shape[1]}"
        )
    too_long = np.flatnonzero((np.abs(offsets) >= np.asarray(spatial)).any(axis=1))
    if too_long.size:
        row = int(too_long[0])
        raise ArgumentError(
            f"`offsets` must be shorter than the volume {tuple(spatial)}, "
            f"got {offsets[row].tolist()} in row {row}"
        )


def check_threshold(threshold: object, dtype: np.dtype[Any], *, name: str = "threshold") -> float:
    """Require a real number that affinities of `dtype` can reach."""
    # NumPy would compare its small scalars in their own precision.
    number = threshold.item() if isinstance(threshold, np.generic) else threshold
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ArgumentError(f"`{name}` must be a number, got {threshold!r}")
    if not abs(number) <= float(np.finfo(dtype).max):
        raise ArgumentError(f"`{name}` must be finite, got {threshold} for affinities in {dtype}")
    return float(number)


def check_pairs(pairs: object, *, n_voxels: int, name: str = "pairs") -> NDArray[np.int64]:
    """Return (p, 2) flat voxel indices as int64, or say what is wrong with them."""
    array = check_array(pairs, name)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"`{name}` must hold integers (flat voxel indices), got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ShapeError(f"`{name}` must have shape (p, 2), got {array.shape}")
    outside = (array < 0) | (array >= n_voxels)
    if outside.any():
        first = first_position(outside)
        raise ArgumentError(f"`{name}` must be in 0..{n_voxels - 1}, got {array[first]} at {first}")
    return array.astype(np.int64)


def check_spacing(spacing: object, *, ndim: int, name: str = "spacing") -> tuple[float, ...]:
    """Return one positive size per spatial axis; None stands for 1 on each."""
    return (1.0,) * ndim if spacing is None else _sizes(spacing, (ndim,), name)


def check_some_spacing(spacing: object, *, name: str = "spacing") -> tuple[float, ...] | None:
    """Return positive sizes, or None, before it is known how many spatial axes there will be."""
    return None if spacing is None else _sizes(spacing, (2, 3), name)


def _sizes(spacing: object, ndims: tuple[int, ...], name: str) -> tuple[float, ...]:
    try:
        sizes = np.asarray(spacing, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"`{name}` must hold numbers, got {spacing!r}") from error
    if sizes.ndim != 1 or sizes.size not in ndims:
        axes = " or ".join(map(str, ndims))
        raise ShapeError(f"`{name}` must have one number per spatial axis ({axes}), got {spacing!r}")
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ArgumentError(f"`{name}` must be positive and finite, got {spacing!r}")
    return tuple(float(size) for size in sizes)


def check_number(number: object, *, name: str) -> None:
    """Require a real number, for whoever looks at its range next."""
    if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
        raise ArgumentError(f"`{name}` must be a number, got {number!r}")


def check_positive(number: object, *, name: str, or_zero: bool = False) -> None:
    """Require a finite number above 0, or not below it."""
    check_number(number, name=name)
    if not 0 <= number < np.inf or (number == 0 and not or_zero):  # type: ignore[operator]
        rule = "finite and not negative" if or_zero else "positive and finite"
        raise ArgumentError(f"`{name}` must be {rule}, got {number}")


def check_whole_number(number: object, *, least: int, name: str) -> None:
    """Require an integer that is not below `least`."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise ArgumentError(f"`{name}` must be a whole number, at least {least}, got {number!r}")


def check_dimensions(dimensions: object, *, name: str = "dimensions") -> None:
    """Require 2 or 3, as an integer."""
    if (
        isinstance(dimensions, bool)
        or not isinstance(dimensions, int | np.integer)
        or dimensions not in (2, 3)
    ):
        raise ArgumentError(f"`{name}` must be 2 or 3, got {dimensions!r}")


def check_bool(value: object, *, name: str) -> None:
    """Require True or False, not what Python takes for them."""
    if not isinstance(value, bool):
        raise ArgumentError(f"`{name}` must be True or False, got {value!r}")


def check_choice(value: str, choices: Sequence[str], *, name: str) -> None:
    """Require one of a few words."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ArgumentError(f"`{name}` must be one of {listed}, got {value!r}")


def check_options(
    options: Iterable[str], function: Callable[..., Any], *, name: str = "options", taken: Sequence[str] = ()
) -> None:
    """Require names of keyword arguments of a function, other than those that are `taken`."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in taken]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for option in options:
        if option in taken or not (takes_any or option in known):
            called = getattr(function, "__qualname__", repr(function))
            raise ArgumentError(f"`{name}` must be among those of {called} {known}, got {option!r}")


def check_ignore_label(ignore_label: object, *, name: str = "ignore_label") -> None:
    """Require an integer label, or None."""
    if ignore_label is None:
        return
    if isinstance(ignore_label, bool) or not isinstance(ignore_label, int | np.integer):
        raise ArgumentError(f"`{name}` must be an integer or None, got {ignore_label!r}")


def first_position(mask: AnyArray) -> tuple[int, ...]:
    """Return the C-order first true position of a mask that has one."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _check_byte_order(array: AnyArray, name: str) -> None:
    if not array.dtype.isnative:
        raise DtypeError(
            f"`{name}` must have the byte order of this machine, got dtype {array.dtype.str}; "
            f"convert with {name}.astype({name}.dtype.newbyteorder('='))"
        )


def check_array(value: object, name: str) -> AnyArray:
    """Return a numpy array that is one, and has no mask."""
    if not isinstance(value, np.ndarray):
        raise DtypeError(f"`{name}` must be a numpy array, got {type(value).__name__}")
    check_unmasked(value, name=name)
    return value
