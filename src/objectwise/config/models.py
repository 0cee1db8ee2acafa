"""The configuration of a run as typed, frozen data.

Every number a user can change has its one default here. An unknown key, a wrong type or an impossible
combination is refused by pydantic, and `objectwise.config.load` turns that into one sentence with the path.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from objectwise.config.network import NetworkConfig
from objectwise.config.results import EvaluationConfig, PredictionConfig, SegmentationConfig
from objectwise.config.section import Section
from objectwise.config.tasks import TaskConfig, written_out
from objectwise.config.training import TrainingConfig
from objectwise.config.values import without_effect
from objectwise.config.volumes import DataConfig, NormalisationConfig
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


class RunConfig(Section):
    """Everything a run needs; the file that `objectwise run` reads."""

    data: DataConfig
    dimensions: Literal[2, 3] = 3
    """2 treats every section as an image of its own; 3 the stack as one volume."""
    task: Annotated[TaskConfig, BeforeValidator(written_out)] = TaskConfig(name="affinities")
    offsets: Annotated[tuple[tuple[int, ...], ...], Field(min_length=1)] | None = None
    """The neighborhood, (k, dimensions) voxels; the nearest neighbours by default. Only with the task
    `affinities`."""
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
        if self.offsets is not None and self.task.name == "masks":
            raise without_effect("offsets", "with the task masks")
        if self.dimensions == 2 and self.training.augmentation.missing_section:
            raise without_effect("training.augmentation.missing_section", "with dimensions 2")
        validation = self.training.validation
        if validation is not None and not self.data.tune:
            raise ValueError("training.validation needs volumes of data.tune to score the network on, got []")
        if self.prediction.weights == "best" and validation is None:
            raise ValueError(
                "prediction.weights: best needs training.validation, like {every: 500}, got null"
            )
        if self.data.tune and self.segmentation.threshold != "auto" and validation is None:
            raise without_effect("data.tune", "with a fixed segmentation.threshold")
        if self.evaluation.oracle and self.segmentation.threshold_is_fixed:
            raise without_effect("evaluation.oracle", "with a fixed segmentation.threshold")
        try:
            _ = self.neighborhood
        except ObjectwiseError as error:
            raise ValueError(str(error)) from error
        return self
