"""Values of a tensor at chosen places, with a gradient: what `index_select` does, in two thirds of its time.

On the CPU, that is. The places are those of edges in the order of a forest, all over the volume, so each is
asked for ahead of its use; and the gradient lies in memory that NumPy made, in huge pages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from objectwise.kernels.random_access import add_at, values_at


def values_of_edges(values: Tensor, edges: Tensor) -> Tensor:
    """Return `values.flatten()[edges]`, differentiable any number of times.

    Parameters
    ----------
    values : (...) float32 or float64
    edges : (m,) int64, on the device of `values`
        Flat indices; one may come again.
    """
    if values.device.type != "cpu":
        return values.reshape(-1).index_select(0, edges)
    chosen: Tensor = _Choose.apply(values.reshape(-1), edges)  # type: ignore[no-untyped-call]
    return chosen


class _Choose(torch.autograd.Function):
    """Read."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Tensor) -> Tensor:
        ctx.save_for_backward(edges)
        ctx.size = values.numel()
        return torch.from_numpy(values_at(values.detach().numpy(), edges.numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (edges,) = ctx.saved_tensors
        return _Place.apply(gradients[0], edges, ctx.size), None  # type: ignore[no-untyped-call]


class _Place(torch.autograd.Function):
    """Write, the transpose of reading."""

    @staticmethod
    def forward(ctx: Any, chosen: Tensor, edges: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(edges)
        values = chosen.detach().contiguous().numpy()
        out = np.zeros(size, values.dtype)
        add_at(out, edges.numpy(), values)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (edges,) = ctx.saved_tensors
        return values_of_edges(gradients[0], edges), None, None
