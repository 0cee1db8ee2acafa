"""The verdict says what the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.report import VolumeContent
from objectwise.report.errors_found import find_errors
from objectwise.report.sections import Segmented
from objectwise.report.verdict import error_sentence, headline, score_text, section_table, volume_table
from tests.report.made_up import volume


def segmented(run: str, rand: float, name: str = "v", **changes: object) -> Segmented:
    content: VolumeContent = volume(name, scores={"adapted_rand_error": rand}, **changes)
    assert content.truth is not None
    errors = find_errors(truth=content.truth, segmentation=content.segmentation)
    return Segmented(run, "0-0", content, errors, linked_sections=True)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.2], "Adapted Rand error 0.200 on v."),
        ([0.2, 0.1], "b wins: adapted Rand error 0.100 against 0.200 for a, 50% lower, on v."),
        ([0.2, 0.2], "a and b tie: adapted Rand error 0.200 on v."),
        ([0.0, 0.0], "a and b tie: adapted Rand error 0.000 on v."),
        ([np.nan, 0.1], "No scores were given."),
    ],
)
def test_headline_names_the_winner_and_by_how_much(scores: list[float], expected: str) -> None:
    runs = [segmented(name, score) for name, score in zip("ab", scores, strict=False)]
    assert headline([runs]) == expected


def test_headline_takes_the_mean_of_the_volumes_that_all_runs_share() -> None:
    volumes = [
        [segmented("a", 0.1, "v"), segmented("b", 0.4, "v")],
        [segmented("a", 0.3, "w"), segmented("b", 0.4, "w")],
        [segmented("a", 0.9, "alone")],
    ]
    expected = "a wins: adapted Rand error 0.200 against 0.400 for b, 50% lower, on the mean of 2 volumes."
    assert headline(volumes) == expected


def test_sentence_counts_errors_and_names_the_heaviest_kind() -> None:
    sentence = error_sentence(segmented("a", 0.1))
    assert sentence == (
        "1 object is split, 1 segment merges several objects and 1 object is missed. "
        "Most voxels (25.0%) are lost to merges."
    )


def test_tables_mark_the_best_run_and_the_worst_section() -> None:
    first = segmented("a", 0.3)
    second = segmented(
        "b", 0.1, section_scores=[{"adapted_rand_error": value} for value in (0.5, 0.1, np.nan)]
    )
    table = volume_table([first, second])
    assert table is not None
    assert [[cell.best for cell in cells] for _, cells in table.rows] == [[False], [True]]
    by_section = section_table([first, second])
    assert by_section is not None
    assert by_section.columns == ("Adapted Rand error, a", "Adapted Rand error, b")
    assert [[cell.worst for cell in cells] for _, cells in by_section.rows] == [
        [False, True],
        [False, False],
        [True, False],
    ]
    assert [[cell.best for cell in cells] for _, cells in by_section.rows] == [
        [True, False],
        [False, True],
        [True, False],
    ]


def test_undefined_scores_are_words() -> None:
    assert score_text(float("nan")) == "undefined"
    assert score_text(0.12345) == "0.123"
