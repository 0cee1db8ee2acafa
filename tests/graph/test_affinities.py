import numpy as np
import pytest
from hypothesis import given

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.graph import affinities_from_labels, known_edges
from tests.oracles import graph as oracle
from tests.strategies import labelled_graphs


@given(labelled_graphs())
def test_affinities_equal_the_edge_by_edge_oracle(graph):
    _, labels, offsets = graph
    np.testing.assert_array_equal(affinities_from_labels(labels, offsets), oracle.affinities(labels, offsets))


@given(labelled_graphs())
def test_known_edges_are_those_that_stay_inside(graph):
    _, labels, offsets = graph
    inside = np.zeros((len(offsets), *labels.shape), bool)
    for edge, _, _ in oracle.edges_of(labels.shape, offsets):
        inside[edge] = True
    np.testing.assert_array_equal(known_edges(labels.shape, offsets), inside)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_affinities_do_not_depend_on_the_dtype_of_labels(dtype):
    labels = np.array([[1, 1, 2], [0, 2, 2]], dtype)
    expected = [[[0, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]]]
    np.testing.assert_array_equal(affinities_from_labels(labels, [[-1, 0], [0, -1]]), expected)


def test_ids_that_floats_cannot_tell_apart_stay_apart():
    labels = np.array([[2**63 + 1, 2**63 + 2, 2**63 + 2]], np.uint64)
    np.testing.assert_array_equal(affinities_from_labels(labels, [[0, -1]]), [[[0, 0, 1]]])


def test_affinities_of_a_strided_view_equal_those_of_its_copy():
    labels = np.random.default_rng(0).integers(0, 3, (6, 8, 10))[::2, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(
        affinities_from_labels(labels, [[-1, 0, 0], [0, 1, -2]]),
        affinities_from_labels(labels.copy(), [[-1, 0, 0], [0, 1, -2]]),
    )


def test_background_alone_has_no_affinity():
    assert not affinities_from_labels(np.zeros((3, 3), np.uint8), [[-1, 0]]).any()


@pytest.mark.parametrize(
    ("labels", "offsets", "error", "message"),
    [
        (np.zeros((2, 2), np.float32), [[0, 1]], DtypeError, "`labels` must hold integer ids .* float32"),
        ([[1, 2]], [[0, 1]], DtypeError, "`labels` must be a numpy array, got list"),
        (np.array([[1, -4]]), [[0, 1]], ArgumentError, r"`labels` must not be negative, got -4 at \(0, 1\)"),
        (np.zeros((2, 0), np.int64), [[0, 1]], ShapeError, "`labels` must not be empty"),
        (np.zeros(4, np.int64), [[0, 1]], ShapeError, r"`labels` must be 2-D .* or 3-D .* got shape \(4,\)"),
        (np.zeros((2, 2), np.int64), [[0, 0, 1]], ShapeError, r"one column per spatial axis \(2\), got 3"),
        (
            np.zeros((2, 2), np.int64),
            [[0, 2]],
            ArgumentError,
            r"shorter than the volume \(2, 2\), got \[0, 2\] in row 0",
        ),
    ],
)
def test_bad_labels_are_named(labels, offsets, error, message):
    with pytest.raises(error, match=message):
        affinities_from_labels(labels, offsets)


def test_labels_in_the_byte_order_of_another_machine_are_refused():
    labels = np.ones((2, 2), ">i4")
    with pytest.raises(
        DtypeError, match=r"`labels` must have the byte order of this machine, got dtype >i4; convert"
    ):
        affinities_from_labels(labels, [[0, -1]])
    affinities_from_labels(labels.astype(labels.dtype.newbyteorder("=")), [[0, -1]])
