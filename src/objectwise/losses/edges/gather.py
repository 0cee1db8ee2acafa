"""Values of a tensor at some places, with a gradient: what `index_select` does, in two thirds of its time.

On the CPU, that is, and outside torch.func. The places are those of edges in the order of a forest, all over
the volume, so each is asked for ahead of its use; and the gradient lies in memory that NumPy made, in huge
pages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from objectwise.kernels.random_access import add_at, values_at
from objectwise.losses.inputs import is_plain


def values_of_edges(values: Tensor, edges: Tensor) -> Tensor:
    """Return `values.flatten()[edges]`, differentiable any number of times.

    Parameters
    ----------
    values : (...) float32 or float64
    edges : (m,) int64, on the device of `values`
        Flat indices; one may come again.
    """
    if values.device.type != "cpu" or not is_plain(values):
        return values.reshape(-1).index_select(0, edges)
    found: Tensor = _Read.apply(values.reshape(-1), edges)  # type: ignore[no-untyped-call]
    return found


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Tensor) -> Tensor:
        ctx.save_for_backward(edges)
        ctx.size = values.numel()
        return torch.from_numpy(values_at(values.detach().numpy(), edges.numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (edges,) = ctx.saved_tensors
        return _Write.apply(gradients[0], edges, ctx.size), None  # type: ignore[no-untyped-call]


class _Write(torch.autograd.Function):
    """The transpose of reading."""

    @staticmethod
    def forward(ctx: Any, found: Tensor, edges: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(edges)
        values = found.detach().contiguous().numpy()
        out = np.zeros(size, values.dtype)
        add_at(out, edges.numpy(), values)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (edges,) = ctx.saved_tensors
        return values_of_edges(gradients[0], edges), None, None
