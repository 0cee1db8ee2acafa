"""What the maps refuse to take for an array of labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectwise import maps
from objectwise.errors import DtypeError
from objectwise.maps.instance_cells import dense_ids, instance_cells

LABELS = np.array([[0, 0, 1, 1], [0, 2, 2, 1]])
MASKED = np.ma.masked_array(LABELS, LABELS == 2)
BY_CLASS = [
    maps.rectified_region_wise_map,
    maps.region_wise_map,
    maps.signed_distance_map,
    maps.active_contour_map,
    maps.hausdorff_map,
    maps.class_weight_map,
]


@pytest.mark.parametrize("make", BY_CLASS)
def test_a_masked_array_would_lose_its_mask_and_is_refused(make):
    with pytest.raises(DtypeError, match="`labels` must be a plain numpy array, got a masked one; fill it"):
        make(MASKED, 3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: maps.voronoi_regions(MASKED), "labels"),
        (lambda: maps.class_weight_map(LABELS, 3, weights=np.ma.ones(3)), "weights"),
        (lambda: maps.connected_components(MASKED > 0), "mask"),
        (lambda: maps.overlap_table(LABELS, MASKED), "true_ids"),
        (lambda: dense_ids(MASKED), "ids"),
        (lambda: instance_cells(MASKED.astype(np.int32), LABELS.astype(np.int32)), "predicted_ids"),
        (lambda: instance_cells(*[LABELS.astype(np.int32)] * 2, ignore=MASKED > 1), "ignore"),
        (lambda: maps.malis_pair_counts(np.ma.zeros((1, 2, 4)), LABELS, [[0, -1]]), "affinities"),
    ],
)
def test_masked_arrays_are_refused_by_name(make, name):
    with pytest.raises(DtypeError, match=f"`{name}` must be a plain numpy array, got a masked one; fill it"):
        make()


def test_a_cache_makes_no_file_of_a_masked_array(tmp_path):
    with pytest.raises(DtypeError, match="`labels` must be a plain numpy array, got a masked one; fill it"):
        maps.MapCache(tmp_path, maps.signed_distance_map, n_classes=3)(MASKED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", BY_CLASS)
def test_a_sparse_tensor_is_refused(make):
    with pytest.raises(DtypeError, match=r"`labels` must be a dense tensor, .*pass labels\.to_dense\(\)"):
        make(torch.from_numpy(LABELS).to_sparse(), 3)
