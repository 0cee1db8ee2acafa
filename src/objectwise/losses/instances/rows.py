"""Losses of segments, and their reduction over the instances of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from objectwise.losses.instances.crops import Cuts, losses_of
from objectwise.losses.instances.options import AnyLoss
from objectwise.losses.instances.segment_loss import empty_loss
from objectwise.losses.instances.segments import Segments


class Rows(NamedTuple):
    """Losses of segments that count, (s,) each."""

    losses: Tensor
    volume: Tensor

    def only(self, mask: Tensor) -> Rows:
        """Return the rows where a mask is true."""
        return Rows(self.losses.masked_select(mask), self.volume.masked_select(mask))

    def and_also(self, more: Rows) -> Rows:
        """Return these rows and others."""
        return Rows(torch.cat([self.losses, more.losses]), torch.cat([self.volume, more.volume]))

    def reduced(self, known: Tensor, over: str, reduction: str) -> Tensor:
        """Return their sum or mean, over all of them or volume by volume; 0 where there are none.

        By volume, the mean is one over the volumes that have a segment, of sums over all volumes of which
        something is `known`, (v,) bool.
        """
        if over == "instance":
            return self.losses.sum() / (max(1, len(self.losses)) if reduction == "mean" else 1)
        ones = torch.ones_like(self.losses)
        totals = self.losses.new_zeros(len(known)).index_add(0, self.volume, self.losses)
        if reduction == "sum":
            return mean_over(totals, known)
        counts = self.losses.new_zeros(len(known)).index_add(0, self.volume, ones)
        return (totals / counts.clamp_min(1)).sum() / (counts > 0).sum().clamp_min(1)


def mean_over(values: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of those values that count, 0 where none does."""
    chosen = values.masked_select(counts)
    return chosen.sum() / max(1, len(chosen))


def with_empty(loss: AnyLoss, segments: Segments, empty: str, cuts: Cuts | None, kind: str) -> Tensor:
    """Return the loss of every segment, of those without truth the one that does not vanish."""
    met = losses_of(loss, segments.only(segments.met), cuts, kind)
    return torch.where(segments.met, met, empty_loss(segments.sums, empty))
