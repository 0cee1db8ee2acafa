"""The verdict and the tables of a report on masks: how many objects were found, and how well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Any

from objectwise.report.mask_content import MaskRun
from objectwise.report.mask_sections import SegmentedClass
from objectwise.report.objects_found import Counts, ObjectKind
from objectwise.report.verdict import Cell, score_text

MASK_SCORES = {
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "panoptic_quality": "Panoptic quality",
    "object_score": "Object score",
    "dice": "Dice",
    "iou": "IoU",
    "surface_dice": "Surface Dice",
    "hausdorff95": "Hausdorff 95 %",
    "surface_distance": "Surface distance",
}
"""Scores in the order of their columns, and what they are called."""
_COUNTED = ("found", "missed", "false", "by_size")
"""What else stands beside the scores of a class."""


@dataclass(frozen=True)
class CountRow:
    """A class, a volume or a size: its objects and its scores."""

    name: str
    counts: Counts | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class CountTable:
    """Rows under the names of their scores."""

    columns: tuple[str, ...]
    rows: tuple[CountRow, ...]


def mask_score_name(key: str) -> str:
    """Return what a score is called in print."""
    return MASK_SCORES.get(key, key.replace("_", " ").capitalize())


def number(value: Any) -> float:
    """Return a score, NaN where it is undefined."""
    return math.nan if value is None else float(value)


def total(segmented: Sequence[SegmentedClass]) -> Counts | None:
    """Add up the objects of several classes or volumes; None without truth."""
    counts = [one.objects.counts for one in segmented if one.objects is not None]
    return reduce(Counts.__add__, counts) if counts else None


def counts_sentence(counts: Counts) -> str:
    """Say how many objects were found, missed and invented."""
    true = counts.found + counts.missed
    if true == 0:
        invented = f", {counts.false:,} false" if counts.false else ", none predicted"
        return f"no true objects{invented}"
    noun = "object" if true == 1 else "objects"
    return f"{counts.found:,} of {true:,} {noun} found, {counts.missed:,} missed, {counts.false:,} false"


def largest_sentence(segmented: Sequence[SegmentedClass]) -> str:
    """Say how large the largest errors of one class of a run are; nothing where there are none."""
    found = [object_ for one in segmented if one.objects for object_ in one.objects.objects]
    kinds: tuple[ObjectKind, ...] = ("missed", "false")
    largest = {kind: max((one.voxels for one in found if one.kind == kind), default=0) for kind in kinds}
    parts = [f"the largest {kind} one has {size:,} voxels" for kind, size in largest.items() if size]
    return _sentence(", ".join(parts)) if parts else ""


def mask_headline(runs: Sequence[MaskRun], segmented: Sequence[SegmentedClass]) -> str:
    """Say in one sentence which run won, or how the only one did."""
    if not segmented:
        return "No volume was segmented yet."
    means = mean_scores_of(runs)
    counts = total(segmented) if len(runs) == 1 else None
    if not means:
        if counts is not None:
            return _sentence(counts_sentence(counts))
        has_truth = any(one.objects is not None for one in segmented)
        return "No scores were given." if has_truth else "There is no truth to compare with: pictures only."
    key, where = mask_score_name(runs[0].score), _where(runs)
    (first, low), *others = ranked(runs)
    if not others:
        rest = f": {counts_sentence(counts)}" if counts is not None else ""
        return f"{key} {score_text(low)} {where}{rest}."
    second, high = others[0]
    if score_text(low) == score_text(high):
        return f"{first} and {second} tie: {key} {score_text(low)} {where}."
    return f"{first} wins: {key} {score_text(low)} against {score_text(high)} for {second}, {where}."


def ranked(runs: Sequence[MaskRun]) -> list[tuple[str, float]]:
    """Return each run's mean score, the best first."""
    sign = 1 if runs[0].score in runs[0].lower_is_better else -1
    return sorted(mean_scores_of(runs).items(), key=lambda pair: sign * pair[1])


def mean_scores_of(runs: Sequence[MaskRun]) -> dict[str, float]:
    """Return each run's mean of the first run's score over the volumes that every run has one of."""
    key, shared = runs[0].score, _shared(runs)
    return {
        run.name: math.fsum(number(v.scores[key]) for v in run.volumes if v.name in shared) / len(shared)
        for run in runs
        if shared
    }


def class_table(runs: Sequence[MaskRun], segmented: Sequence[SegmentedClass]) -> CountTable | None:
    """Tabulate every class, a row per run: the sum of its objects, the mean of its scores over volumes."""
    rows = []
    for name in dict.fromkeys(one.name for one in segmented):
        for run in runs:
            here = [one for one in segmented if one.name == name and one.run is run and one.objects]
            if here:
                label = name if len(runs) == 1 else f"{name}, {run.name}"
                scores = [_class_scores(one) for one in here]
                rows.append((name, label, total(here), _mean(scores)))
    return _table(rows, runs[0])


def volume_table(segmented: Sequence[SegmentedClass], *, several_runs: bool) -> CountTable | None:
    """Tabulate every volume, a row per class and run."""
    several = len({one.name for one in segmented}) > 1
    rows = []
    for one in segmented:
        if one.objects is not None:
            label = ", ".join([one.volume.name] + [one.name] * several + [one.run.name] * several_runs)
            rows.append((f"{one.volume.name}/{one.name}", label, one.objects.counts, _class_scores(one)))
    return _table(rows, segmented[0].run) if segmented else None


def size_table(segmented: Sequence[SegmentedClass]) -> CountTable | None:
    """Tabulate the objects of one class of a run by their size, all volumes together; None without sizes."""
    sums: dict[tuple[int, float], Counts] = {}
    for one in segmented:
        for row in one.volume.class_scores.get(one.name, {}).get("by_size", ()):
            limits = (int(row["least"]), math.inf if row["below"] is None else float(row["below"]))
            here = Counts(*(int(row[kind]) for kind in ("found", "missed", "false")))
            sums[limits] = sums.get(limits, Counts(0, 0, 0)) + here
    if len(sums) < 2:
        return None
    rows = tuple(
        CountRow(_size_name(*limits), counts, _shares(counts)) for limits, counts in sorted(sums.items())
    )
    return CountTable(("Precision", "Recall", "F1"), rows)


def _size_name(least: int, below: float) -> str:
    if math.isinf(below):
        return f"{least:,} voxels or more"
    if least <= 1:
        return f"fewer than {below:,.0f} voxels"
    return f"{least:,} to {below - 1:,.0f} voxels"


def _shares(counts: Counts) -> tuple[Cell, ...]:
    found, missed, false = counts
    pairs = ((found, found + false), (found, found + missed), (2 * found, 2 * found + missed + false))
    return tuple(Cell(score_text(part / whole) if whole else "no objects") for part, whole in pairs)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _shared(runs: Sequence[MaskRun]) -> list[str]:
    """Return the volumes that every run has a finite score of: only these compare the runs."""
    key = runs[0].score
    scored = [{v.name for v in run.volumes if math.isfinite(number(v.scores.get(key)))} for run in runs]
    return [volume.name for volume in runs[0].volumes if all(volume.name in names for names in scored)]


def _where(runs: Sequence[MaskRun]) -> str:
    shared = _shared(runs)
    where = f"on {shared[0]}" if len(shared) == 1 else f"in the mean of {len(shared)} volumes"
    learnt = any(v.learnt_from for run in runs for v in run.volumes if v.name in shared)
    return where + " (training data)" * learnt


def _class_scores(one: SegmentedClass) -> dict[str, float]:
    scores = one.volume.class_scores.get(one.name, {})
    return {key: number(value) for key, value in scores.items() if key not in _COUNTED}


def _mean(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the volumes where it is defined."""
    means = {}
    for key in dict.fromkeys(key for one in scores for key in one):
        values = [one[key] for one in scores if math.isfinite(one.get(key, math.nan))]
        means[key] = math.fsum(values) / len(values) if values else math.nan
    return means


def _table(
    rows: Sequence[tuple[str, str, Counts | None, Mapping[str, float]]], first: MaskRun
) -> CountTable | None:
    """Make a table of rows of a group, a name, counts and scores; the best of a group's rows is marked."""
    if not rows:
        return None
    known = list(MASK_SCORES)
    keys = sorted(
        dict.fromkeys(key for _, _, _, scores in rows for key in scores),
        key=lambda key: (key != first.score, known.index(key) if key in known else len(known)),
    )
    made = []
    for _, members in groupby(rows, key=lambda row: row[0]):
        group = list(members)
        best = {
            key: _best(
                [scores.get(key, math.nan) for *_, scores in group], lower=key in first.lower_is_better
            )
            for key in keys
        }
        for _, label, counts, scores in group:
            values = [(key, scores.get(key, math.nan)) for key in keys]
            cells = tuple(
                Cell(score_text(value), best=len(group) > 1 and value == best[key]) for key, value in values
            )
            made.append(CountRow(label, counts, cells))
    return CountTable(tuple(mask_score_name(key) for key in keys), tuple(made))


def _best(values: Sequence[float], *, lower: bool) -> float:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return math.nan
    return min(finite) if lower else max(finite)
