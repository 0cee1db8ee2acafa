"""`segment` forwards by name; stacks stay stacks."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood, affinities_from_labels
from objectwise.segmentation import (
    METHODS,
    agglomerate,
    seeded_watershed,
    segment,
    segmenter,
    threshold_components,
)

EACH = pytest.mark.parametrize("method", METHODS)


def test_segment_is_the_function_of_that_name():
    affinities = np.random.default_rng(0).random((3, 4, 9, 9), dtype=np.float32)
    functions = (threshold_components, seeded_watershed, agglomerate)
    for method, function in zip(METHODS, functions, strict=True):
        by_name = segment(affinities, Neighborhood.nearest(3), method=method, threshold=0.6, minimum_size=3)
        by_function = function(affinities, Neighborhood.nearest(3), threshold=0.6, minimum_size=3)
        np.testing.assert_array_equal(by_name, by_function)
        assert by_name.dtype == np.int64


@EACH
@pytest.mark.parametrize("minimum_size", [0, 4])
def test_sections_of_a_stack_are_never_joined(method, minimum_size):
    rng = np.random.default_rng(0)
    flat = Neighborhood([[-1, 0], [0, -1], [3, -2]])
    affinities = 0.95 + 0.05 * rng.random((3, 6, 12, 14), dtype=np.float32)
    labels = segment(affinities, flat.embedded(), method=method, threshold=0.98, minimum_size=minimum_size)
    seen = set()
    for z in range(6):
        ids = set(np.unique(labels[z])) - {0}
        assert ids
        assert not ids & seen
        seen |= ids
        alone = segment(affinities[:, z], flat, method=method, threshold=0.98, minimum_size=minimum_size)
        pairs = np.unique(np.stack([labels[z].ravel(), alone.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


@EACH
def test_exact_affinities_give_the_objects_back(method):
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3]])
    affinities = affinities_from_labels(labels, Neighborhood.nearest(2))
    np.testing.assert_array_equal(
        segment(affinities, Neighborhood.nearest(2), method=method, threshold=0.5), labels
    )


def test_an_unknown_method_is_answered_with_the_known_ones():
    message = "`method` must be one of 'components', 'watershed', 'agglomeration', got 'mutex'"
    with pytest.raises(ArgumentError, match=message):
        segment(np.ones((1, 2, 2)), [[0, 1]], method="mutex", threshold=0.5)


@pytest.mark.parametrize("method", ["components", "watershed"])
def test_an_option_without_effect_is_refused(method):
    with pytest.raises(
        ArgumentError, match=f"`fragment_threshold` must be left out with `method` '{method}'"
    ):
        segment(np.ones((1, 2, 2)), [[0, 1]], method=method, threshold=0.5, fragment_threshold=0.9)


def graph_with(value, at):
    affinities = np.full((2, 3, 4), 0.5)
    affinities[at] = value
    return affinities, Neighborhood.nearest(2)


@EACH
@pytest.mark.parametrize("value", [1.5, -0.25, 1 + 1e-12])
def test_affinities_that_are_no_probabilities_are_refused(method, value):
    message = rf"`affinities` must lie in 0..1, got {value} at \(1, 2, 3\); pass probabilities"
    with pytest.raises(ArgumentError, match=message):
        segment(*graph_with(value, (1, 2, 3)), method=method, threshold=0.5)


@EACH
@pytest.mark.parametrize("value", [7, np.nan, np.inf])
def test_edges_that_leave_the_volume_may_hold_anything(method, value):
    affinities, offsets = graph_with(-1, (0, 0))
    affinities[1, :, 0] = value
    inside, _ = graph_with(0.5, (0, 0))
    for threshold in (0, 0.5):
        np.testing.assert_array_equal(
            segment(affinities, offsets, method=method, threshold=threshold),
            segment(inside, offsets, method=method, threshold=threshold),
        )


@EACH
@pytest.mark.parametrize("threshold", [-0.1, 1.5, 7])
def test_thresholds_that_are_no_probabilities_are_refused(method, threshold):
    affinities, offsets = graph_with(0.5, 0)
    with pytest.raises(ArgumentError, match=f"`threshold` must lie in 0..1, got {threshold}"):
        segment(affinities, offsets, method=method, threshold=threshold)
    with pytest.raises(ArgumentError, match=f"`threshold` must lie in 0..1, got {threshold}"):
        segmenter(affinities, offsets, method=method)(threshold)
    if method == "agglomeration":
        with pytest.raises(ArgumentError, match=f"`fragment_threshold` must lie in 0..1, got {threshold}"):
            segment(affinities, offsets, method=method, threshold=0.5, fragment_threshold=threshold)


@EACH
def test_what_is_wrong_is_said_before_any_work(monkeypatch, method):
    affinities, offsets = graph_with(0.5, 0)
    for module in ("segment", "agglomeration"):
        monkeypatch.setattr(import_module(f"objectwise.segmentation.{module}"), "seeded_watershed", None)
    for options in ({"threshold": 2}, {"threshold": 0.5, "minimum_size": -1}, {"threshold": np.nan}):
        with pytest.raises(ArgumentError):
            segment(affinities, offsets, method=method, **options)


def test_functions_for_which_the_order_alone_matters_take_logits():
    affinities = np.random.default_rng(0).random((2, 5, 6))
    logits = np.log(affinities / (1 - affinities))
    for function in (threshold_components, seeded_watershed):
        of_logits = function(logits, Neighborhood.nearest(2), threshold=0.0)
        np.testing.assert_array_equal(of_logits, function(affinities, Neighborhood.nearest(2), threshold=0.5))
