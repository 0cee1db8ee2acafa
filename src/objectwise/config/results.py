"""From a trained network to scored objects."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from objectwise.config.section import Section
from objectwise.config.values import Shape, default_of, without_effect


class PredictionConfig(Section):
    """Overlapping windows over the whole volume, blended with a Gaussian weight."""

    window_shape: Shape | None = None
    """Voxels along each axis; `training.patch_shape` by default."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Fraction of a window that neighbours share, along each axis."""
    batch_size: PositiveInt = 4
    """Windows in one pass of the network."""


class SegmentationConfig(Section):
    """From affinities to instances."""

    method: Literal["components", "watershed", "agglomeration"] = "components"
    """`components` leaves voxels between objects background, `watershed` gives them to an object,
    `agglomeration` merges the fragments of a watershed by their mean affinity."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = "auto"
    """An edge (with `agglomeration`: the mean of a pair) joins above it; `auto`: the candidate with the least
    adapted Rand error on `data.tune`."""
    candidates: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999,
    )  # fmt: skip
    """Thresholds that `auto` tries."""
    minimum_size: Annotated[int, Field(ge=0)] = 0
    """Voxels; smaller objects become background with `components`, else they join a neighbour."""
    fragment_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Where the watershed cuts before `agglomeration`; 0.98 by default."""

    @model_validator(mode="after")
    def _no_optionwithout_effect(self) -> Self:
        if self.threshold != "auto" and self.candidates != default_of(self, "candidates"):
            raise without_effect("segmentation.candidates", "with a fixed threshold")
        if self.method != "agglomeration" and self.fragment_threshold is not None:
            raise without_effect("segmentation.fragment_threshold", f"with method {self.method}")
        return self


class EvaluationConfig(Section):
    """How the segmentation is scored."""

    protocol: Literal["cremi", "distinct_pairs"] = "cremi"
    """`cremi` as in the CREMI challenge; `distinct_pairs` the textbook definition, as scikit-image has it."""
    oracle: bool = False
    """Also score every candidate threshold on the evaluated volumes themselves: the best of them is one that
    nobody could have chosen. Takes as long as choosing a threshold."""
    allow_training_data: bool = False
    """Score volumes of `data.evaluate` that hold voxels of `data.train` or `data.tune`. The report says so
    beside the score, as it does where the training volumes are scored for want of others."""
