"""The one pass over the voxels that a segment-wise loss needs: sums of probabilities over cells.

The sums are differentiable with respect to the prediction. Written as one autograd function because a graph
of PyTorch operations would keep a copy of the prediction for each of them; this one keeps the cells only and
computes probabilities anew on the way back, slab by slab.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from objectwise.kernels.instances import add_rows, add_to_cells, logit_gradient, probability_gradient

# Voxels worked on at a time: they stay in the cache of a core between two operations, and PyTorch, which
# splits arrays of 2^15 elements and more among threads, does not spend its time waking them up.
SLAB = 1 << 14
WITH_KERNELS = "cpu"
"""Devices whose loops are Numba's; on all others they are PyTorch's."""
LEAST_LOG = -100.0  # as in torch.nn.functional.binary_cross_entropy: log(0) costs 100, not infinity
LEAST_PROBABILITY = 1e-12  # likewise, where the slope of the logarithm is taken


class CellSums(NamedTuple):
    """What the probabilities p of the voxels of every cell, or group of cells, add up to."""

    table: Tensor
    """(c, 3) float64"""
    logarithms: bool
    """Whether the table holds cross-entropies; else it holds squares."""

    @property
    def probability(self) -> Tensor:
        """Sum of p."""
        return self.table[:, 0]

    @property
    def if_positive(self) -> Tensor:
        """Sum of -log p, the cross-entropy if the cell is foreground; without logarithms nothing of use."""
        return self.table[:, 1]

    @property
    def if_negative(self) -> Tensor:
        """Sum of -log(1 - p), the cross-entropy if the cell is background; without logarithms 0."""
        return self.table[:, 2]

    @property
    def square(self) -> Tensor:
        """Sum of p^2, without logarithms; the gradient is that of p times a constant p, as if detached."""
        return self.table[:, 1]

    def grouped(
        self, cells: Tensor, groups: Tensor, sizes: tuple[int, ...]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Add up groups of cells: cell `cells[i]` belongs to group `groups[i]`, and may to others as well.

        Returns the three columns of the first `sizes[0]` groups, of the next `sizes[1]`, and so on.
        """
        columns = _Grouped.apply(self.table, cells, groups, sizes)  # type: ignore[no-untyped-call]
        return [(columns[i], columns[i + 1], columns[i + 2]) for i in range(0, len(columns), 3)]


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
        Whether cross-entropies are needed, or squares.

    Returns
    -------
    CellSums
        float64, whatever the dtype of `values`: a sum over millions of float32 numbers would drift.
    """
    table = _CellSums.apply(  # type: ignore[no-untyped-call]
        values, cells, n_cells, from_logits, logarithms
    )
    return CellSums(table, logarithms)


class _CellSums(torch.autograd.Function):
    """Sums (cells, 3) of p, -log p and -log(1 - p); without logarithms of p, p^2 and nothing."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, values: Tensor, cells: Tensor, n_cells: int, from_logits: bool, logarithms: bool
    ) -> Tensor:
        ctx.save_for_backward(values, cells)
        ctx.options = from_logits, logarithms
        # One cell more than there are takes what is ignored.
        sums = _zeros(n_cells + 1, values.device)
        for slab, place in _slabs(values.reshape(-1), cells.reshape(-1)):
            p = slab.sigmoid() if from_logits else slab
            if not logarithms:
                _add(sums, place, (p, p * p, torch.zeros_like(p)))
            elif from_logits:
                negative = functional.softplus(slab)
                _add(sums, place, (p, negative - slab, negative))
            else:
                positive = -slab.log().clamp_min(LEAST_LOG)
                _add(sums, place, (p, positive, -torch.log1p(-slab).clamp_min(LEAST_LOG)))
        return sums[:n_cells]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        values, cells = ctx.saved_tensors
        from_logits, logarithms = ctx.options
        of_cells = _zeros(len(gradients[0]) + 1, values.device)  # nothing flows to what is ignored, the last
        if values.device.type == WITH_KERNELS:
            of_cells.numpy()[:-1] = gradients[0].numpy()
        else:
            of_cells[:-1] = gradients[0]
        gradient = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        pieces = torch.split(gradient.view(-1), _step(values))
        for piece, (slab, place) in zip(pieces, _slabs(values.reshape(-1), cells.reshape(-1)), strict=True):
            p = slab.sigmoid() if from_logits else slab
            if from_logits and logarithms:
                _logit_gradient(place, p, of_cells, piece)
            else:
                _probability_gradient(place, p, of_cells, piece, logarithms=logarithms)
                if from_logits:
                    piece.mul_(p * (1 - p))
        return gradient, None, None, None, None


def _logit_gradient(cells: Tensor, p: Tensor, of_cells: Tensor, out: Tensor) -> None:
    if out.device.type == WITH_KERNELS:
        logit_gradient(cells.numpy(), p.numpy(), of_cells.numpy(), out.numpy())
        return
    g, positive, negative = _gathered(of_cells, cells, p.dtype)
    out.copy_(p * (negative + g * (1 - p)) + positive * (p - 1))


def _probability_gradient(
    cells: Tensor, p: Tensor, of_cells: Tensor, out: Tensor, *, logarithms: bool
) -> None:
    least = LEAST_PROBABILITY if logarithms else 0.0
    if out.device.type == WITH_KERNELS:
        probability_gradient(cells.numpy(), p.numpy(), of_cells.numpy(), least, out.numpy())
        return
    g, second, third = _gathered(of_cells, cells, p.dtype)
    if logarithms:
        out.copy_(g + third / (1 - p).clamp_min(least) - second / p.clamp_min(least))
    else:
        out.copy_(g + second * p)


def _gathered(of_cells: Tensor, cells: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the three columns of every voxel's cell."""
    return of_cells.index_select(0, _rows(cells, len(of_cells))).to(dtype).unbind(1)


class _Grouped(torch.autograd.Function):
    """Sums of rows of a table, each of which may belong to several groups, in one column after the other.

    They leave one by one because PyTorch would copy a whole table, on the way back, for each cut made in it.
    """

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, cells: Tensor, groups: Tensor, sizes: tuple[int, ...]
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(cells, groups)
        ctx.set_materialize_grads(False)
        ctx.n_cells, ctx.device, ctx.sizes, ctx.n_groups = len(table), table.device, sizes, sum(sizes)
        sums = _zeros(sum(sizes), table.device)
        _add_rows(table, cells, groups, sums)
        return tuple(part[:, k].clone() for part in torch.split(sums, list(sizes)) for k in range(3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None, None]:
        cells, groups = ctx.saved_tensors
        of_groups, start = _zeros(ctx.n_groups, ctx.device), 0
        for part, size in enumerate(ctx.sizes):
            for k in range(3):
                gradient = gradients[3 * part + k]
                if gradient is not None:
                    of_groups[start : start + size, k] = gradient
            start += size
        of_cells = _zeros(ctx.n_cells, ctx.device)
        _add_rows(of_groups, groups, cells, of_cells)
        return of_cells, None, None, None


def _zeros(rows: int, device: torch.device) -> Tensor:
    """Return a table; on the CPU NumPy clears it, because PyTorch would wake its threads to do it."""
    if device.type == WITH_KERNELS:
        return torch.from_numpy(np.zeros((rows, 3)))
    return torch.zeros(rows, 3, dtype=torch.float64, device=device)


def _step(values: Tensor) -> int:
    """Return how many voxels to work on at a time; a GPU takes all at once."""
    return SLAB if values.device.type == WITH_KERNELS else max(1, values.numel())


def _slabs(values: Tensor, cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    step = _step(values)
    return zip(torch.split(values, step), torch.split(cells, step), strict=True)


def _add(sums: Tensor, cells: Tensor, values: tuple[Tensor, Tensor, Tensor]) -> None:
    """Add three values of every voxel to the sums (cells, 3) of its cell."""
    if sums.device.type == WITH_KERNELS:
        first, second, third = (value.numpy() for value in values)
        add_to_cells(cells.numpy(), first, second, third, sums.numpy())
    else:
        sums.index_add_(0, _rows(cells, len(sums)), torch.stack(values, 1).to(sums.dtype))


def _add_rows(source: Tensor, sources: Tensor, targets: Tensor, out: Tensor) -> None:
    """Add row `sources[i]` of one table to row `targets[i]` of another, for every i."""
    if out.device.type == WITH_KERNELS:
        add_rows(source.numpy(), sources.numpy(), targets.numpy(), out.numpy())
    else:
        out.index_add_(0, targets, source.index_select(0, sources))


def _rows(cells: Tensor, n: int) -> Tensor:
    """Return the cells with the last of n in place of negative ones."""
    return torch.where(cells < 0, n - 1, cells)
