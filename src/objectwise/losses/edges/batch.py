"""A batch of tensors as checked arrays on the host, where the structure of a loss on edges is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import (
    check_edges,
    check_graph,
    check_labels,
    check_unlabelled,
    edges_inside,
    first_position,
)
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.graph import Offsets, affinities_from_labels, offsets_array
from objectwise.losses.inputs import FLOATS, INTEGERS, check_tensor, seen, wide_dtype


@dataclass(frozen=True)
class EdgeBatch:
    """What a loss on edges was given; each field has the samples in front."""

    values: NDArray[Any]
    """(n, k, *spatial) float32 or float64."""
    labels: NDArray[Any]
    """(n, *spatial)"""
    edge_mask: NDArray[np.bool_] | None
    unlabelled: NDArray[np.bool_] | None
    offsets: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        prediction: Tensor,
        labels: Tensor,
        offsets: Offsets,
        *,
        from_logits: bool,
        edge_mask: Tensor | None,
        unlabelled: Tensor | None,
    ) -> EdgeBatch:
        """Check the tensors and take them to the host; the gradient goes another way."""
        check_edge_prediction(prediction, labels, offsets)
        check_masks(prediction, labels, edge_mask=edge_mask, unlabelled=unlabelled)
        table = offsets_array(offsets)
        values = seen(prediction.to(wide_dtype(prediction)))
        check_edges(values, table, name="prediction")
        if not from_logits:
            _check_range(values, table)
        ids = check_labels(seen(labels))
        known, outside = (None if mask is None else seen(mask) for mask in (edge_mask, unlabelled))
        if outside is not None:
            check_unlabelled(outside, ids)
        return cls(values, ids, known, outside, table)

    def sample(self, i: int) -> tuple[Any, ...]:
        """Return the arguments of `edge_pair_counts` for one sample."""
        masks = (None if mask is None else mask[i] for mask in (self.edge_mask, self.unlabelled))
        return self.values[i], self.labels[i], self.offsets, *masks

    def knows(self, i: int) -> bool:
        """Say whether the truth of any edge of a sample is known."""
        if self.edge_mask is None and self.unlabelled is None:
            return True
        known = np.ones(self.values.shape[1:], np.bool_) if self.edge_mask is None else self.edge_mask[i]
        known = edges_inside(known, self.offsets)
        if self.unlabelled is not None:
            known &= affinities_from_labels(self.unlabelled[i].view(np.uint8), self.offsets) == 0
        return bool(known.any())

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.values)


def reduced(samples: Tensor, is_known: Sequence[bool], reduction: str) -> Tensor:
    """Reduce the losses of samples; one of which nothing is known is as if it were not in the batch."""
    if reduction == "none":
        return samples
    total = samples.sum()
    return total if reduction == "sum" else total / max(1, sum(is_known))


def check_edge_prediction(prediction: Tensor, labels: Tensor, offsets: Offsets) -> None:
    """Require (n, k, *spatial) floats and (n, *spatial) integer labels on one device, and k offsets."""
    check_tensor(prediction, name="prediction")
    check_tensor(labels, name="labels")
    if prediction.dtype not in FLOATS:
        raise DtypeError(f"`prediction` must be floating point, got {prediction.dtype}")
    if labels.dtype not in INTEGERS:
        raise DtypeError(f"`labels` must hold integer ids (0 = background), got {labels.dtype}")
    if prediction.ndim not in (4, 5) or 0 in prediction.shape:
        raise ShapeError(
            "`prediction` must have shape (n, k, y, x) or (n, k, z, y, x) and not be empty, "
            f"got {tuple(prediction.shape)}"
        )
    expected = (prediction.shape[0], *prediction.shape[2:])
    if tuple(labels.shape) != expected:
        raise ShapeError(
            f"`labels` must have the batch and spatial shape of `prediction` {expected}, "
            f"got {tuple(labels.shape)}"
        )
    if labels.device != prediction.device:
        raise DeviceError(
            f"`labels` must be on the device of `prediction` ({prediction.device}), got {labels.device}"
        )
    check_graph(prediction.shape[1], prediction.shape[2:], offsets_array(offsets), name="prediction")


def _check_mask(mask: Tensor, shape: tuple[int, ...], device: torch.device, *, name: str) -> None:
    """Require a bool tensor of a shape, on a device."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        came = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise DtypeError(f"`{name}` must be a bool tensor, got {came}")
    check_tensor(mask, name=name)
    if tuple(mask.shape) != shape:
        raise ShapeError(f"`{name}` must have shape {shape}, got {tuple(mask.shape)}")
    if mask.device != device:
        raise DeviceError(f"`{name}` must be on the device of `prediction` ({device}), got {mask.device}")


def check_masks(
    prediction: Tensor, labels: Tensor, *, edge_mask: Tensor | None, unlabelled: Tensor | None
) -> None:
    """Require a mask, where there is one, of the edges of `prediction` and of the voxels of `labels`."""
    if edge_mask is not None:
        _check_mask(edge_mask, tuple(prediction.shape), prediction.device, name="edge_mask")
    if unlabelled is not None:
        _check_mask(unlabelled, tuple(labels.shape), prediction.device, name="unlabelled")


def _check_range(values: NDArray[Any], offsets: NDArray[np.int64]) -> None:
    """Require affinities of the edges inside the volume, not logits."""
    outside = edges_inside((values < 0) | (values > 1), offsets)
    if outside.any():
        first = first_position(outside)
        raise ArgumentError(
            f"`prediction` must be in 0..1, got {values[first]} at {first}; pass from_logits=True for logits"
        )
