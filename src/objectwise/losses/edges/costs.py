"""What a wrong edge costs, before it is weighted."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from objectwise.checks import check_choice, check_number
from objectwise.errors import ArgumentError

EDGE_LOSSES = ("squared", "squared_hinge", "bce")
DEFAULT_MARGIN = 0.3
"""The default of Helmholtz' Malis-Loss package, whose hinge this is, after Turaga et al. 2009."""


class EdgeLoss(NamedTuple):
    """A loss of one edge.

    Parameters
    ----------
    kind : "squared", "squared_hinge" or "bce"
        (t - a)^2; max(0, |t - a| - margin)^2, which leaves edges alone that are right by the margin; or the
        binary cross-entropy of the affinity a against the target t.
    margin : float in 0..1
        Of the hinge only.
    """

    kind: str = "squared"
    margin: float | None = None

    def check(self) -> None:
        """Refuse unknown kinds, margins outside 0..1 and a margin without effect."""
        check_choice(self.kind, EDGE_LOSSES, name="edge_loss")
        if self.margin is None:
            return
        if self.kind != "squared_hinge":
            raise ArgumentError(f"`margin` has no effect with edge_loss {self.kind!r}, got {self.margin}")
        check_number(self.margin, name="margin")
        if not 0 <= self.margin < 1:
            raise ArgumentError(f"`margin` must be in 0..1, 1 excluded, got {self.margin}")

    def __call__(self, prediction: Tensor, *, target: int, from_logits: bool) -> Tensor:
        """Return the loss of every edge if its truth were `target`, 0 or 1."""
        if self.kind == "bce":
            if from_logits:
                return functional.softplus(-prediction if target else prediction)
            truth = torch.full_like(prediction, target)
            return functional.binary_cross_entropy(prediction, truth, reduction="none")
        affinities = prediction.sigmoid() if from_logits else prediction
        error = 1 - affinities if target else affinities
        if self.kind == "squared_hinge":
            error = (error - (DEFAULT_MARGIN if self.margin is None else self.margin)).clamp_min(0)
        return error**2
