"""Which file of images goes with which file of truth."""

from __future__ import annotations

import pytest

from objectwise.workflow.proposal.pairs import Pairing, pair


@pytest.mark.parametrize(
    ("images", "truths", "raw", "truth"),
    [
        (["a.png", "b.png"], ["a.png", "b.png"], ["*.png"], "*.png"),
        (["a.tif", "b.tif"], ["a_mask.png", "b_mask.png"], ["*.tif"], "*_mask.png"),
        (["c1.nii.gz", "c2.nii.gz"], ["c1_lesion_mask.nii.gz", "c2_lesion_mask.nii.gz"], ["*.nii.gz"], "*_lesion_mask.nii.gz"),
        (["img001.png", "img002.png"], ["mask001.png", "mask002.png"], ["img*.png"], "mask*.png"),
        (["image_1.tif"], ["label_1.tif"], ["image_*.tif"], "label_*.tif"),
        (["c_0000.nii.gz", "c_0001.nii.gz"], ["c.nii.gz"], ["*_0000.nii.gz", "*_0001.nii.gz"], "*.nii.gz"),
        (["a_t2.nii", "a_t1.nii", "a1_t1.nii", "a1_t2.nii"], ["a_seg.nii", "a1_seg.nii"], ["*_t1.nii", "*_t2.nii"], "*_seg.nii"),
        (["train-volume.tif"], ["train-labels.tif"], ["*-volume.tif"], "*-labels.tif"),
        (["raw.tif"], ["labels.tif"], ["*raw.tif"], "*labels.tif"),
        (["A.NII.GZ"], ["A_SEG.NII.GZ"], ["*.NII.GZ"], "*_SEG.NII.GZ"),
    ],
)  # fmt: skip
def test_names_are_cut_into_the_case_and_what_stands_around_it(images, truths, raw, truth):
    n_cases = len(truths)
    assert pair(images, truths) == Pairing(tuple(raw), truth, n_cases)


def test_names_that_share_nothing_are_no_pair():
    assert pair(["x.png"], ["y.png"]) is None
    assert pair(["spine.png", "brain.png"], ["a_label.png", "b_label.png"]) is None


def test_a_case_without_one_of_its_channels_does_not_hide_the_others():
    images = ["a_t1.nii", "a_t2.nii", "b_t1.nii", "b_t2.nii", "c_t1.nii"]
    found = pair(images, ["a_seg.nii", "b_seg.nii", "c_seg.nii"])
    assert found == Pairing(("*_t1.nii", "*_t2.nii"), "*_seg.nii", 2)
