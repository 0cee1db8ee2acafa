"""Graphs, segmentations and scores."""

from __future__ import annotations

import numpy as np

from objectwise import (
    MaximinTree,
    Neighborhood,
    affinities_from_labels,
    components_from_affinities,
    detection_by_size,
    detection_scores,
    evaluate,
    known_edges,
    match_objects,
    maximin_tree,
    object_score,
    panoptic_quality,
    segment,
)
from objectwise.errors import DtypeError, ShapeError
from objectwise.metrics import (
    ContingencyTable,
    Protocol,
    adapted_rand,
    mask_borders,
    mean_scores,
    pooled_scores,
    voi,
)
from objectwise.segmentation import remove_small_objects, seeded_watershed
from tests.bad_input.arrays import AFFINITIES, LABELS, MASK, OFFSETS, PAIR, replaced
from tests.bad_input.rows import Call

IDS = np.array([1, 2])


def tree() -> MaximinTree:
    """A forest of the small volume."""
    return maximin_tree(AFFINITIES, OFFSETS)


ROWS = [
    Call("neighborhood: nearest in 3.0 dimensions", lambda: Neighborhood.nearest(3.0), "`ndim` must be 2 or 3"),
    Call("neighborhood: nearest in 4 dimensions", lambda: Neighborhood.nearest(4), "`ndim` must be 2 or 3"),
    Call("neighborhood: a number", lambda: Neighborhood(3), "`offsets` must be", ShapeError),
    Call("neighborhood: a row of zeros", lambda: Neighborhood([[0, 0, 0]]), "`offsets` must not join a voxel to itself"),
    Call("neighborhood: negative voxel size", lambda: Neighborhood(OFFSETS, voxel_size=(-1, 1, 1)), "`voxel_size` must be positive"),
    Call("neighborhood: voxel size of two numbers", lambda: Neighborhood(OFFSETS, voxel_size=(1, 1)), "`voxel_size` must", ShapeError),
    Call("neighborhood: voxel size is a word", lambda: Neighborhood(OFFSETS, voxel_size="abc"), "`voxel_size` must", DtypeError),
    Call("neighborhood: offsets of 2^40", lambda: Neighborhood([[2**40, 0, 0]]), "`offsets` must be at most 2147483647 voxels long"),
    Call("affinities: float labels", lambda: affinities_from_labels(LABELS.astype(float), OFFSETS), "`labels` must hold integer ids", DtypeError),
    Call("affinities: negative labels", lambda: affinities_from_labels(replaced(LABELS, -1), OFFSETS), "`labels` must not be negative, got -1 at (0, 0, 0)"),
    Call("affinities: masked labels", lambda: affinities_from_labels(np.ma.masked_equal(LABELS, 2), OFFSETS), "mask", DtypeError),
    Call("affinities: flat labels with 3-D offsets", lambda: affinities_from_labels(LABELS[0], OFFSETS), "`offsets` must", ShapeError),
    Call("affinities: labels that are bool", lambda: affinities_from_labels(MASK, OFFSETS), "`labels` must hold integer ids", DtypeError),
    Call("known edges: negative shape", lambda: known_edges((-4, 6, 6), OFFSETS), "`"),
    Call("components: threshold is a word", lambda: components_from_affinities(AFFINITIES, OFFSETS, "0.5"), "`threshold` must be a number, got '0.5'"),
    Call("components: threshold of NaN", lambda: components_from_affinities(AFFINITIES, OFFSETS, float("nan")), "`threshold` must be finite"),
    Call("components: NaN on edges", lambda: components_from_affinities(np.full_like(AFFINITIES, np.nan), OFFSETS, 0.5), "`affinities` must be finite"),
    Call("components: a channel too few", lambda: components_from_affinities(AFFINITIES[:2], OFFSETS, 0.5), "`offsets` must have one row per channel of `affinities` (2), got 3", ShapeError),
    Call("components: masked affinities", lambda: components_from_affinities(np.ma.masked_less(AFFINITIES, 0.5), OFFSETS, 0.5), "mask", DtypeError),
    Call("tree: integers", lambda: maximin_tree((AFFINITIES * 255).astype(np.uint8), OFFSETS), "`affinities` must be float32 or float64", DtypeError),
    Call("tree: pairs outside", lambda: tree().maximin(np.array([[0, LABELS.size]])), "`pairs` must be in 0..143"),
    Call("tree: pairs of three", lambda: tree().maximin(np.array([[0, 1, 2]])), "`pairs` must have shape (p, 2), got (1, 3)", ShapeError),
    Call("tree: pairs of fractions", lambda: tree().maximin(np.array([[0.0, 1.0]])), "`pairs` must hold integers", DtypeError),
    Call("tree: cut at NaN", lambda: tree().cut(float("nan")), "`threshold` must be a number, got nan"),
    Call("tree: labels of another shape", lambda: tree().pair_curve(LABELS[1:]), "shape", ShapeError),
    Call("segment: unknown method", lambda: segment(AFFINITIES, OFFSETS, method="waterfall", threshold=0.5), "`method` must be one of"),
    Call("segment: negative minimum size", lambda: segment(AFFINITIES, OFFSETS, threshold=0.5, minimum_size=-1), "`minimum_size` must be"),
    Call("segment: minimum size of 1.5", lambda: segment(AFFINITIES, OFFSETS, threshold=0.5, minimum_size=1.5), "`minimum_size` must be", DtypeError),
    Call("segment: fragment threshold of components", lambda: segment(AFFINITIES, OFFSETS, threshold=0.5, fragment_threshold=0.9), "`fragment_threshold`"),
    Call("segment: fragment threshold of NaN", lambda: segment(AFFINITIES, OFFSETS, method="agglomeration", threshold=0.5, fragment_threshold=float("nan")), "`fragment_threshold` must be finite"),
    Call("watershed: mask of numbers", lambda: seeded_watershed(AFFINITIES, OFFSETS, threshold=0.5, mask=LABELS), "`mask` must be a numpy array of bool", DtypeError),
    Call("watershed: mask of another shape", lambda: seeded_watershed(AFFINITIES, OFFSETS, threshold=0.5, mask=MASK[1:]), "shape", ShapeError),
    Call("small objects: float labels", lambda: remove_small_objects(LABELS.astype(float), 3), "`labels` must hold integer ids", DtypeError),
    Call("evaluate: shapes differ", lambda: evaluate(truth=PAIR, segmentation=PAIR[1:]), "`truth` and `segmentation` must have the same shape", ShapeError),
    Call("evaluate: float truth", lambda: evaluate(truth=PAIR.astype(float), segmentation=PAIR), "`truth` must hold integer ids", DtypeError),
    Call("evaluate: negative segmentation", lambda: evaluate(truth=PAIR, segmentation=replaced(PAIR, -1)), "`segmentation` must not be negative"),
    Call("evaluate: masked truth", lambda: evaluate(truth=np.ma.masked_equal(PAIR, 2), segmentation=PAIR), "mask", DtypeError),
    Call("evaluate: a list", lambda: evaluate(truth=PAIR.tolist(), segmentation=PAIR), "`truth` must be a numpy array, got list", DtypeError),
    Call("evaluate: unknown protocol", lambda: evaluate(truth=PAIR, segmentation=PAIR, protocol="snemi"), "`protocol` must be one of"),
    Call("evaluate: protocol is None", lambda: evaluate(truth=PAIR, segmentation=PAIR, protocol=None), "`protocol` must be"),
    Call("protocol: ignored truth of 1.5", lambda: Protocol("mine", ignored_truth=(1.5,)), "`ignored_truth` must"),
    Call("protocol: ignored truth is a number", lambda: Protocol("mine", ignored_truth=1), "`ignored_truth` must"),
    Call("protocol: unknown pairs", lambda: Protocol("mine", rand_pairs="all"), "`rand_pairs` must be one of"),
    Call("protocol: negative border", lambda: Protocol("mine", border_distance=-1.0), "`border_distance` must"),
    Call("Rand: ignored segmentation of 0.5", lambda: adapted_rand(truth=PAIR, segmentation=PAIR, ignored_segmentation=(0.5,)), "`ignored_segmentation` must"),
    Call("VOI: ignored truth is a word", lambda: voi(truth=PAIR, segmentation=PAIR, ignored_truth="0"), "`ignored_truth` must"),
    Call("table: unsorted rows", lambda: ContingencyTable(IDS[::-1].copy(), IDS, IDS), "`"),
    Call("table: repeated rows", lambda: ContingencyTable(np.array([1, 1]), np.array([2, 2]), IDS), "`"),
    Call("table: counts of 0", lambda: ContingencyTable(IDS, IDS, np.array([1, 0])), "`counts` must"),
    Call("table: unequal lengths", lambda: ContingencyTable(IDS, IDS[:1], IDS), "`", ShapeError),
    Call("table: float counts", lambda: ContingencyTable(IDS, IDS, IDS / 2), "`counts` must", DtypeError),
    Call("borders: negative distance", lambda: mask_borders(PAIR, -1.0), "`distance` must"),
    Call("means: of no scores", lambda: mean_scores([]), "`scores` must"),
    Call("pooled: of no scores", lambda: pooled_scores([]), "`scores` must"),
    Call("matching: threshold of 1", lambda: match_objects(truth=PAIR, segmentation=PAIR, threshold=1.0), "`threshold` must"),
    Call("matching: threshold is a word", lambda: match_objects(truth=PAIR, segmentation=PAIR, threshold="0.5"), "`threshold` must"),
    Call("matching: unknown overlap", lambda: match_objects(truth=PAIR, segmentation=PAIR, overlap="jaccard"), "`overlap` must be one of"),
    Call("detection: shapes differ", lambda: detection_scores(truth=PAIR, segmentation=PAIR[1:]), "must have the same shape", ShapeError),
    Call("detection: masked segmentation", lambda: detection_scores(truth=PAIR, segmentation=np.ma.masked_equal(PAIR, 2)), "mask", DtypeError),
    Call("sizes: edges descend", lambda: detection_by_size(truth=PAIR, segmentation=PAIR, edges=(5, 2)), "`edges` must"),
    Call("sizes: edges are a number", lambda: detection_by_size(truth=PAIR, segmentation=PAIR, edges=5), "`edges` must"),
    Call("panoptic: negative threshold", lambda: panoptic_quality(truth=PAIR, segmentation=PAIR, threshold=-0.1), "`threshold` must"),
    Call("object score: float truth", lambda: object_score(truth=PAIR.astype(np.float32), segmentation=PAIR), "`truth` must hold integer ids", DtypeError),
]  # fmt: skip
