"""What a training step minimises: cross-entropy, constrained MALIS, or both, by configuration."""

from __future__ import annotations

from torch import Tensor, nn

from objectwise.config.models import LossConfig
from objectwise.graph import Neighborhood
from objectwise.losses import AffinityBCELoss, MalisLoss


class AffinityObjective(nn.Module):
    """The loss of a configuration, and its terms by name.

    Parameters
    ----------
    config : LossConfig
    neighborhood : Neighborhood
        One offset per channel of the network.
    """

    def __init__(self, config: LossConfig, neighborhood: Neighborhood) -> None:
        super().__init__()
        self.config = config
        self.bce = AffinityBCELoss(neighborhood)
        self.malis = MalisLoss(neighborhood, constrained=True, from_logits=True)

    def terms_at(self, step: int) -> tuple[str, ...]:
        """Return the names of the terms that count in this step (0 is the first)."""
        if self.config.name == "bce" or step < self.config.warmup_steps:
            return ("bce",)
        return ("malis",) if self.config.name == "malis" else ("bce", "malis")

    def forward(self, logits: Tensor, labels: Tensor, step: int) -> dict[str, Tensor]:
        """Return the terms of this step, each unweighted, and their weighted sum as `loss`.

        Parameters
        ----------
        logits : (n, k, *spatial) floating point
        labels : (n, *spatial) integer, 0 is background
        step : int
            Optimiser steps done before this one.
        """
        weights = {"bce": 1.0, "malis": self.config.malis_weight if self.config.name == "bce+malis" else 1.0}
        terms: dict[str, Tensor] = {}
        for name in self.terms_at(step):
            terms[name] = (self.bce if name == "bce" else self.malis)(logits, labels)
        loss = sum((weights[name] * term for name, term in terms.items()), logits.new_zeros(()))
        return {"loss": loss, **terms}
