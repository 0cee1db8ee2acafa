"""Objects are found, missed and false as the scores count them, and known by their sizes and places."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.data.phantom import lesion_phantom
from objectwise.metrics import class_scores
from objectwise.metrics.protocols import TRANSPARENT
from objectwise.report.objects_found import Counts, FoundObject, find_objects
from tests.report.made_up_masks import segmentation, truth


def by_kind(objects: tuple[FoundObject, ...], kind: str) -> list[FoundObject]:
    return [found for found in objects if found.kind == kind]


def test_objects_are_listed_largest_first_with_their_partners() -> None:
    found = find_objects(truth=truth(), segmentation=segmentation())
    assert found.counts == Counts(found=1, missed=3, false=2)
    assert [(one.kind, one.truth_id, one.segment_id, one.voxels) for one in found.objects] == [
        ("found", 1, 11, 432),
        ("false", 2, 12, 144),
        ("missed", 2, 12, 64),
        ("missed", 3, 12, 64),
        ("missed", 4, None, 36),
        ("false", None, 13, 25),
    ]
    assert found.objects[0].overlap == pytest.approx(11 / 12)
    assert found.objects[1].overlap == pytest.approx(64 / 144)


def test_an_object_lies_in_the_section_that_shows_most_of_it() -> None:
    true = truth()
    true[1, 20:29, 30:38] = 2  # one row more than in section 0
    sections = {
        one.truth_id: one.section for one in find_objects(truth=true, segmentation=segmentation()).objects
    }
    assert (sections[2], sections[4], sections[1]) == (1, 2, 0)


def test_a_joined_and_a_cut_object_know_their_pieces_and_their_company() -> None:
    found = find_objects(truth=truth(), segmentation=segmentation())
    (joining,) = [one for one in found.objects if one.segment_id == 12 and one.kind == "false"]
    assert joining.pieces == (2, 3)
    assert {one.truth_id: one.company for one in by_kind(found.objects, "missed")} == {
        2: (3,),
        3: (2,),
        4: (),
    }
    # Exchange the sides: the object that joined is now one that was cut.
    swapped = find_objects(truth=segmentation(), segmentation=truth())
    (cut,) = [one for one in swapped.objects if one.truth_id == 12 and one.kind == "missed"]
    assert cut.pieces == (2, 3)
    assert {one.segment_id: one.company for one in by_kind(swapped.objects, "false")} == {
        2: (3,),
        3: (2,),
        4: (),
    }


def test_sections_that_are_images_have_objects_of_their_own() -> None:
    true, predicted = truth(), segmentation()
    predicted[1] = 0
    predicted[1, 30:36, 4:10] = 11  # the same ids mean nothing here
    found = find_objects(truth=true, segmentation=predicted, linked_sections=False)
    assert found.counts == Counts(found=2, missed=4, false=2)
    assert [one.section for one in by_kind(found.objects, "found")] == [0, 2]
    masks = found.masks(1, true[1], predicted[1])
    assert not masks["found"].any()
    assert masks["false"].sum() == 36
    assert masks["missed"].sum() == 144


def test_voxels_in_error_are_counted_once_by_section() -> None:
    found = find_objects(truth=truth(), segmentation=segmentation())
    assert found.wrong_voxels.tolist() == [144, 25, 36]
    assert found.object_voxels.tolist() == [144 + 144, 144 + 25, 144 + 36]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_counts_are_those_of_the_scores(dimensions: int) -> None:
    true = lesion_phantom((6, 96, 96), seed=3, largest=200, fraction=0.1).labels.astype(np.int64)
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(true.shape) < 0.2, 0, np.roll(true, 1, axis=2))
    predicted[:, :8] += 900 * (rng.random((6, 8, 96)) < 0.02)
    scores = class_scores(truth=true, segmentation=predicted, dimensions=dimensions).detection
    found = find_objects(truth=true, segmentation=predicted, linked_sections=dimensions == 3)
    assert found.counts == (scores.found, scores.missed, scores.false)
    assert min(found.counts) > 0
    assert np.mean([one.overlap for one in by_kind(found.objects, "found")]) == pytest.approx(
        scores.mean_overlap
    )


def test_reserved_ids_are_no_objects_and_huge_ids_stay_exact() -> None:
    true, predicted = truth(), segmentation().astype(np.uint64)
    true[true == 4] = TRANSPARENT
    true[true == 1] = 2**63 + 1
    predicted[predicted == 11] = 2**63 + 3
    found = find_objects(truth=true, segmentation=predicted)
    assert found.counts == Counts(found=1, missed=2, false=2)
    assert (found.objects[0].truth_id, found.objects[0].segment_id) == (2**63 + 1, 2**63 + 3)
    assert found.masks(0, true[0], predicted[0])["found"].sum() == 132


def test_nothing_at_all_has_no_objects() -> None:
    nothing = np.zeros((2, 5, 5), np.int64)
    found = find_objects(truth=nothing, segmentation=nothing)
    assert found.counts == Counts(0, 0, 0)
    assert found.objects == ()
