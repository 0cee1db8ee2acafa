"""What a task answers, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError
from objectwise.tasks.losses import Call, LossKind, imported
from objectwise.tasks.objective import MapMaker, Objective, Term, term_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from objectwise.config.losses import TermConfig
    from objectwise.config.models import RunConfig
    from objectwise.config.results import SegmentationConfig
    from objectwise.graph.turns import Turn
    from objectwise.tasks.scored import Comparison, Scored, Truth

Arrays = Mapping[str, NDArray[Any]]
"""Arrays of a volume or a patch by name, (channels, *spatial): `labels`, `classes`, `ignore`,
`unlabelled`."""


class Task(ABC):
    """The meaning of a network's channels.

    A further task is a class in a file of its own.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    """Which arrays beside the raw image a volume may have for it."""
    losses: Mapping[str, LossKind]
    """The losses that fit, by the names that a configuration uses."""
    methods: ClassVar[tuple[str, ...]] = ("components",)
    """Of `segmentation.method`, those that make objects of its probabilities."""
    scores: ClassVar[Mapping[str, bool]]
    """The scores that thresholds can be chosen by; whether higher is better."""
    default_score: ClassVar[str]
    checks_voxels: ClassVar[bool] = True
    """Whether `check` finds what the digest of an input does not, and so is called before any work."""
    has_tables: ClassVar[bool] = False
    """Whether scores are made of tables of the voxels that objects share, which the report reads too."""
    dataset: ClassVar[str] = "volumes/predictions/probabilities"
    """Where a prediction lies in its file."""

    @classmethod
    def of(cls, config: RunConfig) -> Task:
        """Return the task of a configuration; its options are those of the constructor."""
        return cls(**config.task.options)

    @property
    @abstractmethod
    def channels(self) -> tuple[str, ...]:
        """A name for each channel of the network, in order."""

    @property
    def object_channels(self) -> tuple[str, ...]:
        """What holds objects, each with ids of its own."""
        return ("objects",)

    @property
    def attributes(self) -> dict[str, Any]:
        """What stands beside a prediction in its file."""
        return {"channels": list(self.channels)}

    def check_options(self, config: RunConfig) -> None:
        """Require a configuration whose other sections have options of this task only."""
        method, score = config.segmentation.method, config.evaluation.score
        if method not in self.methods:
            raise ArgumentError(
                f"`segmentation.method` must be one of {', '.join(self.methods)} with the task "
                f"{self.name!r}, got {method!r}"
            )
        if score is not None and score not in self.scores:
            raise ArgumentError(
                f"`evaluation.score` must be one of {', '.join(self.scores)} with the task {self.name!r}, "
                f"got {score!r}"
            )

    def check_shape(self, spatial: Sequence[int]) -> None:  # noqa: B027 - any shape, unless a task says else
        """Require a volume or patch, (*spatial), in which every channel has a meaning."""

    @abstractmethod
    def check(self, arrays: Arrays, *, name: str) -> None:
        """Require that the arrays of a volume say what the task needs; `name` is the volume's."""

    @abstractmethod
    def target(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what the losses of one patch need, by name; called by the processes that load patches."""

    @abstractmethod
    def target_names(self, arrays: Sequence[str]) -> tuple[str, ...]:
        """Return the names of what `target` returns where a patch has these arrays."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return what the channels mean as numbers in 0..1, of the same shape."""

    def turned_back(self, turn: Turn, probabilities: NDArray[Any]) -> NDArray[Any]:
        """Return the prediction (k, z, y, x) of a volume from that of the turned volume."""
        return turn.back(probabilities)

    @abstractmethod
    def truth(self, arrays: Arrays, *, dimensions: int) -> Truth:
        """Return the true objects of a volume."""

    @abstractmethod
    def segmenter(
        self, probabilities: NDArray[Any], settings: SegmentationConfig, *, dimensions: int
    ) -> Callable[[float], NDArray[np.int64]]:
        """Return objects as a function of the threshold, for a prediction (k, z, y, x).

        They are (z, y, x), or (c, z, y, x) with several `object_channels`, and without gaps in each.
        """

    @abstractmethod
    def compare(self, truth: Truth, segmentation: NDArray[Any], how: Comparison) -> Scored:
        """Score the objects of a volume."""

    def objective(
        self,
        terms: Sequence[TermConfig],
        *,
        arrays: Sequence[str],
        spacing: Sequence[float] | None = None,
        steps_per_epoch: int = 1,
        seed: int = 0,
    ) -> Objective:
        """Return what a training minimises.

        Parameters
        ----------
        terms : sequence of TermConfig
        arrays : names
            Of the arrays that the patches have; each of the masks among them must reach every loss.
        spacing : (ndim,) float, optional
            Voxel size of the training volumes.
        steps_per_epoch, seed : int

        Raises
        ------
        ArgumentError
            If a loss is not one of the task, or does not take its options or the masks of the data.
        """
        names = term_names([term.name or str(term.python).rpartition(":")[2] for term in terms])
        built = []
        for name, term in zip(names, terms, strict=True):
            loss, target = self._loss(term, spacing)
            call = Call.of(loss, target, self.target_names(arrays), name=name)
            weight = _Weight(term, steps_per_epoch)
            kind = self.losses.get(str(term.name)) if term.python is None else None
            make = None
            if kind is not None and kind.has_map:
                key, ignores = f"map of {name}", "ignore" in call.takes
                call = replace(call, map_key=key)
                make = MapMaker(key, loss, target, len(self.channels), ignores, weight)
            built.append(Term(name, loss, call, weight, make))
        return Objective(built, seed=seed)

    def _loss(self, term: TermConfig, spacing: Sequence[float] | None) -> tuple[nn.Module, str]:
        """Return the loss of a term, and what it takes as its target."""
        if term.python is not None:
            return _built(term.python, term.options), self.default_target
        assert term.name is not None
        if term.name not in self.losses:
            raise ArgumentError(
                f"a loss of the task {self.name!r} must be one of {', '.join(self.losses)}, got "
                f"{term.name!r}; "
                "name your own by python: package.module:Loss"
            )
        kind = self.losses[term.name]
        return kind.build(term.options, name=term.name, spacing=spacing), kind.target

    default_target: ClassVar[str] = "target"
    """What anyone's own loss takes as its target."""


def _built(place: str, options: Mapping[str, Any]) -> nn.Module:
    """Return anyone's own loss."""
    from torch import nn

    made = imported(place, what="a loss")
    try:
        loss = made(**options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"`options` must be those of {place}, got {dict(options)}: {error}") from error
    if not isinstance(loss, nn.Module):
        raise ArgumentError(f"`python` must name a torch module, got {type(loss).__name__} from {place!r}")
    return loss


class _Weight:
    """The weight of a term as a function of the step; a class, so that it can be sent to other processes."""

    def __init__(self, term: TermConfig, steps_per_epoch: int) -> None:
        self.term, self.steps_per_epoch = term, steps_per_epoch

    def __call__(self, step: int) -> float:
        return self.term.weight_at(step, self.steps_per_epoch)
