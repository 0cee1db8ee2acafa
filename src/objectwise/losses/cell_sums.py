"""The one pass over the voxels that a segment-wise loss needs: sums of probabilities over cells.

The sums are differentiable with respect to the prediction. Written as one autograd function because a graph
of PyTorch operations would keep a copy of the prediction for each of them; this one keeps the cells only and
computes probabilities anew on the way back, slab by slab.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from objectwise.kernels.instances import add_to_cells

# Voxels worked on at a time: they stay in the cache of a core between two operations, and PyTorch, which
# splits arrays of 2^15 elements and more among threads, does not spend its time waking them up.
SLAB = 1 << 14
LEAST_LOG = -100.0  # as in torch.nn.functional.binary_cross_entropy: log(0) costs 100, not infinity
LEAST_PROBABILITY = 1e-12  # likewise, where the slope of the logarithm is taken


class CellSums(NamedTuple):
    """Of every cell, (c,) float64: what its voxels' probabilities p add up to."""

    probability: Tensor
    """Sum of p."""
    if_positive: Tensor
    """Sum of -log p, the cross-entropy if the cell is foreground."""
    if_negative: Tensor
    """Sum of -log(1 - p), the cross-entropy if the cell is background."""
    square: Tensor
    """Sum of p^2 in value; the gradient is that of p times a constant p, once, as in a detached product."""


def cell_sums(
    values: Tensor, cells: Tensor, n_cells: int, *, from_logits: bool, logarithms: bool = True
) -> CellSums:
    """Add up the probabilities of every cell.

    Parameters
    ----------
    values : float32 or float64, any shape
        Logits, or probabilities in 0..1 with `from_logits` False.
    cells : int32, as many elements as `values`, on the same device
        Cell of every voxel; negative ones count nowhere.
    n_cells : int
    from_logits : bool
    logarithms : bool
        Whether the cross-entropies are needed; without, they are zeros.

    Returns
    -------
    CellSums
        float64, whatever the dtype of `values`: a sum over millions of float32 numbers would drift.
    """
    sums: Tensor = _CellSums.apply(  # type: ignore[no-untyped-call]
        values, cells, n_cells, from_logits, logarithms
    )
    return CellSums(*sums)


class _CellSums(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, values: Tensor, cells: Tensor, n_cells: int, from_logits: bool, logarithms: bool
    ) -> Tensor:
        ctx.save_for_backward(values, cells)
        ctx.options = from_logits, logarithms
        # One cell more than there are takes what is ignored.
        sums = torch.zeros(4, n_cells + 1, dtype=torch.float64, device=values.device)
        for slab, place in _slabs(values.reshape(-1), cells.reshape(-1)):
            p = slab.sigmoid() if from_logits else slab
            if logarithms:
                _add(sums[:3], place, torch.stack([p, *_cross_entropies(slab, from_logits)]))
            else:
                _add(sums[::3], place, torch.stack([p, p * p]))
        return sums[:, :n_cells]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        values, cells = ctx.saved_tensors
        from_logits, logarithms = ctx.options
        of_cells = functional.pad(gradients[0], (0, 1)).to(values.dtype)  # nothing flows to what is ignored
        gradient = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        pieces = torch.split(gradient.view(-1), _step(values))
        for piece, (slab, place) in zip(pieces, _slabs(values.reshape(-1), cells.reshape(-1)), strict=True):
            g, g_positive, g_negative, g_square = of_cells.index_select(1, _rows(place, of_cells.shape[1]))
            p = slab.sigmoid() if from_logits else slab
            if not logarithms:
                torch.addcmul(g, g_square, p, out=piece)
                if from_logits:
                    piece.mul_(p * (1 - p))
            elif from_logits:
                # dp = p (1 - p), d(-log p) = p - 1, d(-log(1 - p)) = p
                torch.addcmul(g_negative, g, 1 - p, out=piece)
                piece.mul_(p).addcmul_(g_positive, p - 1)
            else:
                torch.add(g, g_negative / (1 - p).clamp_min(LEAST_PROBABILITY), out=piece)
                piece.sub_(g_positive / p.clamp_min(LEAST_PROBABILITY))
        return gradient, None, None, None, None


def _step(values: Tensor) -> int:
    """Return how many voxels to work on at a time; a GPU takes all at once."""
    return SLAB if values.device.type == "cpu" else max(1, values.numel())


def _slabs(values: Tensor, cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    step = _step(values)
    return zip(torch.split(values, step), torch.split(cells, step), strict=True)


def _cross_entropies(slab: Tensor, from_logits: bool) -> tuple[Tensor, Tensor]:
    """Return -log p and -log(1 - p)."""
    if from_logits:
        negative = functional.softplus(slab)
        return negative - slab, negative
    return -slab.log().clamp_min(LEAST_LOG), -torch.log1p(-slab).clamp_min(LEAST_LOG)


def _add(sums: Tensor, cells: Tensor, values: Tensor) -> None:
    """Add the values (k, m) of every voxel to the sums (k, n) of its cell."""
    if values.device.type == "cpu":
        add_to_cells(cells.numpy(), values.numpy(), sums.numpy())
    else:
        sums.index_add_(1, _rows(cells, sums.shape[1]), values.to(sums.dtype))


def _rows(cells: Tensor, n: int) -> Tensor:
    """Return the cells with the last of n in place of negative ones."""
    return torch.where(cells < 0, n - 1, cells)
