"""The logit of every channel of a softmax, as if each were a sigmoid of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from objectwise.losses.instances.cell_sums import SLAB, WITH_KERNELS

AT_ONCE_ELSEWHERE = 1 << 24
"""Values worked on at a time by devices other than a CPU."""


def logits_against_the_rest(values: Tensor) -> Tensor:
    """Return every channel (n, c, *spatial), c at least 2, minus the log-sum-exp of the others.

    Slab by slab, so that it takes no memory beside its result: a graph of PyTorch operations keeps a dozen
    copies, and one of the others for every channel c copies for each.
    """
    if values.shape[1] == 2:
        return values - values.flip(1)
    result: Tensor = _AgainstTheRest.apply(values)  # type: ignore[no-untyped-call]
    return result


class _AgainstTheRest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        logits = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        for slab, out in _slabs(values, logits):
            shares = _shares(slab)
            others = shares.total + torch.log1p(-shares.p)
            torch.sub(slab, torch.where(shares.is_top, shares.beside_top, others), out=out)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        result = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        for slab, gradient, out in _slabs(values, gradients[0], result):
            is_top, p, q, *_ = _shares(slab)
            # Channel j is among the others of every channel c, with the share p_j / (1 - p_c) of them.
            by_c = torch.where(is_top, 0.0, gradient / (1 - p))
            of_top = torch.where(is_top, gradient, 0.0).sum(0)
            torch.sub(gradient, p * (by_c.sum(0) - by_c) + q * of_top, out=out)
        return result


class _Shares(NamedTuple):
    """What the logits of (c, voxels) are made of."""

    is_top: Tensor
    """(c, voxels) bool, the largest channel of every voxel, the first of several."""
    p: Tensor
    """(c, voxels) The softmax."""
    q: Tensor
    """(c, voxels) That of the others than the largest."""
    total: Tensor
    """(voxels,) Log-sum-exp of all."""
    beside_top: Tensor
    """(voxels,) That of the others than the largest, whose p may be so close to 1 that 1 - p is nothing."""


def _shares(slab: Tensor) -> _Shares:
    largest, top = slab.max(0)
    is_top = torch.arange(len(slab), device=slab.device)[:, None] == top
    others = slab.masked_fill(is_top, -math.inf)
    second = others.amax(0)
    p, q = (slab - largest).exp_(), others.sub_(second).exp_()
    total, beside = p.sum(0), q.sum(0)
    return _Shares(is_top, p.div_(total), q.div_(beside), largest + total.log(), second + beside.log())


def _slabs(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Cut tensors (n, c, *spatial) alike into (c, some voxels) of one sample each."""
    n, channels = tensors[0].shape[:2]
    at_once = SLAB if tensors[0].device.type == WITH_KERNELS else AT_ONCE_ELSEWHERE
    step = max(1, at_once // channels)
    flat = [tensor.reshape(n, channels, -1) for tensor in tensors]
    for i in range(n):
        yield from zip(*(torch.split(tensor[i], step, 1) for tensor in flat), strict=True)
