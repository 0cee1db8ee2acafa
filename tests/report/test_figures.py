"""Figures survive odd logs, and take their colours from the page."""

from __future__ import annotations

import re

import numpy as np
import pytest

from objectwise.report.errors_found import find_errors
from objectwise.report.figures import curve_panels, section_figure, smoothed, sweep_figure
from tests.report.made_up import blocks, run, with_errors


@pytest.mark.parametrize(
    "curves",
    [
        {"step": [0], "loss": [0.5]},
        {"step": [0, 1, 1, 2], "loss": [1.0, np.nan, 0.5, np.inf]},
        {"step": [0, 1], "loss": [-1.0, 2.0]},
        {"step": [0, 1, 2], "loss": [1.0, 1e-3, 1e-9]},
        {"step": [0, 1], "loss": [0.0, 0.0]},
    ],
    ids=["one step", "undefined values", "negative", "decades", "all zero"],
)
def test_curve_of_an_odd_log_is_drawn(curves: dict[str, list[float]]) -> None:
    ((term, svg),) = curve_panels([run(curves=curves)])
    assert term == "loss"
    assert svg.startswith("<svg")


def test_curves_without_a_value_are_left_out() -> None:
    curves = {"step": [0, 1], "epoch": [0, 0], "malis": [np.nan, np.nan]}
    assert curve_panels([run(curves=curves), run("b", curves={})]) == []
    assert curve_panels([run(curves={"step": [], "loss": []})]) == []


def test_only_terms_of_the_loss_are_drawn_as_such() -> None:
    columns = {name: [1.0, 0.5] for name in ("loss", "bce", "malis", "learning_rate", "steps_per_second")}
    terms = [term for term, _ in curve_panels([run(curves={"step": [0, 1], **columns})])]
    assert terms == ["loss", "bce", "malis"]


def test_long_curve_stays_small() -> None:
    steps = np.arange(100_000)
    ((_, svg),) = curve_panels(
        [run(curves={"step": steps, "loss": np.random.default_rng(0).random(100_000)})]
    )
    assert len(svg) < 80_000


def test_figures_have_no_colour_of_their_own() -> None:
    panels = [svg for _, svg in curve_panels([run(), run("b")])]
    sweep = sweep_figure([run(), run("b")])
    errors = find_errors(truth=blocks(3), segmentation=with_errors(blocks(3)))
    bars = section_figure(errors, "bars", 0.5)
    assert sweep is not None
    for svg in (*panels, sweep, bars):
        assert "var(--" in svg
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000", "#ffffff"}


def test_section_figure_of_many_sections_draws_lines() -> None:
    truth = blocks(60, side=24)
    errors = find_errors(truth=truth, segmentation=with_errors(truth))
    assert "pattern" not in section_figure(errors, "bars", 0.5)


def test_sweep_is_none_without_one_and_survives_undefined_errors() -> None:
    assert sweep_figure([run(sweep=[])]) is None
    assert sweep_figure([run(sweep=[(0.5, float("nan"))])]) is not None
    assert sweep_figure([run(sweep=[(0.5, 0.1)], chosen_threshold=None)]) is not None
    assert sweep_figure([run(sweep=[(0.0, 0.1), (1.0, 0.2)])]) is not None


def test_smoothing_keeps_length_and_constants() -> None:
    np.testing.assert_allclose(smoothed(np.full(300, 0.25)), 0.25)
    assert len(smoothed(np.arange(7.0))) == 7
    noise = np.random.default_rng(0).random(800)
    assert smoothed(noise).std() < 0.4 * noise.std()
