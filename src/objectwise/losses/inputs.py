"""What every loss asks of its tensors, worded once, and their way to arrays and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.checks import check_bool, check_finite, check_graph, first_position
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.graph import Offsets, offsets_array

REDUCTIONS = ("mean", "sum", "none")
SCALAR_REDUCTIONS = ("mean", "sum")
"""Of losses that add several terms up, which have no number a sample in common."""
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
    """Require a dense tensor."""
    if not isinstance(value, Tensor):
        raise DtypeError(f"`{name}` must be a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided or value.is_nested:
        came = "a nested tensor" if value.is_nested else f"layout {value.layout}"
        raise DtypeError(f"`{name}` must be a dense tensor, got {came}; pass {name}.to_dense()")


def check_host_tensor(value: object, *, name: str) -> None:
    """Require a dense tensor that NumPy can look at."""
    check_tensor(value, name=name)
    assert isinstance(value, Tensor)
    try:
        value.untyped_storage()
    except NotImplementedError as error:  # PyTorch's own for a tensor that wraps another
        raise DtypeError(
            f"`{name}` must be a tensor with values of its own, got one inside torch.func (grad, vmap, jvp); "
            "this loss looks at values to find its structure: use torch.autograd.grad"
        ) from error


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
def check_finite_tensor(values: Tensor, *, name: str, counts: Tensor | None = None, first: int = 0) -> bool:
    """Require finite values in the channels from the `first` on, at least where `counts` is true.

    `values` are (n, c, ...) if there is a first channel, `counts` a mask that broadcasts to the channels.
    Return whether all are finite, whether they count or not. It costs one sum, for which a GPU waits; a mask
    is made only where the sum is not finite.
    """
    values = values.detach()[:, first:] if first else values.detach()
    if is_true(values.sum(dtype=wide_dtype(values)).isfinite()):
        return True
    bad = ~values.isfinite()
    wrong = bad if counts is None else bad & counts
    if is_true(wrong.any()):
        place = [int(i) for i in wrong.nonzero()[0]]
        value = values[tuple(place)].item()
        if first:
            place[1] += first
        raise ArgumentError(f"`{name}` must be finite, got {value} at {tuple(place)}")
    return not is_true(bad.any())


def is_true(flag: Tensor) -> bool:
    """Read a bool from its device, which waits."""
    with _no_vmap():
        return bool(flag)


def on_plain(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return what `work` makes of tensors whose values it looks at, also under `torch.func.grad`.

    There a tensor is a wrap without values of its own; a function of autograd is shown what it wraps. The
    result is a constant for the gradient.
    """
    with _no_vmap():
        result: Tensor = _OnPlain.apply(work, *tensors)  # type: ignore[no-untyped-call]
    return result


@contextmanager
def _no_vmap() -> Iterator[None]:
    """Put PyTorch's words for values that `torch.func.vmap` hides into ours."""
    try:
        yield
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise ArgumentError(
            "`prediction` must have values to look at, got a tensor of torch.func.vmap; pass the batch as it "
            'is, with reduction="none" where the loss has it'
        ) from error


class _OnPlain(torch.autograd.Function):
    @staticmethod
    def forward(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        return work(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)


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


def check_like(mask: Tensor, shape: tuple[int, ...], device: torch.device, *, name: str) -> None:
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
