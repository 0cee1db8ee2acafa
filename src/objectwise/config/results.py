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
    weights: Literal["last", "best"] = "last"
    """`last`: `train/network.pt`, the network at the end of the training. `best`: `train/best.pt`, the one
    that scored best on the way; only with `training.validation`."""
    flips: bool = False
    """Average over all mirror images, and over quarter turns where sections and windows are square: up to 16
    times the time."""


class SegmentationConfig(Section):
    """From probabilities to objects."""

    method: Literal["components", "watershed", "agglomeration", "argmax"] = "components"
    """With the task `affinities`: `components` leaves voxels between objects background, `watershed` gives
    them to an object, `agglomeration` merges the fragments of a watershed by their mean affinity. With
    `masks`: `components` of the voxels whose probability is above the threshold, the same grown over the
    voxels above `extent` until they meet (`watershed`), or components of the voxels for which no other class
    has a higher probability (`argmax`)."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = "auto"
    """An edge (with `agglomeration`: the mean of a pair) joins above it, and a voxel belongs to a class;
    `auto`: the candidate with the best `evaluation.score` on `data.tune`. Without effect with `argmax`."""
    candidates: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999,
    )  # fmt: skip
    """Thresholds that `auto` tries."""
    minimum_size: Annotated[int, Field(ge=0)] = 0
    """Voxels; smaller objects become background with `components` and `argmax`, else they join a
    neighbour."""
    connectivity: Literal[4, 6, 8, 18, 26] | None = None
    """Neighbours of a voxel that belong to its object, 4 or 8 with `dimensions: 2`, else 6, 18 or 26; the
    most by default. Only with the task `masks`."""
    fill_holes: bool = False
    """Whether what an object encloses becomes part of it. Only with the task `masks`."""
    extent: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Probability above which a voxel is part of a grown object; 0.5 by default. Only with the task `masks`
    and the method `watershed`, whose objects join by faces."""
    fragment_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Where the watershed cuts before `agglomeration`; 0.98 by default."""

    @model_validator(mode="after")
    def _no_optionwithout_effect(self) -> Self:
        if self.method == "argmax" and self.threshold != "auto":
            raise without_effect("segmentation.threshold", "with method argmax")
        if self.threshold_is_fixed and self.candidates != default_of(self, "candidates"):
            raise without_effect("segmentation.candidates", f"with {self._fixed_by}")
        if self.method != "watershed" and self.extent is not None:
            raise without_effect("segmentation.extent", f"with method {self.method}")
        if self.method != "agglomeration" and self.fragment_threshold is not None:
            raise without_effect("segmentation.fragment_threshold", f"with method {self.method}")
        return self

    @property
    def threshold_is_fixed(self) -> bool:
        """Whether there is no threshold to choose."""
        return self.threshold != "auto" or self.method == "argmax"

    @property
    def _fixed_by(self) -> str:
        return "method argmax" if self.method == "argmax" else "a fixed threshold"


class EvaluationConfig(Section):
    """How the segmentation is scored."""

    protocol: Literal["cremi", "distinct_pairs"] = "cremi"
    """`cremi` as in the CREMI challenge; `distinct_pairs` the textbook definition, as scikit-image has it."""
    score: str | None = None
    """Name of the score that thresholds and weights are chosen by. With the task `affinities`:
    `adapted_rand_error` (the default), `voi_split`, `voi_merge`, `cremi_score`, `f1` or `object_score`. With
    `masks`: `f1` (the default), `dice`, `iou`, `hausdorff95`, `surface_dice`, `precision`, `recall`,
    `panoptic_quality` or `object_score`."""
    tolerance: Annotated[float, Field(ge=0)] = 1.0
    """How far a surface may lie from the true one to count as right in the surface Dice, in the unit of the
    voxel size. Only with the task `masks`."""
    sizes: tuple[PositiveInt, ...] = ()
    """Voxels, ascending: where one class of objects by size ends and the next begins. Only with `masks`."""
    oracle: bool = False
    """Also score every candidate threshold on the evaluated volumes themselves: the best of them is one that
    nobody could have chosen. Takes as long as choosing a threshold."""
    allow_training_data: bool = False
    """Score volumes of `data.evaluate` that hold voxels of `data.train` or `data.tune`. The report says so
    beside the score, as it does where the training volumes are scored for want of others."""
