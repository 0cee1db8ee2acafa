"""The threshold with the least adapted Rand error is found, and the choice is explained."""

from __future__ import annotations

import math

import numpy as np
import pytest

from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood
from objectwise.metrics import Scores
from objectwise.pipeline import Sweep, merge_sweeps, sweep_thresholds

OFFSETS = Neighborhood.nearest(2).embedded()


def two_cells() -> tuple[np.ndarray, np.ndarray]:
    """Two objects side by side; inner edges 0.8 or 0.9, the edges between them 0.6."""
    truth = np.repeat([[[1, 1, 2, 2]]], 3, axis=1).astype(np.int64)
    affinities = np.full((2, 1, 3, 4), 0.9, np.float32)
    affinities[1, 0, :, 2] = 0.6
    affinities[0, 0, :, 3] = 0.8
    return truth, affinities


def sweep(candidates: list[float], dimensions: int = 2) -> Sweep:
    truth, affinities = two_cells()
    return sweep_thresholds(
        affinities=affinities, truth=truth, offsets=OFFSETS, dimensions=dimensions, candidates=candidates
    )


@pytest.mark.parametrize("dimensions", [2, 3])
def test_best_threshold_separates_the_objects(dimensions: int):
    found = sweep([0.3, 0.7, 0.95], dimensions)
    assert found.best() == 0.7
    assert found.means()[1]["adapted_rand_error"] == 0
    assert found.means()[0]["voi_merge"] > 0
    assert found.means()[2]["adapted_rand_error"] > 0.5


def test_ties_go_to_the_higher_threshold():
    assert sweep([0.7, 0.62, 0.75, 0.1]).best() == 0.75


def test_candidates_are_sorted_and_tried_once():
    assert sweep([0.7, 0.3, 0.7]).thresholds == (0.3, 0.7)


def test_sections_count_alike_over_volumes():
    def scores(error: float) -> dict[str, float]:
        return Scores(0.0, 0.0, error, 0.0)._asdict()

    nothing = Scores(*[math.nan] * 4)._asdict()
    one = Sweep((0.1, 0.9), ((scores(0.0), scores(0.0), nothing), (scores(0.1), scores(0.1), nothing)))
    other = Sweep((0.1, 0.9), ((scores(0.9),), (scores(0.0),)))
    merged = merge_sweeps([one, other])
    assert [mean["adapted_rand_error"] for mean in merged.means()] == pytest.approx([0.3, 0.2 / 3])
    assert merged.best() == 0.9
    assert one.best() == 0.1


def test_thresholds_without_a_score_are_not_chosen():
    good, better, nothing = (Scores(error, error, error, error)._asdict() for error in (0.4, 0.2, math.nan))
    for units in ([nothing, good, better], [good, nothing, better], [good, better, nothing]):
        swept = Sweep((0.1, 0.2, 0.3), tuple((unit,) for unit in units))
        assert swept.best() == swept.thresholds[units.index(better)]
    nowhere = Sweep((0.1, 0.2), ((nothing,), (nothing, nothing)))
    assert all(map(math.isnan, (number for mean in nowhere.means() for number in mean.values())))
    with pytest.raises(ArgumentError, match=r"`units` must hold a score .* got none at \(0.1, 0.2\)"):
        nowhere.best()


def test_wrong_arguments_are_named():
    with pytest.raises(ArgumentError, match="`candidates` must hold at least one threshold"):
        sweep([])
    with pytest.raises(ArgumentError, match="`sweeps` must hold at least one sweep"):
        merge_sweeps([])
    with pytest.raises(ArgumentError, match="`sweeps` must have the same thresholds"):
        merge_sweeps([sweep([0.1]), sweep([0.2])])
