"""Which threshold to cut the affinities at: try each candidate on volumes whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectwise.checks import AnyArray, check_affinities
from objectwise.errors import ArgumentError
from objectwise.graph import Offsets
from objectwise.metrics.rows import Row, mean_row
from objectwise.metrics.stacks import scored_units
from objectwise.segmentation import segmenter
from objectwise.segmentation.probabilities import check_probability


class Sweep(NamedTuple):
    """The scores at every candidate threshold.

    Sweeps of several volumes add up (`merge_sweeps`): the units are kept, means are taken last.
    """

    thresholds: tuple[float, ...]
    units: tuple[tuple[Row, ...], ...]
    """For each threshold the scores, by name, of every unit: a volume, or a section of one."""

    def means(self) -> list[dict[str, float]]:
        """Return the mean of each score at each threshold.

        Units without a score (NaN) are left out; where no unit has one the mean is NaN.
        """
        return [mean_row(units) for units in self.units]

    def best(self, score: str = "adapted_rand_error", *, higher_is_better: bool = False) -> float:
        """Return the threshold with the best mean of a score.

        Ties go to the higher threshold: of two equal scores it has the smaller merges, and an object
        cut in two is easier to mend than two grown into one. Thresholds without a score (NaN) are not chosen.

        Raises
        ------
        ArgumentError
            If there is no score at any threshold.
        """
        sign = 1 if higher_is_better else -1
        candidates = [
            (sign * row[score], threshold)
            for threshold, row in zip(self.thresholds, self.means(), strict=True)
            if not math.isnan(row[score])
        ]
        if not candidates:
            raise ArgumentError(
                f"`units` must hold a score at some threshold, got none at {self.thresholds}; "
                "tune on a volume with labelled voxels"
            )
        return max(candidates)[1]


def sweep(
    segment_at: Callable[[float], NDArray[Any]],
    scored: Callable[[NDArray[Any]], Sequence[Row]],
    candidates: Sequence[float],
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Segment one volume at every candidate threshold and score the results.

    Parameters
    ----------
    segment_at : from a threshold to ids
    scored : from ids to the scores of each unit, see `objectwise.tasks.Task.compare`
    candidates : thresholds, any order
    progress : called with (candidates done, all candidates)
    """
    thresholds = tuple(sorted(set(candidates)))
    units = []
    for done, threshold in enumerate(thresholds, start=1):
        units.append(tuple(scored(segment_at(threshold))))
        if progress is not None:
            progress(done, len(thresholds))
    return Sweep(thresholds, tuple(units))


def sweep_thresholds(
    *,
    affinities: NDArray[np.float32],
    truth: AnyArray,
    offsets: Offsets,
    dimensions: int,
    candidates: Sequence[float],
    method: str = "components",
    minimum_size: int = 0,
    fragment_threshold: float | None = None,
    protocol: str = "cremi",
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Segment one volume at every candidate threshold and score the results.

    Parameters
    ----------
    affinities : (k, z, y, x) float32, 0..1
    truth : (z, y, x) integer, 0 = background
    offsets : (k, 3) int, voxels
        Of a 2-D run: embedded, with 0 along z.
    dimensions : 2 or 3
        2 scores section by section, 3 the volume as a whole.
    candidates : thresholds in 0..1, any order
    method, minimum_size, fragment_threshold
        As for `objectwise.segmentation.segment`.
    progress : called with (candidates done, all candidates)

    Raises
    ------
    ArgumentError
        If there is no candidate, one outside 0..1, or no voxel to score.
    """
    if not candidates:
        raise ArgumentError("`candidates` must hold at least one threshold, got none")
    check_affinities(affinities)
    for candidate in candidates:
        check_probability(candidate, affinities.dtype, name="candidates")
    segment_at = segmenter(
        affinities, offsets, method=method, minimum_size=minimum_size, fragment_threshold=fragment_threshold
    )

    def scored(segmentation: NDArray[Any]) -> list[Row]:
        units = scored_units(truth=truth, segmentation=segmentation, dimensions=dimensions, protocol=protocol)
        return [unit._asdict() for unit in units]

    return sweep(segment_at, scored, candidates, progress)


def merge_sweeps(sweeps: Sequence[Sweep]) -> Sweep:
    """Return the sweep over all units of several volumes; each section (2-D) or volume (3-D) counts alike."""
    if not sweeps:
        raise ArgumentError("`sweeps` must hold at least one sweep, got none")
    first, *others = sweeps
    for other in others:
        if other.thresholds != first.thresholds:
            raise ArgumentError(
                f"`sweeps` must have the same thresholds, got {first.thresholds} and {other.thresholds}"
            )
    units = zip(*(sweep.units for sweep in sweeps), strict=True)
    return Sweep(first.thresholds, tuple(tuple(score for part in parts for score in part) for parts in units))
