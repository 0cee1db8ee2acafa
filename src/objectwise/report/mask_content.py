"""What a report on masks shows, as plain data: one `MaskRun` a run, one `MaskVolume` a segmented volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_mask, check_not_empty, check_same_shape
from objectwise.errors import ArgumentError, ShapeError
from objectwise.report.content import check_curves, check_volume_names

DISTANCES = ("hausdorff95", "surface_distance")
"""Scores that are better when lower, in the unit of the voxel size."""

AnyArray = NDArray[Any]
SectionReader = Callable[[int], AnyArray]


@dataclass(frozen=True, eq=False)
class MaskVolume:
    """One segmented volume of a run.

    Parameters
    ----------
    name : str
        Shown as it is; volumes of one name are compared between runs.
    raw : (z, y, x) or (c, z, y, x), any real dtype
        Three channels of uint8 are shown as one picture in colour, others one by one.
    segmentation : (z, y, x) or (c, z, y, x) integer, 0 = none
        Ids of the objects of each class, in the order of `MaskRun.classes`.
    truth : as `segmentation`, or None
        Without it the page shows pictures and no scores or errors.
    ignore : (z, y, x) bool, optional
        True where the truth is unknown: what lies there is neither found nor missed nor false.
    probabilities : (k, z, y, x) in 0..1, or a function from z to (k, y, x), or None
        In the order of `MaskRun.channels`. The function lets a big volume stay on disk: one section is read
        at a time.
    voxel_size : (z, y, x), physical units
    scores : named scores of the whole volume, None or NaN where undefined
    class_scores : the same by class
        Also, by class, "by_size": rows of least, below (voxels, None for no limit), found, missed, false.
    learnt_from : str
        How the run has learnt from these very voxels before it scored them; shown beside the scores. Empty
        where it has not.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the parts do not fit each other.
    """

    name: str
    raw: AnyArray
    segmentation: AnyArray
    truth: AnyArray | None = None
    ignore: NDArray[np.bool_] | None = None
    probabilities: AnyArray | SectionReader | None = None
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    class_scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    learnt_from: str = ""

    def __post_init__(self) -> None:
        check_labels(self.segmentation, name="segmentation")
        check_not_empty(self.segmentation, name="segmentation")
        if self.segmentation.ndim not in (3, 4):
            raise ShapeError(
                f"`segmentation` must have shape (z, y, x) or (c, z, y, x), got {self.segmentation.shape}; "
                "give an image a first axis of one section"
            )
        if self.raw.ndim not in (3, 4) or tuple(self.raw.shape[-3:]) != self.shape:
            raise ShapeError(
                f"`raw` must have shape (z, y, x) or (c, z, y, x) over {self.shape}, got {self.raw.shape}"
            )
        if self.truth is not None:
            check_labels(self.truth, name="truth")
            check_same_shape(self.truth, self.segmentation, names=("truth", "segmentation"))
        if self.ignore is not None:
            like = self.segmentation if self.segmentation.ndim == 3 else self.segmentation[0]
            check_mask(self.ignore, name="ignore", like=like, like_name="segmentation")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along z, y, x."""
        z, y, x = self.segmentation.shape[-3:]
        return z, y, x

    @property
    def n_classes(self) -> int:
        """How many classes have objects."""
        return 1 if self.segmentation.ndim == 3 else len(self.segmentation)

    def objects(self, index: int) -> AnyArray:
        """Return the predicted ids of one class, (z, y, x), none where the truth is unknown."""
        return self._known(self.segmentation, index)

    def true_objects(self, index: int) -> AnyArray | None:
        """Return the true ids of one class, (z, y, x), none where they are unknown; None without truth."""
        return None if self.truth is None else self._known(self.truth, index)

    def unknown(self, z: int) -> AnyArray | None:
        """Return where the truth of one section is unknown, (y, x) bool, or None where all is known."""
        return None if self.ignore is None or self.truth is None else self.ignore[z]

    def probability_section(self, z: int, n_channels: int) -> AnyArray | None:
        """Return the probabilities of section `z`, (k, y, x), or None where there are none."""
        if self.probabilities is None:
            return None
        source = self.probabilities
        section = np.asarray(source(z) if callable(source) else source[:, z])
        if section.shape != (n_channels, *self.shape[1:]):
            raise ShapeError(
                f"`probabilities` must give {(n_channels, *self.shape[1:])}, (k, y, x), for section {z}, "
                f"got {section.shape}"
            )
        return section

    def _known(self, labels: AnyArray, index: int) -> AnyArray:
        ids: AnyArray = labels if labels.ndim == 3 else labels[index]
        # Without truth nothing is scored: the prediction is shown as it is.
        return ids if self.ignore is None or self.truth is None else np.where(self.ignore, 0, ids)


@dataclass(frozen=True, eq=False)
class MaskRun:
    """One run of the task masks: how it was configured and trained, and what it made of each volume.

    Parameters
    ----------
    name : str
        Shown as it is; must differ between the runs of one report.
    classes : names of what has objects, in the order of the segmentations' channels
    volumes : the segmented volumes
    channels : names of the channels of the probabilities; `classes` by default
    dimensions : 2 or 3
        With 2 every section is an image of its own, and an object is what carries an id in one section.
    score : str
        Name of the score that the page begins with, the one that the threshold was chosen by.
    lower_is_better : names of the scores of which that is so
    tolerance : float, physical units
        Of the surface Dice.
    sweep : rows of a threshold ("threshold") and scores by name, on the volumes that it was chosen on
    chosen_threshold : float or None
    config_yaml : str
        The resolved configuration.
    curves : columns of the training log, of one length
        `step`, and one column per loss term; NaN where a term was not logged. `objectwise.curves` reads them.
    warmup_steps : int
        Steps before the last term of the loss joined; marked in the curves.

    Raises
    ------
    ShapeError, ArgumentError
        If the parts do not fit each other.
    """

    name: str
    classes: Sequence[str]
    volumes: Sequence[MaskVolume] = ()
    channels: Sequence[str] = ()
    dimensions: int = 3
    score: str = "f1"
    lower_is_better: Sequence[str] = DISTANCES
    tolerance: float = 1.0
    sweep: Sequence[Mapping[str, float | None]] = ()
    chosen_threshold: float | None = None
    config_yaml: str = ""
    curves: Mapping[str, Sequence[float] | AnyArray] = field(default_factory=dict)
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise ArgumentError(f"`dimensions` must be 2 or 3, got {self.dimensions!r}")
        check_curves(self.curves)
        among = list(self.channels or self.classes)
        if not self.classes or not set(self.classes) <= set(among):
            raise ArgumentError(f"`classes` must be one or more of {among}, got {list(self.classes)}")
        check_volume_names([volume.name for volume in self.volumes])
        for volume in self.volumes:
            if volume.n_classes != len(self.classes):
                raise ShapeError(
                    f"`segmentation` of {volume.name!r} must have a channel for each of "
                    f"{list(self.classes)}, got {volume.n_classes}"
                )

    def channel_of(self, index: int) -> int:
        """Return the channel of the probabilities that belongs to a class."""
        return list(self.channels or self.classes).index(self.classes[index])

    @property
    def n_channels(self) -> int:
        """How many channels the probabilities have."""
        return len(self.channels or self.classes)
