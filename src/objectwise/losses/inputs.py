"""What every loss on edges asks of its tensors, worded once, and their way to arrays and back."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_bool, check_finite, check_graph, first_position
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
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


def check_tensor(value: object, *, name: str) -> None:
    """Require a dense tensor whose values can be looked at."""
    if not isinstance(value, Tensor):
        raise DtypeError(f"`{name}` must be a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided or value.is_nested:
        came = "a nested tensor" if value.is_nested else f"layout {value.layout}"
        raise DtypeError(f"`{name}` must be a dense tensor, got {came}; pass {name}.to_dense()")
    try:
        value.untyped_storage()
    except NotImplementedError as error:  # PyTorch's own for a tensor that wraps another
        raise DtypeError(
            f"`{name}` must be a tensor with values of its own, got one inside torch.func (grad, vmap, jvp); "
            "this loss looks at values to find its structure: use torch.autograd.grad"
        ) from error


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


def check_masks(
    prediction: Tensor, labels: Tensor, *, edge_mask: Tensor | None, unlabelled: Tensor | None
) -> None:
    """Require a mask, where there is one, of the edges of `prediction` and of the voxels of `labels`."""
    if edge_mask is not None:
        check_like(edge_mask, tuple(prediction.shape), prediction.device, name="edge_mask")
    if unlabelled is not None:
        check_like(unlabelled, tuple(labels.shape), prediction.device, name="unlabelled")


def wide_dtype(prediction: Tensor) -> torch.dtype:
    """Return the dtype of a loss: float64 for float64, float32 for everything else."""
    return torch.float64 if prediction.dtype == torch.float64 else torch.float32


def values_of(prediction: Tensor, *, from_logits: bool) -> NDArray[Any]:
    """Return the widened values of a prediction, which must be finite, and in 0..1 if they are no logits."""
    check_bool(from_logits, name="from_logits")
    values = on_host(prediction.to(wide_dtype(prediction)))
    check_finite(values, name="prediction")
    if not from_logits:
        check_range(values)
    return values


def check_range(values: NDArray[Any]) -> None:
    """Require affinities, not logits."""
    outside = (values < 0) | (values > 1)
    if outside.any():
        first = first_position(outside)
        raise ArgumentError(
            f"`prediction` must be in 0..1, got {values[first]} at {first}; pass from_logits=True for logits"
        )


def on_host(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's values as an array, through page-locked memory where they come from a GPU."""
    tensor = tensor.detach()
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor).numpy()


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor to a device, without waiting for the copy where that is a GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
