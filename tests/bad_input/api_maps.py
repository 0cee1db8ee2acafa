"""Region maps, their cache, and the data sets that hold them."""

from __future__ import annotations

import numpy as np

from objectwise import (
    MapCache,
    MapDataset,
    active_contour_map,
    class_weight_map,
    hausdorff_map,
    rectified_region_wise_map,
    region_wise_map,
    signed_distance_map,
)
from objectwise.errors import DtypeError, ShapeError
from tests.bad_input.arrays import LABELS, replaced
from tests.bad_input.rows import Call

IMAGE = LABELS[0]

ROWS = [
    Call("region-wise map: floats", lambda: region_wise_map(IMAGE.astype(float), 3), "`labels` must", DtypeError),
    Call("region-wise map: negative label", lambda: region_wise_map(replaced(IMAGE, -1), 3), "`labels` must"),
    Call("region-wise map: label above the classes", lambda: region_wise_map(IMAGE, 2), "`labels` must"),
    Call("region-wise map: no classes", lambda: region_wise_map(IMAGE, 0), "`n_classes` must"),
    Call("region-wise map: classes are a fraction", lambda: region_wise_map(IMAGE, 2.5), "`n_classes` must"),
    Call("region-wise map: unknown inside", lambda: region_wise_map(IMAGE, 3, inside="near"), "`inside` must be one of"),
    Call("region-wise map: a list", lambda: region_wise_map(IMAGE.tolist(), 3), "`labels` must be", DtypeError),
    Call("region-wise map: masked labels", lambda: region_wise_map(np.ma.masked_equal(IMAGE, 2), 3), "mask", DtypeError),
    Call("region-wise map: no axis", lambda: region_wise_map(IMAGE[0, 0], 3), "`labels` must", DtypeError),
    Call("region-wise map: empty", lambda: region_wise_map(IMAGE[:0], 3), "empty", ShapeError),
    Call("region-wise map: six axes", lambda: region_wise_map(LABELS[None, None, None], 3), "`labels` must", ShapeError),
    Call("region-wise map: spacing of 0", lambda: region_wise_map(IMAGE, 3, spacing=(0, 1)), "`spacing` must be positive and finite"),
    Call("region-wise map: spacing of three numbers", lambda: region_wise_map(IMAGE, 3, spacing=(1, 1, 1)), "3 spatial axes", ShapeError),
    Call("region-wise map: ignore label is a word", lambda: region_wise_map(IMAGE, 3, ignore_label="2"), "`ignore_label` must be an integer or None"),
    Call("region-wise map: four spatial axes", lambda: region_wise_map(IMAGE, 3, spatial_dims=4), "`spatial_dims` must"),
    Call("rectified map: negative spacing", lambda: rectified_region_wise_map(IMAGE, 3, spacing=(-1, 1)), "`spacing` must be positive and finite"),
    Call("distance map: spacing of NaN", lambda: signed_distance_map(IMAGE, 3, spacing=(float("nan"), 1)), "`spacing` must be positive and finite"),
    Call("Hausdorff map: alpha of 0", lambda: hausdorff_map(IMAGE, 3, alpha=0), "`alpha` must be"),
    Call("Hausdorff map: alpha is a word", lambda: hausdorff_map(IMAGE, 3, alpha="2"), "`alpha` must be"),
    Call("active contour map: floats", lambda: active_contour_map(IMAGE.astype(np.float32), 3), "`labels` must", DtypeError),
    Call("class weights: one for three classes", lambda: class_weight_map(IMAGE, 3, weights=[1.0]), "`weights` must"),
    Call("class weights: NaN", lambda: class_weight_map(IMAGE, 3, weights=[1.0, float("nan"), 1.0]), "`weights` must"),
    Call("class weights: words", lambda: class_weight_map(IMAGE, 3, weights=["a", "b", "c"]), "`weights` must", DtypeError),
    Call("map cache: no function", lambda: MapCache("folder", "rectified"), "`function` must"),
    Call("map cache: unknown option", lambda: MapCache("folder", region_wise_map, insdie="raw"), "insdie"),
    Call("map data set: labels in no place", lambda: MapDataset([(IMAGE, IMAGE)], region_wise_map, labels=5)[0], "`labels` must"),
    Call("map data set: name of a key that is there", lambda: MapDataset([{"label": IMAGE}], region_wise_map, labels="label", name="label")[0], "`name` must"),
    Call("map data set: labels by a name in a tuple", lambda: MapDataset([(IMAGE, IMAGE)], region_wise_map, labels="label")[0], "`labels` must"),
    Call("region-wise map: background is a word", lambda: region_wise_map(IMAGE, 3, include_background="no"), "`include_background` must be True or False, got 'no'"),
]  # fmt: skip
