"""The numbers as a reader wants them: the verdict in words, and tables with the best score marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from objectwise.report.errors_found import KINDS, Kind
from objectwise.report.sections import Segmented

HEADLINE = "adapted_rand_error"
SCORE_NAMES = {
    "adapted_rand_error": "Adapted Rand error",
    "voi_split": "VOI split",
    "voi_merge": "VOI merge",
    "cremi_score": "CREMI score",
}


@dataclass(frozen=True)
class Cell:
    """A score in a table."""

    text: str
    best: bool = False
    worst: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """Rows of cells under a heading; all scores are better when lower."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def score_text(value: float) -> str:
    """Return a score with three decimals, or words where it is undefined."""
    return f"{value:.3f}" if math.isfinite(value) else "undefined"


def score_name(key: str) -> str:
    """Return what a score is called in print."""
    return SCORE_NAMES.get(key, key.replace("_", " "))


def score_keys(scores: Iterable[Mapping[str, float]]) -> list[str]:
    """Return every score that occurs, the headline first."""
    keys = dict.fromkeys(key for one in scores for key in one)
    return sorted(keys, key=lambda key: key != HEADLINE)


def volume_table(segmented: Sequence[Segmented]) -> ScoreTable | None:
    """Tabulate one volume's scores, a row per run; None where there are none."""
    keys = score_keys(one.content.scores for one in segmented)
    if not keys:
        return None
    best = {key: _best([one.content.scores.get(key, math.nan) for one in segmented]) for key in keys}
    rows = []
    for one in segmented:
        values = [one.content.scores.get(key, math.nan) for key in keys]
        cells = (
            Cell(score_text(value), best=value == best[key] and len(segmented) > 1)
            for key, value in zip(keys, values, strict=True)
        )
        rows.append((one.run, tuple(cells)))
    return ScoreTable(tuple(score_name(key) for key in keys), tuple(rows))


def section_table(segmented: Sequence[Segmented]) -> ScoreTable | None:
    """Tabulate the scores of every section, a group of columns per score, a column per run in it.

    The best run of a section is marked best, and the highest value of each column worst.
    """
    scored = [one for one in segmented if one.content.section_scores]
    keys = score_keys(scores for one in scored for scores in one.content.section_scores)
    if not keys:
        return None
    columns = [(key, one) for key in keys for one in scored]
    several = len(scored) > 1
    names = tuple(f"{score_name(key)}, {one.run}" if several else score_name(key) for key, one in columns)
    worst = [
        max(
            (v for scores in one.content.section_scores if math.isfinite(v := scores.get(key, math.nan))),
            default=math.nan,
        )
        for key, one in columns
    ]
    rows = []
    for z in range(scored[0].content.sections):
        values = [one.content.section_scores[z].get(key, math.nan) for key, one in columns]
        best = {
            key: _best([v for v, (k, _) in zip(values, columns, strict=True) if k == key]) for key in keys
        }
        cells = (
            Cell(score_text(value), best=several and value == best[key], worst=value == highest)
            for value, (key, _), highest in zip(values, columns, worst, strict=True)
        )
        rows.append((str(z), tuple(cells)))
    return ScoreTable(names, tuple(rows))


def headline(volumes: Sequence[Sequence[Segmented]]) -> str:
    """Say in one sentence which run won, or how the only one did."""
    means = mean_headline(volumes)
    ranked = sorted(means.items(), key=lambda pair: pair[1])
    if not ranked:
        has_truth = any(one.errors is not None for segmented in volumes for one in segmented)
        return "No scores were given." if has_truth else "There is no truth to compare with: pictures only."
    (first, low), *others = ranked
    shared = _shared_volumes(volumes)
    where = shared[0][0].content.name if len(shared) == 1 else f"the mean of {len(shared)} volumes"
    if any(one.content.learnt_from for segmented in shared for one in segmented):
        where += " (training data)"
    if not others:
        return f"Adapted Rand error {low:.3f} on {where}."
    second, high = others[0]
    if f"{low:.3f}" == f"{high:.3f}":
        return f"{first} and {second} tie: adapted Rand error {low:.3f} on {where}."
    lower = f", {1 - low / high:.0%} lower" if high > 0 else ""
    return f"{first} wins: adapted Rand error {low:.3f} against {high:.3f} for {second}{lower}, on {where}."


def mean_headline(volumes: Sequence[Sequence[Segmented]]) -> dict[str, float]:
    """Return each run's mean adapted Rand error over the volumes that every run has a score of."""
    shared = _shared_volumes(volumes)
    runs = dict.fromkeys(one.run for segmented in shared for one in segmented)
    return {
        run: sum(one.content.scores[HEADLINE] for segmented in shared for one in segmented if one.run == run)
        / len(shared)
        for run in runs
    }


def training_data_notes(segmented: Sequence[Segmented]) -> list[tuple[str, str]]:
    """Return each run that has learnt from one volume, and how."""
    return [(one.run, one.content.learnt_from) for one in segmented if one.content.learnt_from]


def error_sentence(one: Segmented) -> str:
    """Say how many errors of each kind a run made, and which kind weighs most."""
    if one.errors is None:
        return "No truth, so no errors are shown."
    number = one.errors.number
    if not any(number.values()):
        return "No object is split, merged or missed."
    parts = (
        _counted(number["split"], "object is split", "objects are split"),
        _counted(number["merge"], "segment merges several objects", "segments merge several objects"),
        _counted(number["missed"], "object is missed", "objects are missed"),
    )
    listed = [part for part in parts if part]
    sentence = ", ".join(listed[:-1]) + (" and " if len(listed) > 1 else "") + listed[-1]
    weights: dict[Kind, int] = dict(zip(KINDS, one.errors.section_voxels.sum(axis=0).tolist(), strict=True))
    heaviest = max(KINDS, key=lambda kind: weights[kind])
    noun = {"split": "splits", "merge": "merges", "missed": "missed objects"}[heaviest]
    share = weights[heaviest] / max(1, int(one.errors.object_voxels.sum()))
    return f"{sentence}. Most voxels ({share:.1%}) are lost to {noun}."


def _shared_volumes(volumes: Sequence[Sequence[Segmented]]) -> list[Sequence[Segmented]]:
    """Keep the volumes that every run has a finite headline score of: only these compare the runs."""
    n_runs = len({one.run for segmented in volumes for one in segmented})
    return [
        segmented
        for segmented in volumes
        if len(segmented) == n_runs
        and all(math.isfinite(one.content.scores.get(HEADLINE, math.nan)) for one in segmented)
    ]


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}" if number else ""


def _best(values: Sequence[float]) -> float:
    return min((value for value in values if math.isfinite(value)), default=math.nan)
