"""The report on masks: runs in, one self-contained HTML file out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from objectwise.report.figures import Line, curve_panels, threshold_figure
from objectwise.report.html import check_runs, configurations, fill, write_page
from objectwise.report.mask_cards import ObjectCard, object_cards
from objectwise.report.mask_content import DISTANCES, MaskRun, MaskVolume
from objectwise.report.mask_sections import (
    ObjectSection,
    SegmentedClass,
    object_section,
    thumbnail,
    worst_sections,
)
from objectwise.report.mask_tables import (
    MASK_SCORES,
    CountTable,
    class_table,
    largest_sentence,
    mask_headline,
    mask_score_name,
    number,
    ranked,
    size_table,
    total,
    volume_table,
)
from objectwise.report.objects_found import Counts, FoundObject
from objectwise.report.sections import SMALL_SIDE, Picture

LISTED_ERRORS = 8
LISTED_OBJECTS = 100
OTHER_SECTIONS = 3
MOST_VOLUMES = 6
"""Volumes shown in full; of more, those with most errors."""
MOST_THUMBNAILS = 60
LARGE_SIDE, THUMBNAIL_SIDE = 800, 200
"""Longest side of a picture in pixels: the section with most errors, and a volume at a glance."""
_COMPARED = ("f1", "precision", "recall", "dice")
"""Scores drawn over the threshold beside the one that it was chosen by."""
_SHARES = tuple(key for key in MASK_SCORES if key not in DISTANCES)
"""Scores of 0 to 1."""


@dataclass(frozen=True)
class Verdict:
    """What became of a class of a run, all volumes together."""

    label: str
    counts: Counts | None
    sentence: str
    sizes: CountTable | None


@dataclass(frozen=True)
class RunObjects:
    """The objects of a class of one run in one volume."""

    run: str
    counts: Counts | None
    cards: list[ObjectCard]
    listed: tuple[FoundObject, ...]
    n_objects: int


@dataclass(frozen=True)
class ClassView:
    """A class of a volume, every run side by side."""

    key: str
    name: str
    has_truth: bool
    runs: list[RunObjects]
    worst: ObjectSection
    others: list[ObjectSection]


@dataclass(frozen=True)
class MaskVolumeView:
    """A volume shown in full."""

    key: str
    name: str
    size: str
    training_data: list[tuple[str, str]]
    has_unknown: bool
    depth: int
    classes: list[ClassView]


@dataclass(frozen=True)
class Thumbnail:
    """A volume at a glance."""

    picture: Picture
    words: str
    target: str


Group = list[SegmentedClass]
"""One class of one volume, an entry a run."""


def write_mask_report(path: Path | str, runs: Sequence[MaskRun], *, title: str) -> Path:
    """Write one HTML file that shows which objects were found, missed and invented.

    Parameters
    ----------
    path : Path
        Replaced if it exists; written to a temporary name beside it first, so it is never half a page.
    runs : sequence of MaskRun
        Several runs are compared: volumes and classes of one name stand side by side.
    title : str

    Returns
    -------
    Path
        The file. It loads nothing from elsewhere, and holds every picture.

    Raises
    ------
    ArgumentError
        If there is no run, or two runs share a name.
    ShapeError
        If volumes of one name differ in shape between runs.
    """
    return write_page(path, render_mask_report(runs, title=title))


def render_mask_report(runs: Sequence[MaskRun], *, title: str) -> str:
    """Return the page that `write_mask_report` writes."""
    check_runs([(run.name, {volume.name: volume.shape for volume in run.volumes}) for run in runs])
    volumes = _by_volume(runs)
    everything = [one for groups in volumes for group in groups for one in group]
    shown = _shown(volumes)
    ranks = ranked(runs)
    return fill(
        "masks.html.j2",
        title=title,
        headline=mask_headline(runs, everything),
        ranked=ranks if len(runs) > 1 else [],
        largest=max((value for _, value in ranks), default=0.0),
        score=mask_score_name(runs[0].score),
        lower_is_better=runs[0].score in runs[0].lower_is_better,
        verdicts=_verdicts(runs, everything),
        class_table=class_table(runs, everything),
        volume_table=volume_table(everything, several_runs=len(runs) > 1) if len(volumes) > 1 else None,
        tolerances=" or ".join(f"{tolerance:g}" for tolerance in sorted({run.tolerance for run in runs})),
        dimensions=sorted({run.dimensions for run in runs}),
        run_names=[run.name for run in runs],
        volumes=[_volume_view(volumes[index], index) for index in shown],
        n_volumes=len(volumes),
        thumbnails=_thumbnails(volumes, shown) if len(volumes) > 1 and len(runs) == 1 else [],
        curves=curve_panels(runs),
        sweep=_sweep(runs),
        thresholds=[(run.name, run.chosen_threshold) for run in runs if run.chosen_threshold is not None],
        configs=configurations([(run.name, run.config_yaml) for run in runs]),
    )


def _by_volume(runs: Sequence[MaskRun]) -> list[list[Group]]:
    """Group the runs' volumes by name, and their classes by name, in order of appearance."""
    names = dict.fromkeys(volume.name for run in runs for volume in run.volumes)
    classes = dict.fromkeys(name for run in runs for name in run.classes)
    grouped: list[list[Group]] = []
    for v, name in enumerate(names):
        found: list[tuple[int, MaskRun, MaskVolume]] = [
            (r, run, volume) for r, run in enumerate(runs) for volume in run.volumes if volume.name == name
        ]
        groups = [
            [
                SegmentedClass.of(run, volume, list(run.classes).index(label), f"{v}-{c}-{r}")
                for r, run, volume in found
                if label in run.classes
            ]
            for c, label in enumerate(classes)
        ]
        grouped.append([group for group in groups if group])
    return grouped


def _n_errors(groups: Sequence[Group]) -> tuple[int, int]:
    """Return how many objects of a volume are missed or false, and how many voxels they have."""
    found = [one.objects for group in groups for one in group if one.objects is not None]
    objects = sum(objects.counts.missed + objects.counts.false for objects in found)
    return objects, sum(int(objects.wrong_voxels.sum()) for objects in found)


def _worst_first(volumes: Sequence[list[Group]]) -> list[int]:
    errors = [_n_errors(groups) for groups in volumes]
    return sorted(range(len(volumes)), key=lambda index: (-errors[index][0], -errors[index][1], index))


def _shown(volumes: Sequence[list[Group]]) -> list[int]:
    """Return which volumes are shown in full: all in their order, or those with most errors first."""
    if len(volumes) <= MOST_VOLUMES:
        return list(range(len(volumes)))
    return _worst_first(volumes)[:MOST_VOLUMES]


def _verdicts(runs: Sequence[MaskRun], everything: Sequence[SegmentedClass]) -> list[Verdict]:
    verdicts = []
    names = dict.fromkeys(one.name for one in everything)
    for name in names:
        for run in runs:
            here = [one for one in everything if one.name == name and one.run is run]
            counts = total(here)
            if counts is not None:
                label = ", ".join([name] + [run.name] * (len(runs) > 1))
                verdicts.append(Verdict(label, counts, largest_sentence(here), size_table(here)))
    return verdicts


def _volume_view(groups: Sequence[Group], index: int) -> MaskVolumeView:
    volume = groups[0][0].volume
    size = " x ".join(str(n) for n in volume.shape)
    voxel = " x ".join(f"{step:g}" for step in volume.voxel_size)
    learnt = {one.run.name: one.volume.learnt_from for group in groups for one in group}
    return MaskVolumeView(
        key=str(index),
        name=volume.name,
        size=f"{size} voxels (z, y, x) of {voxel}",
        training_data=[(run, words) for run, words in learnt.items() if words],
        has_unknown=any(one.volume.ignore is not None for group in groups for one in group),
        depth=volume.shape[0],
        classes=[_class_view(group, f"{index}-{c}") for c, group in enumerate(groups)],
    )


def _class_view(group: Group, key: str) -> ClassView:
    found = [one.objects for one in group if one.objects is not None]
    worst, *others = worst_sections(found, group[0].volume.shape[0], 1 + OTHER_SECTIONS)
    return ClassView(
        key=key,
        name=group[0].name,
        has_truth=bool(found),
        runs=[_run_objects(one) for one in group],
        worst=object_section(group, worst, side=LARGE_SIDE, listed=LISTED_ERRORS),
        others=[object_section(group, z, side=SMALL_SIDE) for z in sorted(others)],
    )


def _run_objects(one: SegmentedClass) -> RunObjects:
    if one.objects is None:
        return RunObjects(one.run.name, None, [], (), 0)
    return RunObjects(
        one.run.name,
        one.objects.counts,
        object_cards(one, LISTED_ERRORS),
        one.objects.objects[:LISTED_OBJECTS],
        len(one.objects.objects),
    )


def _thumbnails(volumes: Sequence[list[Group]], shown: Sequence[int]) -> list[Thumbnail]:
    """Show every volume small, those with most errors first, in the section with most errors."""
    made = []
    for index in _worst_first(volumes)[:MOST_THUMBNAILS]:
        one = max((group[0] for group in volumes[index]), key=lambda one: _n_errors([[one]]))
        found = [one.objects] if one.objects is not None else []
        (z,) = worst_sections(found, one.volume.shape[0], 1)
        score = number(one.volume.scores.get(one.run.score))
        words = f"{mask_score_name(one.run.score)} {score:.3f}" if math.isfinite(score) else ""
        made.append(
            Thumbnail(thumbnail(one, z, THUMBNAIL_SIDE), words, f"volume-{index}" if index in shown else "")
        )
    return made


def _sweep(runs: Sequence[MaskRun]) -> Markup | None:
    """Draw the score over the threshold, a line per run; of one run also its other scores."""
    first = runs[0].score
    name = mask_score_name(first)
    if len(runs) > 1:
        lines = [Line(run.name, _pairs(run, first), run.chosen_threshold) for run in runs]
    else:
        keys = [first] if first not in _SHARES else [first, *(key for key in _COMPARED if key != first)]
        lines = [
            Line(mask_score_name(key), pairs, runs[0].chosen_threshold if key == first else None)
            for key in keys
            if (pairs := _pairs(runs[0], key))
        ]
        name = name if len(lines) < 2 else "score"
    top = 1.03 if first in _SHARES else None
    return threshold_figure(lines, score=name, of="probabilities", top=top)


def _pairs(run: MaskRun, key: str) -> list[tuple[float, float]]:
    return [(number(row.get("threshold")), number(row.get(key))) for row in run.sweep if key in row]
