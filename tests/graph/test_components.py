import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import affinities_from_labels, components_from_affinities
from tests.conftest import golden_cases
from tests.oracles import graph as oracle
from tests.oracles.partitions import assert_same_partition
from tests.strategies import labelled_graphs


@given(labelled_graphs(levels=4), st.sampled_from([-0.1, 0.0, 0.25, 0.5, 0.75, 1.0]))
def test_components_equal_a_flood_fill(graph, threshold):
    affinities, labels, offsets = graph
    joined = [(u, v) for edge, u, v in oracle.edges_of(labels.shape, offsets) if affinities[edge] > threshold]
    components = components_from_affinities(affinities, offsets, threshold)
    np.testing.assert_array_equal(components, oracle.components(labels.shape, joined))


@pytest.mark.parametrize("path", golden_cases("malis_*"), ids=lambda path: path.stem)
def test_components_at_half_equal_the_published_ones(path, load_golden):
    case = load_golden(path)
    components = components_from_affinities(case["affinities"], case["offsets"], 0.5)
    assert_same_partition(components, case["components_at_half"])


def test_components_of_true_affinities_are_the_connected_objects():
    labels = np.array([[5, 5, 0, 5], [0, 0, 0, 5], [7, 7, 7, 0]])
    affinities = affinities_from_labels(labels, [[-1, 0], [0, -1]])
    expected = [[1, 1, 0, 2], [0, 0, 0, 2], [3, 3, 3, 0]]
    np.testing.assert_array_equal(components_from_affinities(affinities, [[-1, 0], [0, -1]], 0.5), expected)


def test_an_edge_at_the_threshold_does_not_join():
    # 0.1 is not a float32: the threshold is compared in the dtype of the affinities, so equal stays equal.
    for dtype in (np.float32, np.float64):
        affinities = np.array([[[0.0, 0.1]]], dtype)
        assert not components_from_affinities(affinities, [[0, -1]], 0.1).any()


def test_edges_that_leave_the_volume_are_never_read():
    affinities = np.full((1, 1, 3), 0.9, np.float32)
    affinities[0, 0, 1] = 0.0  # joins voxels 0 and 1; that of voxel 0 leaves the volume
    np.testing.assert_array_equal(components_from_affinities(affinities, [[0, -1]], 0.5), [[0, 1, 1]])


@pytest.mark.parametrize(
    ("affinities", "offsets", "threshold", "error", "message"),
    [
        (
            np.zeros((1, 2, 2), np.float16),
            [[0, 1]],
            0.5,
            DtypeError,
            "`affinities` must be float32 or float64",
        ),
        (
            np.zeros((2, 2), np.float32),
            [[0, 1]],
            0.5,
            ShapeError,
            r"`affinities` must have shape \(k, y, x\)",
        ),
        (
            np.zeros((2, 2, 2), np.float32),
            [[0, 1]],
            0.5,
            ShapeError,
            r"one row per channel .* \(2\), got 1 rows",
        ),
        (
            np.full((1, 2, 2), np.nan, np.float32),
            [[0, 1]],
            0.5,
            ArgumentError,
            r"finite, got nan at \(0, 0, 0\)",
        ),
        (
            np.zeros((1, 2, 2), np.float32),
            [[0, 1]],
            np.inf,
            ArgumentError,
            "`threshold` must be finite, got inf for affinities in float32",
        ),
        *[
            (np.zeros((1, 2, 2), np.float32), [[0, 1]], threshold, ArgumentError, message)
            for threshold, message in [
                (1e300, "`threshold` must be finite, got 1e\\+300 for affinities in float32"),
                (-1e300, "`threshold` must be finite, got -1e\\+300 for affinities in float32"),
                (np.nan, "`threshold` must be finite, got nan for affinities in float32"),
                ("a", "`threshold` must be a number, got 'a'"),
                (None, "`threshold` must be a number, got None"),
                (True, "`threshold` must be a number, got True"),
            ]
        ],
        (
            np.zeros((1, 2, 2), ">f4"),
            [[0, 1]],
            0.5,
            DtypeError,
            r"`affinities` must have the byte order of this machine, got dtype >f4; convert with affinities\.astype",
        ),
    ],
)
def test_bad_input_is_named(affinities, offsets, threshold, error, message):
    with pytest.raises(error, match=message):
        components_from_affinities(affinities, offsets, threshold)


@pytest.mark.parametrize(
    "threshold", [0, np.float32(0), np.float64(0), np.int64(0), 3e38, np.finfo(np.float32).max]
)
def test_any_number_is_a_threshold(threshold):
    affinities = np.full((1, 1, 2), 3.2e38, np.float32)
    components_from_affinities(affinities.astype(np.float64), [[0, -1]], threshold)
    expected = [[1, 1]] if threshold < np.finfo(np.float32).max else [[0, 0]]
    np.testing.assert_array_equal(components_from_affinities(affinities, [[0, -1]], threshold), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_whatever_stands_where_an_edge_leaves_the_volume_is_not_read(value):
    affinities = np.array([[[value, 0.9, 0.2, 0.8]]])
    assert components_from_affinities(affinities, [[0, -1]], 0.5).tolist() == [[1, 1, 2, 2]]
    with pytest.raises(ArgumentError, match=r"`affinities` must be finite, got .* at \(0, 0, 3\)"):
        components_from_affinities(affinities[..., ::-1], [[0, -1]], 0.5)
