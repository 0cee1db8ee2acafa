"""The cells that predicted and true objects cut a volume into."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.maps import MapCache, connected_components
from objectwise.maps.instance_cells import dense_ids, instance_cells
from tests.oracles import instances as oracle


@st.composite
def id_pairs(draw):
    """Two images of dense ids, and voxels to ignore."""
    shape = draw(npst.array_shapes(min_dims=2, max_dims=3, max_side=6))
    images = [draw(npst.arrays(np.int32, shape, elements=st.integers(0, 3))) for _ in range(2)]
    return (*(dense_ids(image)[0] for image in images), draw(npst.arrays(np.bool_, shape)))


@given(id_pairs(), st.booleans(), st.sampled_from([None, 0.0, 1.0, 2.5]))
def test_every_voxel_lies_in_the_cell_of_its_objects(problem, use_ignore, offset):
    predicted, truth, ignore = problem
    ignored = ignore if use_ignore else np.zeros_like(ignore)
    spacing = (2.0, 1.0, 0.5)[: truth.ndim]
    structure = instance_cells(
        predicted, truth, ignore=ignore if use_ignore else None, center_offset=offset, spacing=spacing
    )
    assert (structure.cells[ignored] == -1).all()
    here = structure.cells[~ignored]
    np.testing.assert_array_equal(structure.predicted[here], predicted[~ignored])
    np.testing.assert_array_equal(structure.truth[here], truth[~ignored])
    np.testing.assert_array_equal(structure.voxels, np.bincount(here, minlength=len(structure.voxels)))
    rows = set(zip(structure.predicted, structure.truth, structure.central, strict=True))
    assert len(rows) == len(structure.voxels)
    central = np.zeros(truth.shape, bool)
    if offset is not None:
        for ids in (np.where(ignored, 0, predicted), np.where(ignored, 0, truth)):
            for label in np.unique(ids[ids > 0]):
                mask = torch.from_numpy(ids == label)
                central |= oracle.center_voxels(
                    mask, offset, torch.tensor(spacing, dtype=torch.float64)
                ).numpy()
    np.testing.assert_array_equal(structure.central[here], central[~ignored])


@given(id_pairs())
def test_objects_have_their_boxes_sizes_and_places(problem):
    predicted, truth, _ = problem
    structure = instance_cells(predicted, truth)
    for ids, objects in ((predicted, structure.predicted_objects), (truth, structure.true_objects)):
        assert len(objects.sizes) == ids.max()
        for row in range(len(objects.sizes)):
            voxels = np.argwhere(ids == row + 1)
            assert objects.sizes[row] == len(voxels)
            np.testing.assert_array_equal(objects.boxes[row].T, [voxels.min(0), voxels.max(0) + 1])
            np.testing.assert_allclose(objects.centers_of_mass[row], voxels.mean(0))
            assert ids[tuple(objects.centers[row])] == row + 1
            # In whole numbers, none of its voxels is nearer to its centre of mass.
            steps, center = voxels * len(voxels) - voxels.sum(0), objects.centers[row] * len(voxels)
            assert ((center - voxels.sum(0)) ** 2).sum() == (steps**2).sum(1).min()
            assert objects.last[row] == np.flatnonzero(ids == row + 1)[-1]


@pytest.mark.parametrize("shape", [(2, 2), (4, 3), (2, 2, 2), (3, 4, 2)])
def test_the_first_in_c_order_of_several_middle_voxels_is_the_center(shape):
    structure = instance_cells(np.zeros(shape, np.int32), np.ones(shape, np.int32))
    np.testing.assert_array_equal(structure.true_objects.centers, [[(n - 1) // 2 for n in shape]])


def test_the_center_of_a_ring_lies_on_the_ring():
    ring = np.ones((5, 5), np.int32)
    ring[1:4, 1:4] = 0
    structure = instance_cells(np.zeros_like(ring), ring, center_offset=0)
    np.testing.assert_array_equal(structure.true_objects.centers_of_mass, [[2, 2]])
    np.testing.assert_array_equal(structure.true_objects.centers, [[0, 2]])
    assert structure.voxels[structure.central].tolist() == [1]


def test_many_cells_outgrow_the_first_table():
    ids = np.arange(1, 4001, dtype=np.int32).reshape(20, 10, 20)
    structure = instance_cells(ids, ids[::-1].copy(), center_offset=1)
    assert len(structure.voxels) == 4001
    assert structure.voxels[0] == 0
    np.testing.assert_array_equal(structure.predicted[structure.cells], ids)
    np.testing.assert_array_equal(structure.truth[structure.cells], ids[::-1])


def test_many_objects_that_share_one_partner_keep_their_cells():
    fragments = np.tile(np.arange(1, 1501, dtype=np.int32), (6, 1))
    whole = np.ones_like(fragments)
    for predicted, truth in ((fragments, whole), (whole, fragments)):
        structure = instance_cells(predicted, truth)
        assert structure.voxels.tolist() == [0, *[6] * 1500]
        np.testing.assert_array_equal(structure.predicted[structure.cells], predicted)
        np.testing.assert_array_equal(structure.truth[structure.cells], truth)


def test_ids_that_are_kept_are_not_written_to():
    predicted, truth = np.array([[0, 1, 1]], np.int32), np.array([[1, 1, 0]], np.int32)
    structure = instance_cells(predicted, truth)
    np.testing.assert_array_equal(predicted, [[0, 1, 1]])
    assert not np.shares_memory(structure.cells, predicted)
    assert np.shares_memory(instance_cells(predicted, truth, overwrite=True).cells, predicted)


@given(
    npst.arrays(
        np.uint64, npst.array_shapes(max_side=6), elements=st.sampled_from([0, 1, 5, 2**53 + 1, 2**64 - 1])
    )
)
def test_dense_ids_are_a_renaming_in_order_of_appearance(ids):
    dense, n = dense_ids(ids)
    pairs = dict(zip(dense.ravel().tolist(), ids.ravel().tolist(), strict=True))
    np.testing.assert_array_equal(np.vectorize(pairs.get, otypes=[np.uint64])(dense), ids)
    assert len(set(pairs.values())) == len(pairs)
    appeared = [label for label in dict.fromkeys(dense.ravel().tolist()) if label]
    assert appeared == list(range(1, n + 1))


@pytest.mark.parametrize(
    ("predicted", "truth", "options", "error", "message"),
    [
        (
            np.zeros((2, 2)),
            np.zeros((2, 2), np.int32),
            {},
            DtypeError,
            "`predicted_ids` must hold integer ids",
        ),
        (
            np.zeros((2, 2), int),
            np.zeros((2, 2), np.int32),
            {},
            ArgumentError,
            "`predicted_ids` must be int32",
        ),
        (
            np.full((2, 2), 9, np.int32),
            np.zeros((2, 2), np.int32),
            {},
            ArgumentError,
            "`predicted_ids` must be dense",
        ),
        (np.zeros(2, np.int32), np.zeros(2, np.int32), {}, ShapeError, "`predicted_ids` must be 2-D"),
        (np.zeros((2, 2), np.int32), np.zeros((2, 3), np.int32), {}, ShapeError, "must have the same shape"),
        (
            np.zeros((2, 2), np.int32),
            np.zeros((2, 2), np.int32),
            {"center_offset": -1},
            ArgumentError,
            "`center_offset` must be",
        ),
        (
            np.zeros((2, 2), np.int32),
            np.zeros((2, 2), np.int32),
            {"spacing": (1,)},
            ShapeError,
            "`spacing` must have one",
        ),
        (
            np.zeros((2, 2), np.int32),
            np.zeros((2, 2), np.int32),
            {"ignore": np.zeros((2, 2))},
            DtypeError,
            "`ignore` must be a numpy array of bool",
        ),
    ],
)
def test_cells_refuse_what_does_not_fit(predicted, truth, options, error, message):
    with pytest.raises(error, match=message):
        instance_cells(predicted, truth, **options)


def test_components_can_be_cached_on_disk(tmp_path):
    cache = MapCache(tmp_path, connected_components)
    mask = np.array([[True, False, True]])
    np.testing.assert_array_equal(cache(mask), [[1, 0, 2]])
    np.testing.assert_array_equal(cache(mask), [[1, 0, 2]])
