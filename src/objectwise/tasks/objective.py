"""What a training step minimises: the weighted sum of a configuration's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from objectwise.errors import ArgumentError
from objectwise.tasks.losses import Batch, Call

Weight = Callable[[int], float]
"""The weight of a term in a step, 0 being the first."""


@dataclass(frozen=True)
class Term:
    """One term: a loss, how it is called with a batch, and its weight."""

    name: str
    loss: nn.Module
    call: Call
    weight: Weight


class Objective(nn.Module):
    """The weighted sum of terms, and each of them by name.

    Parameters
    ----------
    terms : sequence of Term
        Their names differ.
    seed : int
        Of the random pairs that some losses draw: they follow from seed and step, so that a resumed training
        draws what an undisturbed one does.
    """

    def __init__(self, terms: Sequence[Term], *, seed: int = 0) -> None:
        super().__init__()
        self.terms = list(terms)
        self.seed = seed
        # Registered, so that a loss with tensors of its own moves to the device of the training.
        self.losses = nn.ModuleList([term.loss for term in terms])

    def weights_at(self, step: int) -> dict[str, float]:
        """Return the weights of the terms that count in a step."""
        weights = {term.name: term.weight(step) for term in self.terms}
        return {name: weight for name, weight in weights.items() if weight != 0}

    def forward(self, prediction: Tensor, batch: Batch, step: int, part: int = 0) -> dict[str, Tensor]:
        """Return the terms of this step, each unweighted, and their weighted sum as `loss`.

        Parameters
        ----------
        prediction : (n, k, *spatial) floating point
        batch : tensors by name
        step : int
            Optimiser steps done before this one.
        part : int
            Number of this batch within the step, over batches and processes; each draws pairs of its own.
        """
        weights = self.weights_at(step)
        terms: dict[str, Tensor] = {}
        for term in self.terms:
            if term.name in weights:
                self._seed(term.loss, step, part)
                terms[term.name] = _scalar(term.call(term.loss, prediction, batch), term.name)
        loss = sum((weights[name] * term for name, term in terms.items()), prediction.new_zeros(()))
        assert isinstance(loss, Tensor)
        return {"loss": loss, **terms}

    def _seed(self, loss: nn.Module, step: int, part: int) -> None:
        generator = getattr(loss, "generator", None)
        if isinstance(generator, torch.Generator):
            (seed,) = np.random.SeedSequence([self.seed, step, part]).generate_state(1, np.uint64)
            generator.manual_seed(int(seed) >> 1)  # below 2^63


def _scalar(value: object, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim != 0 or not value.is_floating_point():
        came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ArgumentError(f"a loss must return a floating point scalar, got {came} from the term {name!r}")
    return value


def term_names(names: Sequence[str]) -> list[str]:
    """Return names that differ: the second `dice` is `dice_2`."""
    return [
        name if names[:at].count(name) == 0 else f"{name}_{names[:at].count(name) + 1}"
        for at, name in enumerate(names)
    ]
