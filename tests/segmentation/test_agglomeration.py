"""Agglomeration: against merging the best pair one at a time, and what it is for."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, MissingPackageError, ShapeError
from objectwise.graph import Neighborhood, affinities_from_labels, components_from_affinities
from objectwise.segmentation import agglomerate, seeded_watershed
from objectwise.segmentation.agglomeration import region_graph
from tests.oracles.segmentation import merge_by_mean_affinity
from tests.segmentation.strategies import TABLES

thresholds = st.sampled_from([0.0, 0.3, 0.45, 0.6, 0.9])


@st.composite
def distinct_graphs(draw):
    """Affinities without ties, whose means hardly ever tie, and the offsets that belong to them."""
    ndim = draw(st.sampled_from([2, 3]))
    offsets = np.array(draw(st.sampled_from(TABLES[ndim])))
    spatial = tuple(draw(st.integers(int(side), 6)) for side in 1 + np.abs(offsets).max(axis=0))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return rng.random((len(offsets), *spatial)), offsets


@given(distinct_graphs(), thresholds, st.sampled_from([0.7, 0.9, 1.0]))
def test_agglomeration_equals_merging_the_best_pair_one_at_a_time(graph, threshold, fragment_threshold):
    affinities, offsets = graph
    fragments = seeded_watershed(affinities, offsets, threshold=fragment_threshold, minimum_size=2)
    labels = agglomerate(
        affinities, offsets, threshold=threshold, minimum_size=2, fragment_threshold=fragment_threshold
    )
    expected = merge_by_mean_affinity(affinities, offsets, fragments, threshold)
    np.testing.assert_array_equal(labels, expected)


@given(distinct_graphs())
def test_every_cut_of_one_graph_is_the_agglomeration_at_that_threshold(graph):
    affinities, offsets = graph
    shared = region_graph(affinities, offsets, fragment_threshold=0.8)
    for threshold in (0.1, 0.4, 0.7):
        alone = agglomerate(affinities, offsets, threshold=threshold, fragment_threshold=0.8)
        np.testing.assert_array_equal(shared.cut(threshold), alone)


@given(st.integers(1, 97), st.sampled_from([np.float32, np.float64]), st.integers(1, 7), st.data())
def test_components_and_agglomeration_agree_where_all_edges_between_fragments_are_equal(
    hundredths, dtype, side, data
):
    value = hundredths / 100  # hardly any is a float32, and many sums of equal float64 round up
    ids = np.array(
        data.draw(st.lists(st.lists(st.integers(1, 3), min_size=3, max_size=3), min_size=2, max_size=3))
    )
    blocks = np.kron(ids, np.ones((side, side), int))
    offsets = Neighborhood.nearest(2)
    if side == 1:
        blocks = np.kron(ids, np.ones((1, 2), int))
    affinities = np.where(affinities_from_labels(blocks, offsets) == 1, 1, value).astype(dtype)
    equal, below = dtype(value), np.nextafter(dtype(value), dtype(0))
    for threshold in (value, equal, float(equal), below, float(below)):
        merged = agglomerate(affinities, offsets, threshold=threshold)
        np.testing.assert_array_equal(merged, components_from_affinities(affinities, offsets, threshold))
    assert agglomerate(affinities, offsets, threshold=value).max() > 1 or len(np.unique(ids)) == 1


def test_one_wrong_edge_joins_no_two_objects():
    affinities = np.full((2, 20, 21), 0.999)
    affinities[1, :, 10] = 0.1  # the membrane between two objects, and one leak
    affinities[1, 7, 10] = 0.95
    leaking = seeded_watershed(affinities, Neighborhood.nearest(2), threshold=0.9)
    merged = agglomerate(affinities, Neighborhood.nearest(2), threshold=0.3)
    assert leaking.max() == 1
    assert merged.max() == 2
    np.testing.assert_array_equal(merged == 1, np.arange(21) < 10 + np.zeros((20, 1)))


def test_no_object_is_smaller_than_the_minimum_size():
    affinities = np.random.default_rng(0).random((3, 6, 30, 30), dtype=np.float32)
    labels = agglomerate(
        affinities, Neighborhood.nearest(3), threshold=0.6, minimum_size=9, fragment_threshold=0.8
    )
    assert np.bincount(labels.ravel())[1:].min() >= 9


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_edges_alike_give_no_object_or_one(value):
    labels = agglomerate(np.full((2, 5, 6), value), Neighborhood.nearest(2), threshold=0.5)
    np.testing.assert_array_equal(labels, np.full((5, 6), int(value)))


def test_a_view_and_its_copy_give_one_result():
    affinities = np.random.default_rng(2).random((2, 30, 30), dtype=np.float32)[:, ::2, ::-1]
    options = {"threshold": 0.5, "fragment_threshold": 0.7}
    np.testing.assert_array_equal(
        agglomerate(affinities, Neighborhood.nearest(2), **options),
        agglomerate(affinities.copy(), Neighborhood.nearest(2), **options),
    )


def test_bad_arguments_are_refused_by_name():
    good = np.zeros((2, 4, 4))
    with pytest.raises(ShapeError, match="`affinities`"):
        agglomerate(good, [[0, 1]], threshold=0.5)
    with pytest.raises(ArgumentError, match="`threshold` must be finite, got nan"):
        agglomerate(good, Neighborhood.nearest(2), threshold=np.nan)
    with pytest.raises(ArgumentError, match="`fragment_threshold` must be finite, got inf"):
        agglomerate(good, Neighborhood.nearest(2), threshold=0.5, fragment_threshold=np.inf)
    with pytest.raises(ArgumentError, match=r"`fragment_threshold` must lie in 0\.\.1, got 7"):
        agglomerate(good, Neighborhood.nearest(2), threshold=0.5, fragment_threshold=7)
    with pytest.raises(ArgumentError, match=r"`affinities` must lie in 0..1, got 3.0 at \(0, 1, 0\)"):
        agglomerate(good + 3, Neighborhood.nearest(2), threshold=0.5)
    with pytest.raises(ArgumentError, match="`minimum_size` must be 0 or more voxels, got -1"):
        agglomerate(good, Neighborhood.nearest(2), threshold=0.5, minimum_size=-1)


def test_without_bioimage_cpp_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "bioimage_cpp.graph", None)
    with pytest.raises(MissingPackageError, match=r"install objectwise\[pipeline\]"):
        agglomerate(np.full((2, 3, 3), 0.9), Neighborhood.nearest(2), threshold=0.5)
