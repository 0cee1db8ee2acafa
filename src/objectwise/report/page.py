"""The report: runs in, one self-contained HTML file out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from objectwise.report.content import RunContent
from objectwise.report.errors_found import VolumeErrors, find_errors
from objectwise.report.figures import curve_panels, section_figure, section_shares, sweep_figure
from objectwise.report.html import check_runs, configurations, fill, write_page
from objectwise.report.sections import (
    LARGE_SIDE,
    SMALL_SIDE,
    ErrorCard,
    SectionView,
    Segmented,
    error_cards,
    section_view,
)
from objectwise.report.verdict import (
    ScoreTable,
    error_sentence,
    headline,
    mean_headline,
    section_table,
    training_data_notes,
    volume_table,
)

LISTED_ERRORS = 8
OTHER_SECTIONS = 3


@dataclass(frozen=True)
class Finding:
    """What went wrong, in a sentence under the verdict."""

    run: str
    name: str
    sentence: str


@dataclass(frozen=True)
class RunErrors:
    """One run's errors in one volume."""

    run: str
    wrong: str
    bars: Markup | None
    cards: list[ErrorCard]


@dataclass(frozen=True)
class VolumeView:
    """One volume, every run side by side."""

    key: str
    name: str
    size: str
    has_truth: bool
    scores: ScoreTable | None
    sections: ScoreTable | None
    training_data: list[tuple[str, str]]
    runs: list[RunErrors]
    worst: SectionView
    others: list[SectionView]


def write_report(path: Path | str, runs: Sequence[RunContent], *, title: str) -> Path:
    """Write one HTML file that shows what went wrong where.

    Parameters
    ----------
    path : Path
        Replaced if it exists; written to a temporary name beside it first, so it is never half a page.
    runs : sequence of RunContent
        Several runs are compared: volumes of one name stand side by side.
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
    return write_page(path, render_report(runs, title=title))


def render_report(runs: Sequence[RunContent], *, title: str) -> str:
    """Return the page that `write_report` writes."""
    check_runs([(run.name, {v.name: v.segmentation.shape for v in run.volumes}) for run in runs])
    volumes = _by_volume(runs)
    means = mean_headline(volumes)
    return fill(
        "report.html.j2",
        title=title,
        headline=headline(volumes) if volumes else "No volume was segmented yet.",
        findings=_findings(volumes),
        means=sorted(means.items(), key=lambda pair: pair[1]),
        largest_mean=max(means.values(), default=0.0),
        run_names=[run.name for run in runs],
        volumes=[_volume_view(segmented, index) for index, segmented in enumerate(volumes)],
        curves=curve_panels(runs),
        sweep=sweep_figure(runs),
        thresholds=[(run.name, run.chosen_threshold) for run in runs if run.chosen_threshold is not None],
        configs=configurations([(run.name, run.config_yaml) for run in runs]),
    )


def _findings(volumes: Sequence[Sequence[Segmented]]) -> list[Finding]:
    """Sum up each run's errors in each volume in a sentence."""
    return [
        Finding(
            one.run, f"{one.run}, {one.content.name}" if len(volumes) > 1 else one.run, error_sentence(one)
        )
        for segmented in volumes
        for one in segmented
        if one.errors is not None
    ]


def _by_volume(runs: Sequence[RunContent]) -> list[list[Segmented]]:
    """Group the runs' volumes by name, in order of appearance."""
    names = dict.fromkeys(volume.name for run in runs for volume in run.volumes)
    keys = {name: index for index, name in enumerate(names)}
    grouped: list[list[Segmented]] = [[] for _ in names]
    for index, run in enumerate(runs):
        for volume in run.volumes:
            errors = None
            if volume.truth is not None:
                errors = find_errors(
                    truth=volume.truth,
                    segmentation=volume.segmentation,
                    tables=volume.tables,
                    linked_sections=run.linked_sections,
                    limit=LISTED_ERRORS,
                )
            key = f"{keys[volume.name]}-{index}"
            grouped[keys[volume.name]].append(Segmented(run.name, key, volume, errors, run.linked_sections))
    return grouped


def _volume_view(segmented: Sequence[Segmented], index: int) -> VolumeView:
    volume = segmented[0].content
    found = [one.errors for one in segmented if one.errors is not None]
    worst, *others = _chosen_sections(found, volume.sections)
    top = max((float(section_shares(errors).max()) for errors in found), default=0.0)
    size = " x ".join(str(n) for n in volume.segmentation.shape)
    voxel = " x ".join(f"{step:g}" for step in volume.voxel_size)
    return VolumeView(
        key=str(index),
        name=volume.name,
        size=f"{size} voxels (z, y, x) of {voxel}",
        has_truth=bool(found),
        scores=volume_table(segmented),
        sections=section_table(segmented),
        training_data=training_data_notes(segmented),
        runs=[_run_errors(one, top) for one in segmented],
        worst=section_view(segmented, worst, side=LARGE_SIDE, pins=True),
        others=[section_view(segmented, z, side=SMALL_SIDE, pins=False) for z in sorted(others)],
    )


def _chosen_sections(found: Sequence[VolumeErrors], depth: int) -> list[int]:
    """Return the worst section, then bad ones that are no neighbours; without truth the middle first."""
    if found:
        wrong = np.sum([errors.wrong_voxels for errors in found], axis=0)
    else:
        wrong = -np.abs(np.arange(depth) - depth // 2)
    apart = max(1, depth // 5)
    chosen: list[int] = []
    for z in np.argsort(-wrong, kind="stable").tolist():
        if all(abs(z - other) >= apart for other in chosen):
            chosen.append(z)
    return chosen[: 1 + OTHER_SECTIONS]


def _run_errors(one: Segmented, top: float) -> RunErrors:
    if one.errors is None:
        return RunErrors(one.run, "", None, [])
    bars = section_figure(one.errors, f"bars{one.key}", top) if one.content.sections > 1 else None
    wrong = one.errors.wrong_voxels.sum() / max(1, int(one.errors.object_voxels.sum()))
    return RunErrors(one.run, f"{wrong:.1%}", bars, error_cards(one))
