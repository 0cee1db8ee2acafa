"""The configuration of a run as typed, frozen data.

Every number a user can change has its one default here. An unknown key, a wrong type or an impossible
combination is refused by pydantic, and `objectwise.config.load` turns that into one sentence with the path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from objectwise.config.losses import TermConfig
from objectwise.config.section import Section
from objectwise.errors import ObjectwiseError
from objectwise.graph import Neighborhood

SPEED_KEYS = (
    "training.checkpoint_every",
    "training.workers",
    "training.threads",
    "training.accelerator",
    "prediction.batch_size",
    "data.allow_different_voxel_sizes",
    "evaluation.allow_training_data",
)
"""Keys that say how a run is done and not what it computes: they may differ when it is resumed.

With another accelerator, number of threads or batch size of the prediction the results are the same up to the
rounding of sums. `devices` and `precision` are not among them: more devices mean more patches in each step,
and fewer bits other weights.
"""

Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Shape = tuple[PositiveInt, ...]


def _default(section: Section, name: str) -> object:
    # An option at its default changes nothing, so a complete dump of a configuration loads again.
    return type(section).model_fields[name].default


def _without_effect(key: str, why: str) -> ValueError:
    return ValueError(f"{key} has no effect {why}; leave it out (--set {key}=null)")


class VolumeConfig(Section):
    """One raw volume, and its labels where there are any.

    Paths are relative to the working directory, like any path on a command line; the run directory keeps
    them absolute. Data that moved are named anew (`--set data.train.0.raw=...`) and compared by content.
    `file.h5:path/in/file` names a data set in a container, and `${NAME:-default}` an environment variable.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=100)]
    """Names the files of the results; no two volumes share one, not even in other case."""
    raw: Annotated[str, Field(min_length=1)]
    """Location of the grey image, (z, y, x) or (y, x), integers or floats."""
    labels: Annotated[str, Field(min_length=1)] | None = None
    """Location of the integer ids, 0 for background, in the same shape; only `evaluate` goes without."""
    sections: tuple[Annotated[int, Field(ge=0)], PositiveInt] | None = None
    """First section and one past the last, along z; all sections by default."""

    @model_validator(mode="after")
    def _sections_ascend(self) -> Self:
        if self.sections is not None and self.sections[0] >= self.sections[1]:
            raise ValueError(f"sections must ascend [first, one past the last], got {list(self.sections)}")
        return self


class DataConfig(Section):
    """The volumes to train on, to choose the threshold on, and to segment and score."""

    train: Annotated[tuple[VolumeConfig, ...], Field(min_length=1)]
    """Volumes the network learns from."""
    tune: tuple[VolumeConfig, ...] = ()
    """Volumes the threshold is chosen on; those of `train` by default. A network is surer of what it has
    trained on, so a few sections kept for this give a better threshold."""
    evaluate: tuple[VolumeConfig, ...] = ()
    """Volumes to segment, and to score where they have labels; those of `train` by default."""
    allow_different_voxel_sizes: bool = False
    """Accept voxel sizes more than a factor of 2 from that of the training; above 10 % there is a warning.
    A size of 1 along every axis counts as not stated."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for group, volumes in (("train", self.train), ("tune", self.tune)):
            for volume in volumes:
                if volume.labels is None:
                    raise ValueError(f"{group} volume {volume.name!r} needs labels")
        names = [volume.name for volume in (*self.train, *self.tune, *self.evaluate)]
        for at, name in enumerate(names):
            # Some file systems take names that differ in case for one.
            same = [other for other in names[:at] if other.lower() == name.lower()]
            if same:
                twice = "twice" if same[0] == name else f"and {same[0]!r}, which differ in case only"
                raise ValueError(f"volume names must differ, got {name!r} {twice}")
        return self


class NetworkConfig(Section):
    """A U-Net: one row per resolution level, from fine to coarse."""

    features: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (16, 32, 64, 128)
    """Channels at each level."""
    kernel_sizes: tuple[Shape, ...] | None = None
    """Kernel at each level, voxels, odd; 3 along every axis by default. Use 1 along z for thick sections."""
    strides: tuple[Shape, ...] | None = None
    """Downsampling between one level and the next (one row fewer than levels), voxels; 2 by default."""

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        levels = len(self.features)
        if self.kernel_sizes is not None and len(self.kernel_sizes) != levels:
            raise ValueError(f"kernel_sizes needs one row per level ({levels}), got {len(self.kernel_sizes)}")
        if self.strides is not None and len(self.strides) != levels - 1:
            raise ValueError(
                f"strides needs one row fewer than levels ({levels - 1}), got {len(self.strides)}"
            )
        return self


class NormalisationConfig(Section):
    """How raw intensities become the input of the network.

    The volumes of `data.train` decide, once, all of them together; `network.pt` carries the result to every
    volume that is predicted.
    """

    method: Literal["auto", "range", "percentiles", "zscore"] = "auto"
    """`auto`: uint8 by its whole range, 0 to 255, any other dtype by `percentiles`. `range`: by `range`.
    `percentiles`: by those of the training volumes. `zscore`: clipped to `percentiles`, then to mean 0 and
    standard deviation 1."""
    range: tuple[float, float] | None = None
    """Intensities that become 0 and 1, what lies outside is clipped; only with the method `range`."""
    percentiles: tuple[Percent, Percent] = (0.1, 99.9)
    """Percentiles of the training volumes that become 0 and 1; without effect on uint8 with `auto`."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.method == "range" and self.range is None:
            raise ValueError("the method range needs normalisation.range, like [0, 4095]")
        if self.method != "range" and self.range is not None:
            raise _without_effect("normalisation.range", f"with the method {self.method}")
        if self.method == "range" and self.percentiles != _default(self, "percentiles"):
            raise _without_effect("normalisation.percentiles", "with the method range")
        for name, pair in (("range", self.range), ("percentiles", self.percentiles)):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"normalisation.{name} must ascend [low, high], got {list(pair)}")
        return self


class LossConfig(Section):
    """What is minimised.

    `bce` is binary cross-entropy on every known edge, `malis` constrained MALIS, `bce+malis` their weighted
    sum. Losses with MALIS begin with `warmup_steps` of plain `bce`: MALIS learns from the weakest edge
    of each path, and an untrained network has no paths worth learning from (Turaga et al. 2009 do the same).
    """

    name: Literal["bce", "malis", "bce+malis"] = "bce+malis"
    """The loss, as described above."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of plain `bce` at the beginning; fewer than `training.steps`."""
    malis_weight: PositiveFloat = 1.0
    """Weight of the MALIS term beside the cross-entropy; only with `bce+malis`."""

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Self:
        if self.name == "bce" and self.warmup_steps:
            raise _without_effect("training.loss.warmup_steps", "with the loss 'bce'")
        if self.name != "bce+malis" and self.malis_weight != _default(self, "malis_weight"):
            raise _without_effect("training.loss.malis_weight", f"with the loss {self.name!r}")
        return self

    @property
    def terms(self) -> tuple[TermConfig, ...]:
        """The same, written out."""
        start = self.warmup_steps
        bce, malis = TermConfig(name="bce"), TermConfig(name="malis", from_step=start)
        if self.name == "bce":
            return (bce,)
        if self.name == "bce+malis":
            return bce, malis.model_copy(update={"weight": self.malis_weight})
        return (bce.model_copy(update={"until_step": start}), malis) if start else (malis,)


def _form_of_loss(loss: object) -> str:
    return "terms" if isinstance(loss, list | tuple) else "short"


class AugmentationConfig(Section):
    """How often each augmentation is applied, as a probability per patch."""

    flip: Fraction = 0.5
    """Mirror images, for each axis."""
    rotate: Fraction = 0.5
    """Quarter turns in the section plane."""
    elastic: Fraction = 0.2
    """A smooth deformation in the section plane, the same for all sections."""
    intensity: Fraction = 0.5
    """Brightness, contrast, gamma and noise, each for itself."""
    missing_section: Fraction = 0.0
    """Per section of a 3-D patch: raw set to black, labels kept."""


class TrainingConfig(Section):
    """The training loop."""

    steps: PositiveInt = 1000
    """Steps of the optimiser, warm-up included."""
    batch_size: PositiveInt = 2
    """Patches in each step."""
    patch_shape: Shape
    """Voxels along z, y, x (y, x with `dimensions: 2`); each a multiple of the product of the strides."""
    learning_rate: PositiveFloat = 1e-3
    """Largest step size of AdamW; it rises at the start and falls to the end."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    """Weight decay of AdamW."""
    minimum_foreground: Fraction = 0.05
    """A patch with a smaller labelled fraction is drawn again."""
    checkpoint_every: PositiveInt = 100
    """Steps between checkpoints: what a killed run loses at most."""
    initial_weights: Path | None = None
    """`network.pt` of another run to start from; random weights by default."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that load patches; 0 loads in the training process."""
    threads: PositiveInt | None = None
    """Threads of torch, for training and prediction; its own choice by default."""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """Where to train and predict; `auto` takes a GPU if there is one."""
    devices: PositiveInt | Literal["auto"] = 1
    """Devices to train on; `auto` takes all there are when the training begins. With another number a begun
    training is not continued: patches would come twice or not at all."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Bits of the training's arithmetic; the mixed ones are faster where the hardware has them."""
    loss: Annotated[
        Annotated[LossConfig, Tag("short")]
        | Annotated[tuple[TermConfig, ...], Field(min_length=1), Tag("terms")],
        Discriminator(_form_of_loss),
    ] = LossConfig()
    """A loss of affinities by a short name, or a list of terms, which are summed: any loss of the task with
    all its options. The losses and their options: [losses.md](losses.md)."""
    steps_per_epoch: PositiveInt = 250
    """Steps that count as an epoch in weights that change by epochs."""
    augmentation: AugmentationConfig = AugmentationConfig()

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if isinstance(self.loss, LossConfig) and self.loss.warmup_steps >= self.steps:
            raise ValueError(
                f"loss.warmup_steps must be less than steps ({self.steps}), got {self.loss.warmup_steps}"
            )
        return self

    @model_validator(mode="after")
    def _terms_count(self) -> Self:
        for at, term in enumerate(self.terms):
            ends = (term.from_step + 1, term.until_step or 1, term.last_change(self.steps_per_epoch) + 1)
            if max(ends) > self.steps:
                raise ValueError(
                    f"loss.{at} must change within the steps of the training ({self.steps}), "
                    f"got a change in step {max(ends) - 1}"
                )
        if not any(
            term.weight_at(step, self.steps_per_epoch) for step in (0, self.steps - 1) for term in self.terms
        ):
            raise ValueError("loss must have a term of a weight other than 0")
        return self

    @property
    def terms(self) -> tuple[TermConfig, ...]:
        """The terms of the loss, whatever its form."""
        return self.loss.terms if isinstance(self.loss, LossConfig) else self.loss


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
    def _no_option_without_effect(self) -> Self:
        if self.threshold != "auto" and self.candidates != _default(self, "candidates"):
            raise _without_effect("segmentation.candidates", "with a fixed threshold")
        if self.method != "agglomeration" and self.fragment_threshold is not None:
            raise _without_effect("segmentation.fragment_threshold", f"with method {self.method}")
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


class RunConfig(Section):
    """Everything a run needs; the file that `objectwise run` reads."""

    data: DataConfig
    dimensions: Literal[2, 3] = 3
    """2 treats every section as an image of its own; 3 the stack as one volume."""
    offsets: Annotated[tuple[tuple[int, ...], ...], Field(min_length=1)] | None = None
    """The neighborhood, (k, dimensions) voxels; the nearest neighbours by default."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides the initial weights and every patch: equal seeds, equal runs."""
    normalisation: NormalisationConfig = NormalisationConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig
    prediction: PredictionConfig = PredictionConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def neighborhood(self) -> Neighborhood:
        """The validated neighborhood, with `dimensions` columns."""
        if self.offsets is None:
            return Neighborhood.nearest(self.dimensions)
        return Neighborhood(self.offsets)

    def tree_of_results(self, *, defaults: bool = False) -> dict[str, Any]:
        """Return what the results depend on as plain data, without the `SPEED_KEYS`.

        Keys at their defaults are left out unless asked for, so that a key which a later version adds
        changes no finished run. A version that changes a default raises the format of the steps that it
        concerns.
        """
        tree: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        lean = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if not defaults:
            tree |= {name: lean.get(name, {}) for name, value in tree.items() if isinstance(value, dict)}
        for key in SPEED_KEYS:
            section, name = key.split(".")
            tree[section].pop(name, None)
        return tree

    @model_validator(mode="after")
    def _axes_agree(self) -> Self:
        def require(path: str, rows: object) -> None:
            if len(rows) != self.dimensions:  # type: ignore[arg-type]
                raise ValueError(f"{path} needs {self.dimensions} numbers (dimensions), got {rows}")

        require("training.patch_shape", self.training.patch_shape)
        if self.prediction.window_shape is not None:
            require("prediction.window_shape", self.prediction.window_shape)
        for path, table in (("kernel_sizes", self.network.kernel_sizes), ("strides", self.network.strides)):
            for row in table or ():
                require(f"network.{path}", row)
        for row in self.offsets or ():
            require("offsets", row)
        if self.dimensions == 2 and self.training.augmentation.missing_section:
            raise _without_effect("training.augmentation.missing_section", "with dimensions 2")
        if self.data.tune and self.segmentation.threshold != "auto":
            raise _without_effect("data.tune", "with a fixed segmentation.threshold")
        if self.evaluation.oracle and self.segmentation.threshold != "auto":
            raise _without_effect("evaluation.oracle", "with a fixed segmentation.threshold")
        try:
            _ = self.neighborhood
        except ObjectwiseError as error:
            raise ValueError(str(error)) from error
        return self
