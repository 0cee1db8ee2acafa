"""What a report shows, as plain data: one `RunContent` a run, one `VolumeContent` a segmented volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import check_labels, check_not_empty, check_offsets, check_same_shape
from objectwise.errors import ArgumentError, ShapeError
from objectwise.metrics import ContingencyTable

AnyArray = NDArray[Any]
SectionReader = Callable[[int], AnyArray]


@dataclass(frozen=True, eq=False)
class VolumeContent:
    """One segmented volume of a run.

    Parameters
    ----------
    name : str
        Shown as it is; volumes of one name are compared between runs.
    raw : (z, y, x), any real dtype
        Read section by section, so anything with `.shape` and `[z]` will do (an open HDF5 data set).
    segmentation : (z, y, x) integer, 0 = background
    truth : (z, y, x) integer or None, 0 = background
        Without it the page shows pictures and no scores or errors.
    affinities : (k, z, y, x) in 0..1, or a function from z to (k, y, x), or None
        The function lets a big volume stay on disk: one section is read at a time.
    offsets : (k, 3) integer or None
        With it, the picture shows the nearest edges within the section; without, the mean of all channels.
    voxel_size : (z, y, x), physical units
    scores : named scores of the whole volume; lower is better, NaN where undefined
    section_scores : the same for each section, or empty
    tables : what truth and segmentation share, a table a section, or empty
        As `objectwise.metrics.section_tables` counts them; counted here where they are missing.
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
    affinities: AnyArray | SectionReader | None = None
    offsets: AnyArray | None = None
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    scores: Mapping[str, float] = field(default_factory=dict)
    section_scores: Sequence[Mapping[str, float]] = ()
    tables: Sequence[ContingencyTable] = ()
    learnt_from: str = ""

    def __post_init__(self) -> None:
        check_labels(self.segmentation, name="segmentation")
        check_not_empty(self.segmentation, name="segmentation")
        if self.segmentation.ndim != 3:
            raise ShapeError(
                f"`segmentation` must have shape (z, y, x), got {self.segmentation.shape}; "
                "give an image a first axis of one section"
            )
        check_same_shape(self.raw, self.segmentation, names=("raw", "segmentation"))
        if self.truth is not None:
            check_labels(self.truth, name="truth")
            check_same_shape(self.truth, self.segmentation, names=("truth", "segmentation"))
        if self.offsets is not None:
            check_offsets(self.offsets, ndim=3)
        if self.section_scores and len(self.section_scores) != self.sections:
            raise ShapeError(
                f"`section_scores` must have one entry per section ({self.sections}), "
                f"got {len(self.section_scores)}; leave it empty where there are none"
            )
        if self.tables and [table.n_voxels for table in self.tables] != [self.raw[0].size] * self.sections:
            raise ShapeError(
                f"`tables` must count every voxel of each of the {self.sections} sections once, got "
                f"{len(self.tables)} tables of another size; leave them empty where there are none"
            )
        self._check_affinities()

    def _check_affinities(self) -> None:
        if self.affinities is None or not hasattr(self.affinities, "shape"):
            return
        shape = self.affinities.shape
        if len(shape) != 4 or tuple(shape[1:]) != self.segmentation.shape:
            raise ShapeError(
                f"`affinities` must have shape (k, z, y, x) over {self.segmentation.shape}, got {shape}"
            )

    @property
    def sections(self) -> int:
        """The number of sections along z."""
        return int(self.segmentation.shape[0])

    def affinity_section(self, z: int) -> AnyArray | None:
        """Return the affinities of section `z`, (k, y, x), or None where there are none."""
        if self.affinities is None:
            return None
        section = self.affinities(z) if callable(self.affinities) else self.affinities[:, z]
        section = np.asarray(section)
        if section.ndim != 3 or section.shape[1:] != self.segmentation.shape[1:]:
            raise ShapeError(
                f"`affinities` must give (k, y, x) over {self.segmentation.shape[1:]} for section {z}, "
                f"got {section.shape}"
            )
        return section


@dataclass(frozen=True, eq=False)
class RunContent:
    """One run: how it was configured and trained, and what it made of each volume.

    Parameters
    ----------
    name : str
        Shown as it is; must differ between the runs of one report.
    volumes : the segmented volumes
    config_yaml : str
        The resolved configuration.
    curves : columns of the training log, of one length
        `step`, and one column per loss term; NaN where a term was not logged. `objectwise.curves` reads them.
    sweep : (threshold, adapted Rand error) pairs on the volumes that the threshold was chosen on
    chosen_threshold : float or None
    warmup_steps : int
        Steps before the structured loss began; marked in the curves.
    linked_sections : bool
        False for a 2-D run: a stack of images, where an id means nothing across sections.
    """

    name: str
    volumes: Sequence[VolumeContent] = ()
    config_yaml: str = ""
    curves: Mapping[str, Sequence[float] | AnyArray] = field(default_factory=dict)
    sweep: Sequence[tuple[float, float]] = ()
    chosen_threshold: float | None = None
    warmup_steps: int = 0
    linked_sections: bool = True

    def __post_init__(self) -> None:
        check_curves(self.curves)
        check_volume_names([volume.name for volume in self.volumes])


def check_curves(curves: Mapping[str, Sequence[float] | AnyArray]) -> None:
    """Require the columns of a training log: a step, and equal lengths."""
    if curves and "step" not in curves:
        raise ArgumentError(f"`curves` must have a column 'step', got {sorted(curves)}")
    lengths = {name: len(column) for name, column in curves.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"`curves` must have columns of one length, got {lengths}")


def check_volume_names(names: Sequence[str]) -> None:
    """Require volumes that their names tell apart."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ArgumentError(f"`volumes` must have different names, got {repeated[0]!r} twice")
