"""The task of affinities: a channel is an offset, and its probability that both ends lie in one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_offsets_fit
from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood, Offsets, affinities_from_labels, known_edges
from objectwise.graph.turns import Turn
from objectwise.metrics import (
    ContingencyTable,
    Scores,
    matching_of_table,
    score_tables,
    scores_of_matching,
    section_tables,
)
from objectwise.metrics.detection import OBJECT_SCORE_DICE
from objectwise.metrics.matching import Overlap
from objectwise.metrics.protocols import RESERVED_IDS
from objectwise.metrics.rows import mean_row, plain
from objectwise.segmentation import segmenter
from objectwise.segmentation.segment import METHODS
from objectwise.tasks.losses import LossKind
from objectwise.tasks.scored import Comparison, Scored, Truth
from objectwise.tasks.task import Arrays, Task

if TYPE_CHECKING:
    from torch import Tensor

    from objectwise.config.models import RunConfig
    from objectwise.config.results import SegmentationConfig


DETECTION: dict[str, tuple[float, Overlap]] = {
    "f1": (0.5, "iou"),
    "object_score": (OBJECT_SCORE_DICE, "dice"),
}
"""Scores that count objects: the overlap above which a pair matches, and its kind."""


class AffinityTask(Task):
    """Affinities of a neighborhood.

    Parameters
    ----------
    offsets : Neighborhood or (k, ndim) int, voxels
    """

    name: ClassVar[str] = "affinities"
    reads: ClassVar[tuple[str, ...]] = ("labels", "ignore", "unlabelled")
    default_target: ClassVar[str] = "labels"
    methods: ClassVar[tuple[str, ...]] = METHODS
    scores: ClassVar[dict[str, bool]] = dict.fromkeys(Scores._fields, False) | dict.fromkeys(DETECTION, True)
    default_score: ClassVar[str] = "adapted_rand_error"
    checks_voxels: ClassVar[bool] = False
    has_tables: ClassVar[bool] = True
    dataset: ClassVar[str] = "volumes/predictions/affinities"

    def __init__(self, offsets: Offsets) -> None:
        self.neighborhood = offsets if isinstance(offsets, Neighborhood) else Neighborhood(offsets)
        given = {"offsets": self.neighborhood, "from_logits": True}
        self.losses = {
            "bce": LossKind("objectwise.losses:AffinityBCELoss", "labels", {"offsets": self.neighborhood}),
            "malis": LossKind("objectwise.losses:MalisLoss", "labels", given),
            # Its generator is made here, and seeded anew for every step.
            "maximin_pairs": LossKind(
                "objectwise.losses:MaximinPairLoss", "labels", given, made={"generator": "torch:Generator"}
            ),
        }

    @classmethod
    def of(cls, config: RunConfig) -> AffinityTask:
        """Return the task of a configuration, which names the offsets itself."""
        if config.task.options:
            raise ArgumentError(
                f"`task.options` must be left out with the task {cls.name!r}, whose channels are `offsets`, "
                f"got {sorted(config.task.options)}"
            )
        return cls(config.neighborhood)

    def check_options(self, config: RunConfig) -> None:
        """Require methods and scores of affinities, and no options of masks."""
        super().check_options(config)
        for section, names in (
            ("segmentation", ("connectivity", "fill_holes", "extent")),
            ("evaluation", ("tolerance", "sizes")),
        ):
            values = getattr(config, section)
            for name in names:
                if getattr(values, name) != type(values).model_fields[name].default:
                    raise ArgumentError(
                        f"`{section}.{name}` must be left out with the task {self.name!r}, where it has no "
                        f"effect, got {getattr(values, name)!r}"
                    )

    def check_shape(self, spatial: Sequence[int]) -> None:
        """Require a shape that every offset fits into."""
        check_offsets_fit(spatial, self.neighborhood.array)

    @property
    def attributes(self) -> dict[str, Any]:
        """The offsets, (k, 3)."""
        return {"offsets": self.neighborhood.embedded().array}

    @property
    def channels(self) -> tuple[str, ...]:
        """The offsets, as text."""
        return tuple(",".join(map(str, row)) for row in self.neighborhood.offsets)

    def check(self, arrays: Arrays, *, name: str) -> None:
        """Require ids, and masks that contradict none of them."""
        if "labels" not in arrays:
            raise ArgumentError(f"volume {name!r} must have labels (ids of objects), got {sorted(arrays)}")
        check_labels(arrays["labels"], name=f"labels of {name}")

    def target_names(self, arrays: Sequence[str]) -> tuple[str, ...]:
        """Return `labels`, and the masks there are; ignored voxels make edges unknown."""
        masks = (("ignore", "edge_mask"), ("unlabelled", "unlabelled"))
        return ("labels", *(target for array, target in masks if array in arrays))

    def target(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return ids (*spatial), and where the truth of an edge is unknown."""
        labels = arrays["labels"][0]
        found: dict[str, NDArray[Any]] = {"labels": labels}
        if "ignore" in arrays:
            found["edge_mask"] = edges_without(arrays["ignore"][0].astype(bool), self.neighborhood)
        if "unlabelled" in arrays:
            found["unlabelled"] = arrays["unlabelled"][0].astype(bool) & (labels == 0)
        return found

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the affinities."""
        return logits.sigmoid()

    def turned_back(self, turn: Turn, probabilities: NDArray[Any]) -> NDArray[Any]:
        """Return the affinities of a volume from those of the turned one; channels turn along."""
        return turn.affinities_back(probabilities, self.neighborhood.embedded())

    def truth(self, arrays: Arrays, *, dimensions: int) -> Truth:
        """Return the ids; every protocol leaves 0 out, which is what an ignored voxel gets."""
        labels = arrays["labels"][0]
        return Truth(np.where(arrays["ignore"][0] != 0, 0, labels) if "ignore" in arrays else labels)

    def segmenter(
        self, probabilities: NDArray[Any], settings: SegmentationConfig, *, dimensions: int
    ) -> Callable[[float], NDArray[np.int64]]:
        """Return `objectwise.segmentation.segmenter` with the options of a configuration."""
        return segmenter(
            probabilities,
            self.neighborhood.embedded(),
            method=settings.method,
            minimum_size=settings.minimum_size,
            fragment_threshold=settings.fragment_threshold,
        )

    def compare(self, truth: Truth, segmentation: NDArray[Any], how: Comparison) -> Scored:
        """Score by pairs of voxels, and by objects; each voxel is counted once."""
        tables = section_tables(truth=truth.ids, segmentation=segmentation, protocol=how.protocol)
        found = score_tables(tables, dimensions=how.dimensions, protocol=how.protocol)
        sections = [one._asdict() for one in found.sections]
        overall = found.overall._asdict()
        content = {"scores": plain(overall), "sections": list(map(plain, sections))}
        units = sections if how.dimensions == 2 else [overall]
        if how.only is None or how.only in DETECTION:
            counted = tables if how.dimensions == 2 else [ContingencyTable.merged(tables)]
            found_objects = list(map(_detection, counted))
            content["detection"] = plain(mean_row(found_objects))
            units = [unit | one for unit, one in zip(units, found_objects, strict=True)]
        return Scored(overall, units, content, tables)


def _detection(table: ContingencyTable) -> dict[str, float]:
    """Return the scores that count objects."""
    known = table.without(truth=RESERVED_IDS)
    return {
        name: scores_of_matching(matching_of_table(known, threshold=threshold, overlap=overlap)).f1
        for name, (threshold, overlap) in DETECTION.items()
    }


def edges_without(ignore: NDArray[np.bool_], offsets: Offsets) -> NDArray[np.bool_]:
    """Return which edges have both ends outside a mask, (k, *spatial) bool."""
    both = affinities_from_labels((~ignore).astype(np.uint8), offsets) == 1
    # What leaves the volume is no edge, so nothing about it is unknown.
    return np.asarray(both | ~known_edges(ignore.shape, offsets))
