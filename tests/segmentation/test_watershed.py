"""Seeded watershed: against Prim one edge at a time, against bioimage-cpp, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import Neighborhood
from objectwise.graph.axes import as_channels, as_steps, as_volume
from objectwise.kernels.watershed import flood
from objectwise.segmentation import seeded_watershed, threshold_components
from tests.oracles.segmentation import flood_one_by_one
from tests.segmentation.strategies import affinity_graphs

thresholds = st.sampled_from([0.0, 0.3, 0.6, 0.9])


def shuffled(affinities, seed):
    """The same order of affinities everywhere distinct: ties broken at random."""
    rng = np.random.default_rng(seed)
    ranks = np.lexsort((rng.random(affinities.size), affinities.ravel())).argsort()
    return (ranks.reshape(affinities.shape) / affinities.size).astype(affinities.dtype)


@given(affinity_graphs(), st.integers(0, 99), st.integers(0, 4), st.booleans())
def test_flooding_equals_prim_where_affinities_differ(graph, seed, n_seeds, is_masked):
    affinities, offsets = shuffled(graph[0], seed), graph[1]
    rng = np.random.default_rng(seed)
    mask = rng.random(affinities.shape[1:]) < (0.8 if is_masked else 2)
    seeds = np.zeros(mask.shape, np.int64)
    seeds.flat[rng.integers(0, mask.size, n_seeds)] = rng.integers(1, 4, n_seeds)
    seeds *= mask
    labels = flood(as_channels(affinities), as_steps(offsets), as_volume(seeds), as_volume(mask))
    expected = flood_one_by_one(affinities, offsets, seeds, mask)
    np.testing.assert_array_equal(labels.reshape(seeds.shape), expected)


@pytest.mark.parametrize("shape", [(23, 17), (7, 11, 13)])
def test_flooding_equals_bioimage_cpp_on_distinct_affinities(shape):
    segmentation = pytest.importorskip("bioimage_cpp.segmentation")
    rng = np.random.default_rng(0)
    offsets = Neighborhood.nearest(len(shape))
    affinities = rng.permutation(len(shape) * np.prod(shape)).reshape(-1, *shape).astype(np.float32)
    affinities /= affinities.max() + 1
    seeds = threshold_components(affinities, offsets, threshold=0.8, minimum_size=4)
    labels = seeded_watershed(affinities, offsets, threshold=0.8, minimum_size=4)
    assert seeds.max() > 3
    expected = segmentation.watershed_from_affinities(affinities, offsets.offsets, seeds)
    np.testing.assert_array_equal(labels, expected)


@given(affinity_graphs(), thresholds, st.integers(0, 4))
def test_watershed_extends_the_large_components_and_keeps_them_apart(graph, threshold, minimum_size):
    affinities, offsets = graph
    options = {"threshold": threshold, "minimum_size": minimum_size}
    seeds = threshold_components(affinities, offsets, **options)
    labels = seeded_watershed(affinities, offsets, **options)
    np.testing.assert_array_equal(labels[seeds > 0], seeds[seeds > 0])
    assert set(np.unique(labels)) - {0} == set(np.unique(seeds)) - {0}


@given(affinity_graphs(dtype=np.float64), thresholds, st.integers(0, 4))
def test_only_the_order_of_affinities_matters(graph, threshold, minimum_size):
    affinities, offsets = graph
    labels = seeded_watershed(affinities, offsets, threshold=threshold, minimum_size=minimum_size)
    bent = np.exp(3 * affinities)
    again = seeded_watershed(bent, offsets, threshold=float(np.exp(3 * threshold)), minimum_size=minimum_size)
    np.testing.assert_array_equal(again, labels)


def test_every_voxel_joins_an_object_where_edges_reach_it():
    rng = np.random.default_rng(1)
    affinities = rng.random((3, 6, 20, 20), dtype=np.float32)
    labels = seeded_watershed(affinities, Neighborhood.nearest(3), threshold=0.7, minimum_size=5)
    assert labels.min() == 1
    assert np.bincount(labels.ravel())[1:].min() >= 5


def test_a_small_component_joins_its_neighbour_by_the_best_edge():
    #             seed 1    | small  |    seed 2
    row = np.array([[[0, 0.9, 0.9, 0.2, 0.9, 0.3, 0.9, 0.9]]], np.float32)
    labels = seeded_watershed(row, [[0, -1]], threshold=0.5, minimum_size=3)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2, 2, 2]]
    assert threshold_components(row, [[0, -1]], threshold=0.5, minimum_size=3).tolist() == [
        [1, 1, 1, 0, 0, 2, 2, 2]
    ]


def test_ties_go_to_the_lower_edge_index():
    row = np.array([[[0, 0.9, 0.4, 0.4, 0.9]]], np.float32)
    assert seeded_watershed(row, [[0, -1]], threshold=0.5).tolist() == [[1, 1, 1, 2, 2]]


def test_nothing_grows_into_or_through_the_background_of_a_mask():
    row = np.array([[[0, 0.9, 0.8, 0.9, 0.1, 0.9]]], np.float32)
    mask = np.array([[True, True, False, True, True, True]])
    labels = seeded_watershed(row, [[0, -1]], threshold=0.5, mask=mask)
    # Voxel 3 is joined to voxel 2 by 0.9, but that edge ends outside; so it goes with the seed on its right.
    assert labels.tolist() == [[1, 1, 0, 2, 2, 2]]


@given(affinity_graphs(), thresholds, st.integers(0, 99))
def test_masked_voxels_are_background_and_a_full_mask_changes_nothing(graph, threshold, seed):
    affinities, offsets = graph
    mask = np.random.default_rng(seed).random(affinities.shape[1:]) < 0.7
    assert not seeded_watershed(affinities, offsets, threshold=threshold, mask=mask)[~mask].any()
    full = seeded_watershed(affinities, offsets, threshold=threshold, mask=np.ones_like(mask))
    np.testing.assert_array_equal(full, seeded_watershed(affinities, offsets, threshold=threshold))


def test_a_volume_without_a_seed_is_background():
    assert not seeded_watershed(np.zeros((2, 4, 4), np.float32), [[-1, 0], [0, -1]], threshold=0.5).any()


def test_one_voxel_wide_and_strided_volumes_are_segmented():
    rng = np.random.default_rng(2)
    affinities = rng.random((2, 9, 8, 14), dtype=np.float32)[:, ::2, :, ::-2]
    offsets = [[0, -1, 0], [0, 0, -1]]
    strided = seeded_watershed(affinities, offsets, threshold=0.6)
    np.testing.assert_array_equal(strided, seeded_watershed(affinities.copy(), offsets, threshold=0.6))
    assert seeded_watershed(np.ones((1, 1, 2), np.float32), [[0, 1]], threshold=0.5).tolist() == [[1, 1]]


NEAREST = np.array([[-1, 0], [0, -1]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"affinities": np.ones((2, 3, 3), int)}, DtypeError, "`affinities` must be float32 or float64"),
        ({"affinities": np.full((2, 3, 3), np.nan)}, ArgumentError, "`affinities` must be finite, got nan"),
        ({"affinities": np.ones((3, 3, 3))}, ShapeError, r"`offsets` must have one row per channel .*\(3\)"),
        ({"offsets": [[-5, 0], [0, -1]]}, ArgumentError, "`offsets` must be shorter than the volume"),
        ({"mask": np.ones((3, 3), int)}, DtypeError, "`mask` must be a numpy array of bool, got dtype int64"),
        ({"mask": [[True]]}, DtypeError, "`mask` must be a numpy array of bool, got list"),
        ({"mask": np.ones((3, 4), bool)}, ShapeError, r"`mask` and `one channel.* same shape.*\(3, 4\)"),
        ({"threshold": np.inf}, ArgumentError, "`threshold` must be finite, got inf"),
        ({"minimum_size": -1}, ArgumentError, "`minimum_size` must be 0 or more voxels, got -1"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {"affinities": np.ones((2, 3, 3)), "offsets": NEAREST, "threshold": 0.5} | change
    with pytest.raises(error, match=message):
        seeded_watershed(**arguments)
