"""How folders keep their files."""

from __future__ import annotations

import re

import numpy as np
import pytest

from objectwise.data import write_volume
from objectwise.errors import ArgumentError, ConfigError
from objectwise.workflow.proposal.layouts import find_layout
from tests.workflow.proposal.folders import write_container, write_niftis, write_nnunet, write_pngs


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_two_folders(tmp_path):
    found = find_layout(write_pngs(tmp_path / "d"))
    assert found.source == {"raw": f"{tmp_path}/d/images/*.png", "truth": f"{tmp_path}/d/masks/*_mask.png"}
    assert found.cases[0] == {
        "name": "cell_0",
        "raw": f"{tmp_path}/d/images/cell 0.png",
        "labels": f"{tmp_path}/d/masks/cell 0_mask.png",
        "truth": f"{tmp_path}/d/masks/cell 0_mask.png",
    }
    assert found.said == "4 cases: images in images and their truth in masks"


def test_the_other_of_two_folders_holds_the_images_whatever_its_name(tmp_path):
    touch(tmp_path, "slices/a.tif", "annotations/a.tif", "slices/b.tif", "annotations/b.tif")
    assert find_layout(tmp_path).source["raw"] == f"{tmp_path}/slices/*.tif"


def test_of_several_truths_ids_are_taken_and_the_others_named(tmp_path):
    touch(tmp_path, *(f"{place}/{name}.png" for place in ("images", "masks", "instances") for name in "ab"))
    found = find_layout(tmp_path)
    assert (found.truth, found.others) == ("instances/*.png", ["masks"])


def test_one_folder(tmp_path):
    found = find_layout(write_niftis(tmp_path))
    assert found.source == {"raw": f"{tmp_path}/*.nii.gz", "truth": f"{tmp_path}/*_ids.nii.gz"}
    assert [case["name"] for case in found.cases] == ["case0", "case1", "case2", "case3"]


def test_one_volume_alone_has_no_pattern(tmp_path):
    touch(tmp_path / "em", "raw.tif", "labels.tif")
    found = find_layout(tmp_path / "em")
    assert found.source is None
    assert found.cases == [
        {"name": "em", "raw": f"{tmp_path}/em/raw.tif", "truth": f"{tmp_path}/em/labels.tif"}
    ]


def test_a_folder_for_each_case(tmp_path):
    touch(tmp_path, *(f"p{n}/p{n}_{name}.nii.gz" for n in (1, 2) for name in ("t1", "t2", "seg")))
    found = find_layout(tmp_path)
    assert found.source == {
        "raw": [f"{tmp_path}/*/*_t1.nii.gz", f"{tmp_path}/*/*_t2.nii.gz"],
        "truth": f"{tmp_path}/*/*_seg.nii.gz",
    }
    assert found.keys == {"channels": 2}


def test_nnunet(tmp_path):
    found = find_layout(write_nnunet(tmp_path / "d"))
    assert found.source == {"nnunet": f"{tmp_path}/d"}
    assert found.keys == {"channels": 2, "ignore_label": 2}
    assert found.said == (
        "a folder of nnU-Net with 4 cases, the channels T1, FLAIR and the labels background, lesion"
    )


def test_one_container_alone_or_in_its_folder(tmp_path):
    file = write_container(tmp_path / "block.h5")
    for place in (file, tmp_path):
        found = find_layout(place)
        assert found.source is None
        assert found.cases[0]["raw"] == f"{file}:volumes/raw"
        assert found.truth == "volumes/labels/neuron_ids"


def test_several_containers(tmp_path):
    for name in ("a", "b"):
        write_container(tmp_path / f"{name}.h5", (2, 16, 16))
    assert find_layout(tmp_path).source == {
        "raw": f"{tmp_path}/*.h5:volumes/raw",
        "truth": f"{tmp_path}/*.h5:volumes/labels/neuron_ids",
    }


def test_a_zarr(tmp_path):
    for name in ("em/raw", "em/cells"):
        write_volume(f"{tmp_path}/x.zarr:{name}", np.ones((2, 16, 16), dtype=np.uint8))
    found = find_layout(tmp_path / "x.zarr")
    assert (found.cases[0]["raw"], found.truth) == (f"{tmp_path}/x.zarr:em/raw", "em/cells")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "with nothing in it"),
        (("a.jpg", "a_mask.jpg"), "with a.jpg, a_mask.jpg. Write the configuration by hand"),
        (("images/a.png",), "with images/. Write"),
        (("a.png", "b.png"), "with a.png, b.png (images: .png)"),
        (tuple(f"{n}.txt" for n in range(12)), "and 4 more"),
    ],
)
def test_a_folder_of_something_else_is_told_what_was_looked_for_and_what_is_there(tmp_path, names, words):
    touch(tmp_path, *names)
    with pytest.raises(ArgumentError) as caught:
        find_layout(tmp_path)
    assert "nnU-Net's dataset.json with imagesTr and labelsTr, two folders" in str(caught.value)
    assert words in str(caught.value)


def test_an_image_without_truth_is_named(tmp_path):
    touch(tmp_path, "images/a.png", "images/b.png", "labels/a.png")
    with pytest.raises(ConfigError, match=r"case 'b' must have its file, got no .*labels/b\.png"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("raw", "b"), "named labels in x.h5, got b, raw"),
        (("labels",), "one that is named labels in x.h5, got labels"),
    ],
)
def test_a_container_whose_data_sets_have_other_names(tmp_path, monkeypatch, names, words):
    monkeypatch.chdir(tmp_path)
    for name in names:
        dtype = np.float32 if name == "b" else np.uint8
        write_volume(f"x.h5:{name}", np.ones((2, 16, 16), dtype=dtype))
    with pytest.raises(ArgumentError, match=re.escape(words)):
        find_layout(tmp_path.joinpath("x.h5").relative_to(tmp_path))


def test_a_place_that_is_none(tmp_path):
    touch(tmp_path, "a.txt")
    with pytest.raises(ArgumentError, match="must exist, got no such folder"):
        find_layout(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="must be a folder, or a file in HDF5"):
        find_layout(tmp_path / "a.txt")
    (tmp_path / "a*b").mkdir()
    with pytest.raises(ArgumentError, match=r"a path without \* and colons"):
        find_layout(tmp_path / "a*b")
