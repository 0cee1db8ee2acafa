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

from objectwise.kernels.instances import add_to_cells, quadratic_in_cells

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
    first, second, third = _CellSums.apply(  # type: ignore[no-untyped-call]
        values, cells, n_cells, from_logits, logarithms
    )
    if not logarithms:
        return CellSums(first, third, third, second)
    nothing = torch.zeros_like(first)
    # -log sigmoid(x) = softplus(x) - x: with logits the third sum is that of x itself.
    return CellSums(first, second - third if from_logits else third, second, nothing)


class _CellSums(torch.autograd.Function):
    """Sums (3, cells) of p, -log(1 - p), and the logit or -log p; without logarithms p, p^2 and nothing."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, values: Tensor, cells: Tensor, n_cells: int, from_logits: bool, logarithms: bool
    ) -> Tensor:
        ctx.save_for_backward(values, cells)
        ctx.options = from_logits, logarithms
        # One cell more than there are takes what is ignored.
        sums = torch.zeros(n_cells + 1, 3, dtype=torch.float64, device=values.device)
        for slab, place in _slabs(values.reshape(-1), cells.reshape(-1)):
            p = slab.sigmoid() if from_logits else slab
            if not logarithms:
                _add(sums, place, (p, p * p, torch.zeros_like(p)))
            elif from_logits:
                _add(sums, place, (p, functional.softplus(slab), slab))
            else:
                negative = -torch.log1p(-slab).clamp_min(LEAST_LOG)
                _add(sums, place, (p, negative, -slab.log().clamp_min(LEAST_LOG)))
        return sums[:n_cells].T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        values, cells = ctx.saved_tensors
        from_logits, logarithms = ctx.options
        # Nothing flows to what is ignored, whose cell is the last.
        of_cells = functional.pad(gradients[0].T, (0, 0, 0, 1)).to(values.dtype).contiguous()
        if logarithms and from_logits:
            # dp = p (1 - p), d(-log(1 - p)) = p, dx = 1: a quadratic in p, whose coefficients are cells'.
            g, negative, identity = of_cells.unbind(1)
            of_cells = torch.stack([identity, g + negative, -g], 1)
        gradient = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        pieces = torch.split(gradient.view(-1), _step(values))
        for piece, (slab, place) in zip(pieces, _slabs(values.reshape(-1), cells.reshape(-1)), strict=True):
            if logarithms and from_logits:
                _quadratic(of_cells, place, slab.sigmoid(), piece)
            elif logarithms:
                g, negative, positive = of_cells.index_select(0, _rows(place, len(of_cells))).unbind(1)
                torch.add(g, negative / (1 - slab).clamp_min(LEAST_PROBABILITY), out=piece)
                piece.sub_(positive / slab.clamp_min(LEAST_PROBABILITY))
            else:
                p = slab.sigmoid() if from_logits else slab
                _quadratic(of_cells, place, p, piece)  # g + g_square p, the third being 0
                if from_logits:
                    piece.mul_(p * (1 - p))
        return gradient, None, None, None, None


def _step(values: Tensor) -> int:
    """Return how many voxels to work on at a time; a GPU takes all at once."""
    return SLAB if values.device.type == "cpu" else max(1, values.numel())


def _slabs(values: Tensor, cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    step = _step(values)
    return zip(torch.split(values, step), torch.split(cells, step), strict=True)


def _add(sums: Tensor, cells: Tensor, values: tuple[Tensor, Tensor, Tensor]) -> None:
    """Add three values of every voxel to the sums (cells, 3) of its cell."""
    if sums.device.type == "cpu":
        first, second, third = (value.numpy() for value in values)
        add_to_cells(cells.numpy(), first, second, third, sums.numpy())
    else:
        sums.index_add_(0, _rows(cells, len(sums)), torch.stack(values, 1).to(sums.dtype))


def _quadratic(coefficients: Tensor, cells: Tensor, values: Tensor, out: Tensor) -> None:
    """Evaluate a quadratic at every voxel, its coefficients (cells, 3) being those of the voxel's cell."""
    if values.device.type == "cpu":
        quadratic_in_cells(cells.numpy(), values.numpy(), coefficients.numpy(), out.numpy())
    else:
        a, b, c = coefficients.index_select(0, _rows(cells, len(coefficients))).unbind(1)
        torch.addcmul(a, values, torch.addcmul(b, values, c), out=out)


def _rows(cells: Tensor, n: int) -> Tensor:
    """Return the cells with the last of n in place of negative ones."""
    return torch.where(cells < 0, n - 1, cells)
