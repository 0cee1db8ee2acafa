"""What a training step minimises: the weighted sum of a configuration's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectwise.errors import ArgumentError
from objectwise.tasks.losses import Batch, Call

Weight = Callable[[int], float]
"""The weight of a term in a step, 0 being the first."""


@dataclass(frozen=True)
class MapMaker:
    """Makes the map of a term from the target of one patch, in the processes that load patches.

    The loss is that of the term, so that it has the values of the map that it would make itself.

    Parameters
    ----------
    key : str
        Name of the map in the batch.
    loss : nn.Module
        With a method `weight_map`.
    target : str
        What the map is made of, by its name in the batch.
    n_classes : int
    takes_ignore : bool
        Whether the batch says where the truth is unknown.
    weight : callable
        Of the term: where it is 0 no map is needed.
    """

    key: str
    loss: nn.Module
    target: str
    n_classes: int
    takes_ignore: bool
    weight: Weight

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the map of one patch, (n_classes, *spatial), from its target and masks."""
        target = torch.from_numpy(arrays[self.target])[None]
        ignore = torch.from_numpy(arrays["ignore"])[None] if self.takes_ignore else None
        made = self.loss.weight_map(target, self.n_classes, ignore=ignore)  # type: ignore[operator]
        return np.asarray(made[0].numpy(), np.float32)


@dataclass(frozen=True)
class Term:
    """One term: a loss, how it is called with a batch, its weight, and what makes its map if it has one."""

    name: str
    loss: nn.Module
    call: Call
    weight: Weight
    map: MapMaker | None = None


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

    @property
    def maps(self) -> list[MapMaker]:
        """What makes the maps of the terms that have some; a batch without them has them made here."""
        return [term.map for term in self.terms if term.map is not None]

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
