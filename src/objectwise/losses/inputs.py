"""What every loss on edges asks of its tensors, worded once."""

from __future__ import annotations

import torch
from torch import Tensor

from objectwise.checks import check_graph
from objectwise.errors import DeviceError, DtypeError, ShapeError
from objectwise.graph import Offsets, offsets_array

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)


def check_edge_prediction(prediction: Tensor, labels: Tensor, offsets: Offsets) -> None:
    """Require (n, k, *spatial) floats and (n, *spatial) integer labels on one device, and k offsets."""
    for value, name in ((prediction, "prediction"), (labels, "labels")):
        if not isinstance(value, Tensor):
            raise DtypeError(f"`{name}` must be a torch.Tensor, got {type(value).__name__}")
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


def check_like(mask: Tensor, shape: tuple[int, ...], device: torch.device, *, name: str) -> None:
    """Require a bool tensor of a shape, on a device."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        came = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise DtypeError(f"`{name}` must be a bool tensor, got {came}")
    if tuple(mask.shape) != shape:
        raise ShapeError(f"`{name}` must have shape {shape}, got {tuple(mask.shape)}")
    if mask.device != device:
        raise DeviceError(f"`{name}` must be on the device of `prediction` ({device}), got {mask.device}")
