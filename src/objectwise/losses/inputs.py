"""What every loss asks of its tensors, worded once, and their way to arrays and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from objectwise.errors import ArgumentError, DtypeError, ObjectwiseWarning

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
    if not is_plain(value):
        raise DtypeError(
            f"`{name}` must be a tensor with values of its own, got one inside torch.func (grad, vmap, jvp); "
            "this loss looks at values to find its structure: use torch.autograd.grad"
        )


def is_plain(tensor: Tensor) -> bool:
    """Say whether a tensor has values of its own; those of torch.func's transforms wrap another."""
    try:
        tensor.untyped_storage()
    except NotImplementedError:
        return False
    return True


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
def check_finite_tensor(
    values: Tensor,
    *,
    name: str,
    counts: Tensor | Callable[[], Tensor] | None = None,
    first: int = 0,
) -> bool:
    """Require finite values in the channels from the `first` on, at least where `counts` is true.

    `values` are (n, c, ...) if there is a first channel, `counts` a mask that broadcasts to the channels, or
    a function that makes it.
    Return whether all are finite, whether they count or not. It costs one reduction without a copy, for which
    a GPU waits; a mask is made only where something is not finite, or a sum too large.
    """
    values = values.detach()[:, first:] if first else values.detach()
    if is_true(_is_finite(values)):
        return True
    bad = ~values.isfinite()
    wrong = bad if counts is None else bad & (counts() if callable(counts) else counts)
    if is_true(wrong.any()):
        place = [int(i) for i in wrong.nonzero()[0]]
        value = values[tuple(place)].item()
        if first:
            place[1] += first
        raise ArgumentError(f"`{name}` must be finite, got {value} at {tuple(place)}")
    return not is_true(bad.any())


def _is_finite(values: Tensor) -> Tensor:
    """Return a flag that is true only if all values are finite, by whatever reduction is fastest."""
    if values.dtype in (torch.float16, torch.bfloat16) and values.numel() > 0:
        # On a CPU a third of the time of a sum, which widens; of wider values a sum takes half of its time.
        lowest, highest = torch.aminmax(values)
        return lowest.isfinite() & highest.isfinite()
    return values.sum(dtype=wide_dtype(values)).isfinite()


class LogitsWatch:
    """Says once that predictions have been through the activation before a loss takes it once more.

    A module keeps one, and so asks no more after the answer; a function makes one each time.
    """

    def __init__(self) -> None:
        self.is_settled = False

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it looks at values
    def look(
        self,
        logits: Tensor,
        *,
        activation: str = "sigmoid",
        advice: str | None = None,
        name: str = "prediction",
    ) -> None:
        """Warn where all of (n, c, *spatial) logits lie in 0..1, as after an activation.

        It is settled where they were seen to be logits, and after the warning. A constant says nothing: it
        comes from a last layer that begins with zeros, and from no activation; nor does NaN.
        """
        if self.is_settled:
            return
        values = logits.detach()
        lowest = highest = values
        for part in (values[0, 0, 0], values):  # logits mostly show in the first row or section
            lowest, highest = torch.aminmax(part)
            if is_true((lowest < 0) | (highest > 1)):
                self.is_settled = True
                return
        if not is_true(lowest < highest):
            return
        self.is_settled = True
        cure = "" if advice is None else f"{advice}, or "
        warnings.warn(
            f"`{name}` must be logits, got values that all lie in 0..1, as after a {activation}, of which "
            f"the loss takes the {activation} once more; {cure}leave out the network's {activation}",
            ObjectwiseWarning,
            stacklevel=3,  # of the caller of this wrap
        )


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


def seen(tensor: Tensor) -> NDArray[Any]:
    """Return values on the host, as `on_plain` shows them."""
    values: list[NDArray[Any]] = []

    def look(plain: Tensor) -> Tensor:
        values.append(on_host(plain))
        return plain.new_empty(0)

    on_plain(look, tensor.detach())
    return values[0]


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


def wide_dtype(prediction: Tensor) -> torch.dtype:
    """Return the dtype of a loss: float64 for float64, float32 for everything else."""
    return torch.float64 if prediction.dtype == torch.float64 else torch.float32


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
