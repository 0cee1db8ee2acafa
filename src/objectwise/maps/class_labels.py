"""Class labels as the maps take them: indices or one-hot, a batch or one sample, NumPy or torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import (
    check_ignore_label,
    check_labels,
    check_not_empty,
    check_spacing,
    check_unmasked,
    first_position,
)
from objectwise.errors import ArgumentError, DtypeError, ShapeError

Array = NDArray[Any]


@dataclass(frozen=True)
class ClassLabels:
    """A batch of label images, whatever form it came in."""

    indices: Array | None
    """(n, *spatial) unsigned, the class of each voxel; `n_classes` where it is ignored. None for one-hot."""
    masks: NDArray[np.bool_] | None
    """(n, c, *spatial), one-hot; channels may overlap, and a voxel may be in none. None for indices."""
    n_classes: int
    spatial: tuple[int, ...]
    n_samples: int
    spacing: tuple[float, ...]
    finish: Callable[[Array], Any]
    """Gives a (n, c, *spatial) map the axes and the framework of the labels."""

    def ignored(self, sample: int) -> NDArray[np.bool_] | None:
        """Return the ignored voxels of a sample, None where there are none."""
        if self.indices is None:
            return None
        ignored = np.asarray(self.indices[sample] == self.n_classes)
        return ignored if ignored.any() else None

    def mask(self, sample: int, channel: int) -> NDArray[np.bool_]:
        """Return the voxels of one class."""
        if self.masks is not None:
            return np.asarray(self.masks[sample, channel])
        assert self.indices is not None
        return np.asarray(self.indices[sample] == channel)


def read_class_labels(
    labels: object,
    n_classes: int | None,
    *,
    spacing: Sequence[float] | None,
    ignore_label: int | None,
    spatial_dims: int | None,
) -> ClassLabels:
    """Check labels of any accepted form and bring them into one.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        If labels are not integers, a class is out of range, a one-hot array holds other values than 0 and 1,
        or shapes, spacing and options do not fit each other.
    """
    array, into_framework = as_array(labels)
    spatial_dims = _spatial_dims(array, spatial_dims, spacing)
    batched, shape = _with_axes(array, spatial_dims)
    check_not_empty(batched, name="labels")
    n, channels, *spatial = batched.shape
    _check_counts(channels, n_classes, ignore_label)
    one_hot = channels > 1 or n_classes == 1
    width = channels if one_hot else int(n_classes or 0)

    def finish(maps: Array) -> Any:
        return into_framework(maps if shape == "batch" else maps[0])

    return ClassLabels(
        indices=None if one_hot else _indices(batched[:, 0], width, ignore_label),
        masks=_masks(batched) if one_hot else None,
        n_classes=width,
        spatial=tuple(spatial),
        n_samples=n,
        spacing=check_spacing(spacing, ndim=spatial_dims),
        finish=finish,
    )


def as_array(labels: object) -> tuple[Array, Callable[[Array], Any]]:
    """Return labels, or a map, as an array, and the way back to their framework and device.

    torch is not imported here: labels can be a tensor only if the caller has imported it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(labels, torch.Tensor):
        if labels.layout != torch.strided or labels.is_nested:
            came = "a nested tensor" if labels.is_nested else f"layout {labels.layout}"
            raise DtypeError(f"`labels` must be a dense tensor, got {came}; pass labels.to_dense()")
        device = labels.device
        values = labels.detach().cpu()
        if values.dtype == torch.bfloat16:  # NumPy has none
            values = values.float()
        return np.asarray(values.numpy()), lambda maps: torch.from_numpy(maps).to(device)
    if not isinstance(labels, np.ndarray):
        raise DtypeError(f"`labels` must be a numpy array or a torch.Tensor, got {type(labels).__name__}")
    check_unmasked(labels, name="labels")
    return labels, lambda maps: maps


def _spatial_dims(array: Array, spatial_dims: int | None, spacing: Sequence[float] | None) -> int:
    if spatial_dims not in (None, 2, 3):
        raise ArgumentError(f"`spatial_dims` must be 2 or 3, got {spatial_dims!r}")
    if spatial_dims is None and spacing is not None and np.ndim(spacing) == 1 and len(spacing) in (2, 3):
        spatial_dims = len(spacing)
    if spatial_dims is None:  # without a channel axis, or with both batch and channel
        spatial_dims = {2: 2, 3: 3, 4: 2, 5: 3}.get(array.ndim, 0)
    if array.ndim - spatial_dims not in (0, 1, 2) or not spatial_dims:
        raise ShapeError(
            "`labels` must have shape (n, c, *spatial), (c, *spatial) or (*spatial) "
            f"with {spatial_dims or '2 or 3'} spatial axes, got {array.shape}"
        )
    return spatial_dims


def _with_axes(array: Array, spatial_dims: int) -> tuple[Array, str]:
    """Return labels as (n, c, *spatial), and whether they came as a batch or as one sample."""
    missing = 2 - (array.ndim - spatial_dims)
    return array[(None,) * missing], "sample" if missing else "batch"


def _check_counts(channels: int, n_classes: int | None, ignore_label: int | None) -> None:
    if n_classes is not None and (
        isinstance(n_classes, bool) or not isinstance(n_classes, int | np.integer) or n_classes < 1
    ):
        raise ArgumentError(f"`n_classes` must be a positive integer, got {n_classes!r}")
    if channels > 1 and n_classes not in (None, channels):
        raise ShapeError(
            f"`labels` must have 1 channel (class indices) or `n_classes` ({n_classes}) channels (one-hot), "
            f"got {channels}; say spatial_dims if the first axes were taken for others"
        )
    if channels == 1 and n_classes is None:
        raise ArgumentError("`n_classes` must be given for labels that are class indices, got None")
    check_ignore_label(ignore_label)
    if ignore_label is not None and (channels > 1 or n_classes == 1):
        raise ArgumentError(f"`ignore_label` must be None for one-hot labels, got {ignore_label}")


def _indices(labels: Array, n_classes: int, ignore_label: int | None) -> Array:
    """Return class indices as the smallest unsigned integers that also hold `n_classes`, for ignored ones."""
    if ignore_label is None or labels.dtype.kind not in "iu":
        check_labels(labels)
    ignored = None if ignore_label is None else labels == ignore_label
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= n_classes:
        outside = (labels < 0) | (labels >= n_classes)
        if ignored is not None:
            outside &= ~ignored
        if outside.any():
            first = first_position(outside)
            raise ArgumentError(
                f"`labels` must be classes in 0..{n_classes - 1}, got {labels[first]} at {first}; "
                "name a label that stands for unknown as ignore_label"
            )
    # One more than the ignored value has to fit as well: 0 is the background of the distance transform.
    small = next(kind for kind in (np.uint8, np.uint16, np.uint32) if n_classes + 1 <= np.iinfo(kind).max)
    indices = labels.astype(small)
    if ignored is not None:
        indices[ignored] = n_classes
    return indices


def _masks(labels: Array) -> NDArray[np.bool_]:
    """Return a one-hot array as bool."""
    if labels.dtype.kind not in "biuf":
        raise DtypeError(f"`labels` must be bool, integer or float if one-hot, got dtype {labels.dtype}")
    masks = labels != 0
    if labels.dtype != np.bool_ and not np.array_equal(masks, labels):
        first = first_position(masks != labels)
        raise ArgumentError(
            f"`labels` must hold only 0 and 1 if one-hot, got {labels[first]} at {first}; "
            "class indices have 1 channel or none: say spatial_dims if the first axes were taken for others"
        )
    return np.asarray(masks)
