"""Curves and bars as SVG that takes its colours from the page, so that one figure serves light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from objectwise.report.content import RunContent
from objectwise.report.errors_found import KINDS, Kind, VolumeErrors
from objectwise.report.mask_content import MaskRun

Series = NDArray[np.float64]
Trained = RunContent | MaskRun

# Stand-ins that no figure uses otherwise; each becomes a variable of the style sheet.
_INK, _MUTED, _LINE = "#010203", "#040506", "#070809"
_RUNS = ("#0a0b0c", "#0d0e0f", "#101112", "#131415")
_ERRORS = ("#161718", "#191a1b", "#1c1d1e")
_VARIABLES = {
    _INK: "--ink",
    _MUTED: "--muted",
    _LINE: "--line",
    **{colour: f"--run-{index}" for index, colour in enumerate(_RUNS)},
    **dict(zip(_ERRORS, ("--split", "--merge", "--missed"), strict=True)),
}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = ("o", "s", "^", "D")
_HATCHES = ("....", "////", "xxxx")
_KIND_NAMES: dict[Kind, str] = {"split": "split", "merge": "merged", "missed": "missed"}
_MOST_BARS = 48
"""Sections drawn as bars; more would leave no room for the patterns."""
_NO_TERMS = ("step", "epoch", "learning_rate", "steps_per_second", "waiting")
"""Columns of a training log that are no part of the loss."""
_MOST_POINTS = 400
"""Points of a drawn curve: twice what a panel has pixels for."""

_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.7,
}


class Line(NamedTuple):
    """A score over the threshold, with the threshold that was chosen by it."""

    label: str
    pairs: Sequence[tuple[float, float]]
    chosen: float | None = None


def curve_panels(runs: Sequence[Trained]) -> list[tuple[str, Markup]]:
    """Draw one panel per loss term, every run in it, the raw values faint under the smoothed ones.

    Returns
    -------
    list of (term, svg)
        Without the terms that were never logged.
    """
    terms = dict.fromkeys(
        term for run in runs for term in run.curves if term not in _NO_TERMS and _logged(run, term)
    )
    return [(term, _curve_panel(runs, term, f"curve{index}")) for index, term in enumerate(terms)]


def sweep_figure(runs: Sequence[RunContent]) -> Markup | None:
    """Draw the adapted Rand error over the threshold, each run's choice marked; None without a sweep."""
    lines = [Line(run.name, run.sweep, run.chosen_threshold) for run in runs]
    return threshold_figure(lines, score="adapted Rand error", of="affinities")


def threshold_figure(
    lines: Sequence[Line], *, score: str, of: str, top: float | None = None
) -> Markup | None:
    """Draw scores over the threshold, the choice of each line marked; None without a sweep.

    Parameters
    ----------
    lines : one a run, or one a score
    score : what the vertical axis is called
    of : what the threshold is one of
    top : end of the vertical axis, by default that of the data
    """
    if not any(line.pairs for line in lines):
        return None
    with _figure("sweep", f"{score[:1].upper()}{score[1:]} over threshold", (5.4, 3.0)) as (axes, svg):
        thresholds = np.array([pair[0] for line in lines for pair in line.pairs], dtype=np.float64)
        inside = bool(((thresholds > 0) & (thresholds < 1)).all())
        if inside and thresholds.max() > 0.96:
            _logit_axis(axes, thresholds)
        for index, line in enumerate(lines):
            _draw_sweep(axes, line, index)
        axes.set(xlabel=f"threshold on the {of}", ylabel=score, ylim=(0, top))
        if len(lines) > 1:
            axes.legend()
    return svg[0]


def section_figure(errors: VolumeErrors, name: str, top: float) -> Markup:
    """Draw the share of each section's object voxels in error, by kind, up to `top`."""
    share = section_shares(errors)
    with _figure(name, "Share of object voxels in error, by section", (5.4, 1.8)) as (axes, svg):
        z = np.arange(len(share))
        for index, kind in enumerate(KINDS):
            name = _KIND_NAMES[kind]
            if len(share) > _MOST_BARS:
                axes.step(
                    z, 100 * share[:, index], where="mid", label=name,
                    color=_ERRORS[index], linestyle=_DASHES[index], linewidth=1.4,
                )  # fmt: skip
                continue
            axes.bar(
                z + 0.27 * (index - 1),
                100 * share[:, index],
                0.27,
                label=name,
                color="none",
                edgecolor=_ERRORS[index],
                linewidth=0.8,
                hatch=_HATCHES[index],
            )
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="section z", ylabel="% of voxels", ylim=(0, 100 * top * 1.08 or 1))
        axes.set_xlim(-0.6, len(share) - 0.4)
        axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return svg[0]


def section_shares(errors: VolumeErrors) -> Series:
    """Return the share of each section's object voxels in error, (z, 3) float64 in the order of `KINDS`."""
    shares: Series = errors.section_voxels / np.maximum(errors.object_voxels, 1)[:, None]
    return shares


def smoothed(values: Series) -> Series:
    """Return a centred moving average over a fortieth of the curve, shorter at the ends."""
    reach = max(1, len(values) // 80)
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    average: Series = (total[last] - total[first]) / (last - first)
    return average


def _logged(run: Trained, term: str) -> bool:
    values = np.asarray(run.curves.get(term, ()), dtype=np.float64)
    return bool(np.isfinite(values).any())


def _points(curves: Mapping[str, Any], term: str) -> tuple[Series, Series]:
    steps = np.asarray(curves["step"], dtype=np.float64)
    values = np.asarray(curves[term], dtype=np.float64)
    kept = np.isfinite(steps) & np.isfinite(values)
    order = np.argsort(steps[kept], kind="stable")  # a resumed run may have logged a step twice
    return steps[kept][order], values[kept][order]


def _curve_panel(runs: Sequence[Trained], term: str, name: str) -> Markup:
    with _figure(name, f"Training curve: {term}", (4.6, 2.7)) as (axes, svg):
        everything: list[Series] = []
        for index, run in enumerate(runs):
            if not _logged(run, term):
                continue
            steps, values = _points(run.curves, term)
            everything.append(values)
            _draw_curve(axes, steps, values, index, run.name)
        together = np.concatenate(everything)
        positive = together[together > 0]
        if positive.size == together.size and positive.max() > 8 * positive.min():
            _log_axis(axes, positive)
        _mark_warmup(axes, runs)
        axes.set(title=term, xlabel="step")
        if len(everything) > 1:
            axes.legend()
    return svg[0]


def _draw_curve(axes: Axes, steps: Series, values: Series, index: int, label: str) -> None:
    colour, dashes = _RUNS[index % len(_RUNS)], _DASHES[index % len(_DASHES)]
    stride = -(-len(values) // _MOST_POINTS)
    if len(values) == 1:
        axes.plot(steps, values, _MARKERS[index % len(_MARKERS)], color=colour, label=label)
        return
    axes.plot(steps[::stride], values[::stride], color=colour, alpha=0.28, linewidth=0.7)
    axes.plot(
        steps[::stride], smoothed(values)[::stride],
        color=colour, linestyle=dashes, linewidth=1.8, label=label,
    )  # fmt: skip


def _mark_warmup(axes: Axes, runs: Sequence[Trained]) -> None:
    ends = sorted({run.warmup_steps for run in runs if run.warmup_steps > 0})
    for end in ends:
        axes.axvspan(0, end, color=_MUTED, alpha=0.09, linewidth=0)
        axes.axvline(end, color=_MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            "warm-up", (end, 1), xycoords=("data", "axes fraction"), xytext=(-3, -2), color=_MUTED,
            textcoords="offset points", ha="right", va="top", rotation=90, fontsize=8,
        )  # fmt: skip


def _draw_sweep(axes: Axes, line: Line, index: int) -> None:
    pairs = np.array(sorted(line.pairs), dtype=np.float64).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        return
    style = index % len(_RUNS)
    axes.plot(
        pairs[:, 0], pairs[:, 1], color=_RUNS[style], linestyle=_DASHES[style], marker=_MARKERS[style],
        markersize=3.5, linewidth=1.6, label=line.label,
    )  # fmt: skip
    if line.chosen is None:
        return
    chosen = int(np.argmin(np.abs(pairs[:, 0] - line.chosen)))
    axes.plot(
        *pairs[chosen], color=_RUNS[style], marker="o", markersize=11, markerfacecolor="none",
        markeredgewidth=1.6,
    )  # fmt: skip
    axes.annotate(
        f"{line.chosen:g}", pairs[chosen], xytext=(0, 9), textcoords="offset points", ha="center",
        fontsize=9, fontweight="bold",
    )  # fmt: skip


def _log_axis(axes: Axes, values: Series) -> None:
    """Scale by powers of ten, labelled with plain numbers: mathematical text is off, names may hold a $."""
    axes.set_yscale("log")
    narrow = values.max() < 100 * values.min()
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())


def _logit_axis(axes: Axes, thresholds: Series) -> None:
    """Spread the thresholds near 1, where a trained network's affinities lie."""
    axes.set_xscale("logit")
    ticks = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.999, 0.9999)
    low, high = thresholds.min(), thresholds.max()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())


@contextmanager
def _figure(name: str, description: str, size: tuple[float, float]) -> Iterator[tuple[Axes, list[Markup]]]:
    """Give axes in the page's style; on leaving, the list holds the finished SVG."""
    finished: list[Markup] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        yield axes, finished
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        finished.append(_inline(buffer.getvalue(), name, description))


def _inline(svg: str, name: str, description: str) -> Markup:
    """Make a stand-alone SVG part of a page: no prologue, ids of its own, colours from the style sheet.

    Matplotlib has escaped every text in it; only the description is added here.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(?<=\sid=")', f"{name}-", svg)
    svg = re.sub(r'(xlink:)?href="#', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    opening = f'<svg class="figure" role="img" aria-label="{escape(description)}"'
    return Markup(opening + svg[len("<svg") :])
