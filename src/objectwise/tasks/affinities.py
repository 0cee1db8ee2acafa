"""The task of affinities: a channel is an offset, and its probability that both ends lie in one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels
from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood, Offsets, affinities_from_labels, known_edges
from objectwise.tasks.losses import LossKind
from objectwise.tasks.task import Arrays, Task

if TYPE_CHECKING:
    from torch import Tensor


class AffinityTask(Task):
    """Affinities of a neighborhood.

    Parameters
    ----------
    offsets : Neighborhood or (k, ndim) int, voxels
    """

    name: ClassVar[str] = "affinities"
    reads: ClassVar[tuple[str, ...]] = ("labels", "ignore", "unlabelled")
    default_target: ClassVar[str] = "labels"

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


def edges_without(ignore: NDArray[np.bool_], offsets: Offsets) -> NDArray[np.bool_]:
    """Return which edges have both ends outside a mask, (k, *spatial) bool."""
    both = affinities_from_labels((~ignore).astype(np.uint8), offsets) == 1
    # What leaves the volume is no edge, so nothing about it is unknown.
    return np.asarray(both | ~known_edges(ignore.shape, offsets))
