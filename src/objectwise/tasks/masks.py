"""The task of masks: a channel is a class or a structure, and its probability at each voxel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_bool, check_labels, first_position
from objectwise.errors import ArgumentError, ShapeError
from objectwise.maps import connected_components
from objectwise.metrics import class_scores
from objectwise.metrics.rows import mean_row, plain
from objectwise.segmentation.masks import (
    EXTENT,
    grown_objects,
    objects_of_mask,
    objects_of_probabilities,
    section_by_section,
)
from objectwise.tasks.losses import LossKind
from objectwise.tasks.mask_scores import HIGHER, SURFACE_SCORES, counts_of, row_of
from objectwise.tasks.scored import Comparison, Scored, Truth
from objectwise.tasks.task import Arrays, Task

if TYPE_CHECKING:
    from torch import Tensor

    from objectwise.config.models import RunConfig
    from objectwise.config.results import SegmentationConfig

PLAIN = ("dice", "cross_entropy", "focal", "dice_cross_entropy")
MAPPED = ("region_wise", "boundary", "active_contour", "hausdorff")
"""Losses with a map of the target, which the processes that load patches make."""
WITHOUT_DISTANCES = ("active_contour", "class_weight")
"""Maps of the region-wise loss that no voxel size changes."""
PLACES = {
    "dice": "SoftDiceLoss",
    "cross_entropy": "SoftmaxCrossEntropyLoss",
    "focal": "SoftmaxFocalLoss",
    "dice_cross_entropy": "DiceCrossEntropyLoss",
    "region_wise": "RegionWiseLoss",
    "boundary": "BoundaryLoss",
    "active_contour": "ActiveContourLoss",
    "hausdorff": "HausdorffDTLoss",
    "instance": "InstanceLoss",
    "instance_center": "InstanceCenterLoss",
    "blob": "BlobLoss",
    "cc_dice": "CCDiceLoss",
    "region_dice": "RegionDice",
}
WHITE = 255
"""What image files have for 1 in a mask."""
BINARY = {"cross_entropy": "BinaryCrossEntropyLoss", "focal": "BinaryFocalLoss"}
"""Of structures that may overlap."""
DECIDED = {
    "BoundaryLoss": ("map",),
    "ActiveContourLoss": ("map", "spacing"),
    "BinaryCrossEntropyLoss": ("gamma",),
}
"""Options of their bases that losses decide themselves."""
INNER = ("pixel_loss", "instance_loss", "center_loss")


class MaskTask(Task):
    """Classes of which each voxel has one, or structures of which it may have several.

    Parameters
    ----------
    classes : names, optional
        Two or more that exclude each other, the first being the background: label 0, 1, 2, ... Predictions
        go through a softmax.
    structures : names, optional
        One or more that may overlap: label 1, 2, ... Predictions go through a sigmoid each.
    separate : bool
        Train on objects that do not touch: voxels with a neighbour (along an axis) of another id count as
        background in the target, so that the components of what is learnt are single objects. Scores take
        the objects as they are. Needs ids.

    Raises
    ------
    ArgumentError
        Unless one of the two is given, with names that differ.
    """

    name: ClassVar[str] = "masks"
    reads: ClassVar[tuple[str, ...]] = ("labels", "classes", "ignore")
    methods: ClassVar[tuple[str, ...]] = ("components", "watershed", "argmax")
    scores: ClassVar[Mapping[str, bool]] = HIGHER
    default_score: ClassVar[str] = "f1"

    def __init__(
        self,
        *,
        classes: Sequence[str] | None = None,
        structures: Sequence[str] | None = None,
        separate: bool = False,
    ) -> None:
        check_bool(separate, name="separate")
        if (classes is None) == (structures is None):
            raise ArgumentError(
                "the task 'masks' must have either `classes` (one for each voxel, the first the background) "
                "or "
                f"`structures` (which may overlap), got {'both' if classes else 'neither'}"
            )
        names = tuple(classes or structures or ())
        least = 2 if classes is not None else 1
        if len(names) < least or len(set(names)) != len(names):
            raise ArgumentError(f"the names of a task must be {least} or more and differ, got {list(names)}")
        self.exclusive = classes is not None
        self.separate = separate
        self._names = names
        activation = (
            {"softmax": True, "sigmoid": False} if self.exclusive else {"softmax": False, "sigmoid": True}
        )
        plain = activation | {"other_act": None, "to_onehot_y": self.exclusive, "ignore_label": None}
        objects = {"activation": "softmax" if self.exclusive else "sigmoid"}
        # Where classes exclude each other their maps know which voxels are unknown; masks cannot say it.
        truth = "classes" if self.exclusive else "target"
        places = PLACES if self.exclusive else PLACES | BINARY
        self.losses: Mapping[str, LossKind] = {
            name: LossKind(
                f"objectwise.losses:{place}",
                truth,
                plain,
                decided=DECIDED.get(place, ()),
                has_distances=name != "active_contour",
                without_distances=WITHOUT_DISTANCES,
                has_map=name in MAPPED,
            )
            if name in PLAIN + MAPPED
            else LossKind(f"objectwise.losses:{place}", "target", objects, inner=INNER)
            for name, place in places.items()
        }

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the classes or structures."""
        return self._names

    @property
    def foreground(self) -> tuple[str, ...]:
        """The names of those that hold objects: all structures, or all classes but the background."""
        return self._names[1:] if self.exclusive else self._names

    def check(self, arrays: Arrays, *, name: str) -> None:
        """Require class labels that have names, ids, or both, which must agree."""
        if "classes" not in arrays and "labels" not in arrays:
            raise ArgumentError(f"volume {name!r} must have classes or labels (ids), got neither")
        if self.separate and "labels" not in arrays:
            raise ArgumentError(
                f"volume {name!r} must have labels (ids) to be separated, got {sorted(arrays)}"
            )
        if "classes" in arrays:
            self._check_classes(arrays["classes"], name)
        if "labels" in arrays:
            self._check_ids(arrays, name)

    def _check_classes(self, classes: NDArray[Any], name: str) -> None:
        check_labels(classes, name=f"classes of {name}")
        if len(classes) not in (1, len(self.foreground)):
            raise ShapeError(
                f"`classes of {name}` must be one location, or one for each of {list(self.foreground)}, "
                f"got {len(classes)}"
            )
        if self._are_masks(classes):
            wrong = (classes > 1) & (classes != WHITE)
        else:
            wrong = classes > len(self.foreground)
        if wrong.any():
            first, last = first_position(wrong), 1 if self._are_masks(classes) else len(self.foreground)
            raise ArgumentError(
                f"`classes of {name}` must be in 0..{last} ({', '.join(self.foreground)}), "
                f"got {classes[first]} at {first[1:]}"
            )

    def _are_masks(self, classes: NDArray[Any]) -> bool:
        """Say whether these are a mask for each class: of a single one its label 1 is that."""
        return len(classes) == len(self.foreground)

    def _check_ids(self, arrays: Arrays, name: str) -> None:
        labels = arrays["labels"]
        check_labels(labels, name=f"labels of {name}")
        if len(labels) not in (1, len(self.foreground)) or (
            len(labels) == 1 and len(self.foreground) > 1 and "classes" not in arrays
        ):
            raise ArgumentError(
                f"`labels of {name}` must be one location for each of {list(self.foreground)}, got "
                f"{len(labels)}; "
                "ids do not say which class an object has, `classes` do"
            )
        for ids in labels:
            if int(ids.max(initial=0)) == 1 and int(connected_components(ids > 0).max()) > 1:
                raise ArgumentError(
                    f"`labels of {name}` must be ids of objects, got one id in several pieces; give class "
                    "labels "
                    "and masks as `classes`: their objects are their components"
                )
        if "classes" in arrays:
            wrong = (self._masks(arrays) != 0) & (self._ids(arrays) == 0)
            if wrong.any():
                first = first_position(wrong)
                raise ArgumentError(
                    f"`labels of {name}` must have an id wherever `classes` have one of "
                    f"{list(self.foreground)}, "
                    f"got 0 at {first[1:]}"
                )

    def target_names(self, arrays: Sequence[str]) -> tuple[str, ...]:
        """Return `target`, `classes` if they exclude each other, `instances` if there are ids, `ignore`."""
        optional = (("labels", "instances"), ("ignore", "ignore"))
        own = ("target", "classes") if self.exclusive else ("target",)
        return (*own, *(target for array, target in optional if array in arrays))

    def target(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return masks (uint8), ids (integer) and what is unknown (bool), (c, *spatial) each."""
        masks = self._masks(arrays).astype(np.uint8)
        if self.separate:
            masks *= ~_touching(self._ids(arrays))
        found: dict[str, NDArray[Any]] = {
            "target": self._with_background(masks, 1 - masks.max(0, keepdims=True))
        }
        if self.exclusive:
            found["classes"] = found["target"].argmax(0, keepdims=True).astype(np.uint8)
        if "labels" in arrays:
            ids = np.where(masks != 0, self._ids(arrays), 0)
            found["instances"] = self._with_background(ids, np.zeros_like(ids[:1]))
        if "ignore" in arrays:
            unknown = arrays["ignore"].astype(bool)
            found["ignore"] = np.ascontiguousarray(
                np.broadcast_to(unknown, (len(self.channels), *unknown.shape[1:]))
            )
        return found

    def _masks(self, arrays: Arrays) -> NDArray[np.bool_]:
        """Return where each foreground class or structure is, (c, *spatial)."""
        if "classes" not in arrays:
            return np.asarray(arrays["labels"] != 0)
        classes = arrays["classes"]
        if not self._are_masks(classes):
            return np.stack([classes[0] == label for label in range(1, len(self.foreground) + 1)])
        masks = np.asarray(classes != 0)
        return masks & (np.cumsum(masks, 0) == 1) if self.exclusive else masks

    def _ids(self, arrays: Arrays) -> NDArray[Any]:
        labels = arrays["labels"]
        return np.broadcast_to(labels, (len(self.foreground), *labels.shape[1:]))

    def _with_background(self, foreground: NDArray[Any], background: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([background, foreground]) if self.exclusive else foreground

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the channels."""
        return logits.softmax(1) if self.exclusive else logits.sigmoid()

    @property
    def object_channels(self) -> tuple[str, ...]:
        """The foreground classes or structures."""
        return self.foreground

    def check_options(self, config: RunConfig) -> None:
        """Require methods and scores of masks, and a connectivity of the dimensions."""
        super().check_options(config)
        settings = config.segmentation
        if settings.method == "argmax" and not self.exclusive:
            raise ArgumentError(
                "`segmentation.method` must be components with structures, which may overlap, got argmax"
            )
        if settings.method == "watershed" and settings.connectivity is not None:
            raise ArgumentError(
                "`segmentation.connectivity` must be left out with the method watershed, whose objects join "
                f"by faces, got {settings.connectivity}"
            )
        known = (4, 8) if config.dimensions == 2 else (6, 18, 26)
        if settings.connectivity not in (None, *known):
            raise ArgumentError(
                f"`segmentation.connectivity` must be one of {known} with dimensions {config.dimensions}, "
                f"got {settings.connectivity}"
            )
        if config.evaluation.protocol != "cremi":
            raise ArgumentError(
                "`evaluation.protocol` must be left out with the task 'masks', where it has no effect, got "
                f"{config.evaluation.protocol!r}"
            )

    def truth(self, arrays: Arrays, *, dimensions: int) -> Truth:
        """Return the ids of each class, or the components of its mask where there are none."""
        masks = self._masks(arrays)
        if "labels" in arrays:
            ids = np.where(masks, self._ids(arrays), 0)
        else:
            ids = np.stack([_by_dimensions(objects_of_mask, mask, dimensions) for mask in masks])
        ignore = arrays["ignore"][0] != 0 if "ignore" in arrays else None
        return Truth(ids[0] if len(ids) == 1 else ids, ignore)

    def segmenter(
        self, probabilities: NDArray[Any], settings: SegmentationConfig, *, dimensions: int
    ) -> Callable[[float], NDArray[np.int64]]:
        """Return the components of each class, of the voxels above a threshold or where it is likeliest."""
        options: dict[str, Any] = {"minimum_size": settings.minimum_size, "fill_holes": settings.fill_holes}
        joined = options | {"connectivity": settings.connectivity}
        channels = range(int(self.exclusive), len(probabilities))
        winner = probabilities.argmax(0) if settings.method == "argmax" else None
        extent = EXTENT if settings.extent is None else settings.extent

        def objects(channel: int, threshold: float) -> NDArray[np.int64]:
            if winner is not None:
                return _by_dimensions(partial(objects_of_mask, **joined), winner == channel, dimensions)
            if settings.method == "watershed":
                work = partial(grown_objects, threshold=threshold, extent=extent, **options)
            else:
                work = partial(objects_of_probabilities, threshold=threshold, **joined)
            return _by_dimensions(work, probabilities[channel], dimensions)

        def segment_at(threshold: float) -> NDArray[np.int64]:
            found = [objects(channel, threshold) for channel in channels]
            return found[0] if len(found) == 1 else np.stack(found)

        return segment_at

    def compare(self, truth: Truth, segmentation: NDArray[Any], how: Comparison) -> Scored:
        """Score each class by its voxels, its surface and its objects; overall is the mean of the classes."""
        pairs = zip(_channels(truth.ids), _channels(segmentation), strict=True)
        found = {
            name: class_scores(
                truth=true_ids,
                segmentation=ids,
                dimensions=how.dimensions,
                spacing=how.spacing,
                tolerance=how.tolerance,
                ignore=truth.ignore,
                edges=how.sizes,
                # Which take most of the time.
                surfaces=how.only is None or how.only in SURFACE_SCORES,
            )
            for name, (true_ids, ids) in zip(self.foreground, pairs, strict=True)
        }
        rows = {name: row_of(one) for name, one in found.items()}
        overall = mean_row(list(rows.values()))
        classes = {name: plain(rows[name]) | counts_of(one) for name, one in found.items()}
        return Scored(overall, [overall], {"scores": plain(overall), "classes": classes})


def _touching(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the voxels with a neighbour of another id, 0 not being one; (c, *spatial)."""
    found = np.zeros(ids.shape, bool)
    for axis in range(1, ids.ndim):
        first, second = (np.moveaxis(ids, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        meet = (first != second) & (first != 0) & (second != 0)
        marked = np.moveaxis(found, axis, 0)
        marked[:-1] |= meet
        marked[1:] |= meet
    return found


def _by_dimensions(
    function: Callable[[NDArray[Any]], NDArray[np.int64]], stack: NDArray[Any], dimensions: int
) -> NDArray[np.int64]:
    return function(stack) if dimensions == 3 else section_by_section(function, stack)


def _channels(ids: NDArray[Any]) -> NDArray[Any]:
    return ids if ids.ndim == 4 else ids[None]
