"""What a task says of a segmentation, in the same form whatever the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from objectwise.config.models import RunConfig
from objectwise.metrics import ContingencyTable
from objectwise.metrics.rows import Row


class Truth(NamedTuple):
    """What the objects of a volume truly are."""

    ids: NDArray[Any]
    """(z, y, x), or (c, z, y, x) with several channels of objects; 0 is none."""
    ignore: NDArray[Any] | None = None
    """(z, y, x) bool, True where the truth is unknown and `ids` cannot say so."""


class Scored(NamedTuple):
    """The scores of one segmented volume."""

    overall: Row
    units: Sequence[Row]
    """What a mean over several volumes is taken over: the volume, or its sections."""
    content: Mapping[str, Any]
    """Plain data for scores.json."""
    tables: Sequence[ContingencyTable] = ()
    """Voxels that true objects and segments share, a table a section, where the scores are made of them."""


@dataclass(frozen=True)
class Comparison:
    """How segmentations are compared with the truth."""

    dimensions: int
    spacing: tuple[float, ...]
    protocol: str = "cremi"
    tolerance: float = 1.0
    sizes: tuple[int, ...] = ()
    only: str | None = None
    """The one score that is needed; others may be NaN then. All by default."""

    @classmethod
    def of(cls, config: RunConfig, voxel_size: Sequence[float]) -> Comparison:
        """Return what a configuration says, for a volume of a voxel size (z, y, x)."""
        rules = config.evaluation
        spacing = tuple(voxel_size)[-config.dimensions :]
        return cls(config.dimensions, spacing, rules.protocol, rules.tolerance, rules.sizes)
