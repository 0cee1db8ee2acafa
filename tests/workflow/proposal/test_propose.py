"""What is proposed, and why."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from objectwise.config import parse_config
from objectwise.data import write_volume
from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.workflow.proposal import propose
from tests.workflow.proposal.folders import (
    nuclei,
    write_container,
    write_niftis,
    write_nnunet,
    write_pngs,
)
from tests.workflow.tiny import cells

PROPOSE = "objectwise.workflow.proposal.compose"


def words_of(text):
    """The comments without their line breaks."""
    return re.sub(r"\s*\n\s*# ", " ", text)


def tree_of(folder, **options):
    """The proposal as plain data."""
    return yaml.safe_load(propose(folder, **options).text)


def test_masks_in_pngs(tmp_path):
    tree = tree_of(write_pngs(tmp_path / "d"))
    assert tree["task"] == {"name": "masks", "options": {"classes": ["background", "object"]}}
    assert tree["dimensions"] == 2
    assert tree["data"] == {
        "source": {"raw": f"{tmp_path}/d/images/*.png", "classes": f"{tmp_path}/d/masks/*_mask.png"},
        "split": {"train": 0.7, "tune": 0.15, "evaluate": 0.15},
    }
    assert tree["training"]["patch_shape"] == [40, 48]
    assert tree["training"]["loss"] == [{"name": "dice_cross_entropy"}]


def test_ids_of_objects_apart_from_each_other_are_masks_with_a_loss_for_each_object(tmp_path):
    tree = tree_of(write_niftis(tmp_path))
    assert tree["task"]["name"] == "masks"
    assert tree["dimensions"] == 3
    assert "labels" in tree["data"]["source"]
    assert [term["name"] for term in tree["training"]["loss"]] == ["dice_cross_entropy", "instance"]
    # Sections are five times thicker than pixels.
    assert tree["network"]["kernel_sizes"][0] == [1, 3, 3]
    assert tree["network"]["strides"][0] == [1, 2, 2]


def test_cells_that_fill_one_volume_are_affinities_and_its_sections_are_divided(tmp_path):
    file = write_container(tmp_path / "block.h5")
    proposal = propose(file)
    config = parse_config(proposal.text)
    assert config.task.name == "affinities"
    groups = [getattr(config.data, group) for group in ("train", "tune", "evaluate")]
    assert [[(volume.name, volume.sections) for volume in group] for group in groups] == [
        [("block_train", (0, 14))],
        [("block_tune", (14, 17))],
        [("block_evaluate", (17, 20))],
    ]
    assert config.training.patch_shape[0] <= 14
    assert config.training.loss.name == "bce+malis"
    assert config.segmentation.method == "agglomeration"
    assert "touch another one" in proposal.found[2]


def test_nnunet_brings_classes_channels_and_unknown_truth(tmp_path):
    config = parse_config(propose(write_nnunet(tmp_path / "d")).text)
    assert config.task.options == {"classes": ["background", "lesion"]}
    assert (config.data.channels, config.data.ignore_label) == (2, 2)
    assert len(config.data.train[0].raw) == 2


def test_two_cases_of_nnunet_are_listed_with_what_dataset_json_says(tmp_path):
    config = parse_config(propose(write_nnunet(tmp_path / "d", n_cases=2)).text)
    assert (config.data.channels, config.data.ignore_label) == (2, 2)
    assert [volume.name for volume in config.data.evaluate] == ["c_1"]


def test_sections_labelled_by_themselves_are_images(tmp_path):
    stacks = [cells((32, 32), seed=seed) for seed in range(12)]
    ids = [np.where(labels > 0, labels + 100 * at, 0) for at, (_, labels) in enumerate(stacks)]
    write_volume(f"{tmp_path}/x.h5:raw", np.stack([raw for raw, _ in stacks]))
    write_volume(f"{tmp_path}/x.h5:labels", np.stack(ids))
    tree = tree_of(tmp_path)
    assert tree["dimensions"] == 2
    assert "pieces" not in tree["data"]


def test_ids_of_a_thin_volume_are_numbered_anew_in_each_section(tmp_path):
    tree = tree_of(write_container(tmp_path / "x.h5", (5, 32, 32)))
    assert tree["dimensions"] == 2
    assert tree["data"]["pieces"] == "section"


@pytest.mark.parametrize(("n_cases", "groups"), [(1, {"train": 1}), (2, {"train": 1, "evaluate": 1})])
def test_one_or_two_images_cannot_be_cut_and_it_says_so(tmp_path, n_cases, groups):
    text = propose(write_pngs(tmp_path, n_cases)).text
    data = yaml.safe_load(text)["data"]
    assert {group: len(volumes) for group, volumes in data.items()} == groups
    assert "of too few sections to cut" in words_of(text)


def test_the_task_that_is_asked_for_is_proposed(tmp_path):
    write_pngs(tmp_path)
    tree = tree_of(tmp_path, task="affinities")
    assert tree["task"] == "affinities"
    assert tree["data"]["source"]["labels"].endswith("masks/*_mask.png")
    assert tree["data"]["pieces"] == "section"
    block = tree_of(write_container(tmp_path / "b.h5"), task="masks")
    assert block["task"] == {"name": "masks", "options": {"classes": ["background", "neuron"]}}
    with pytest.raises(ArgumentError, match="`task` must be one of"):
        propose(tmp_path, task="boxes")


def test_channels_in_one_file(tmp_path):
    import imagecodecs

    for place in ("images", "labels"):
        (tmp_path / place).mkdir()
    for name in "abc":
        raw, ids = nuclei((40, 40), seed=ord(name))
        colours = imagecodecs.png_encode(np.stack([raw, raw // 2, raw // 3], axis=-1))
        (tmp_path / "images" / f"{name}.png").write_bytes(colours)
        write_volume(tmp_path / "labels" / f"{name}.png", ids)
    data = tree_of(tmp_path)["data"]
    assert (data["channels"], data["channel_axis"]) == (3, -1)
    write_volume(tmp_path / "images" / "a.png", raw, overwrite=True)
    with pytest.raises(ArgumentError, match=r"the same number of channels, got 1 in .*a\.png, 3 in .*b\.png"):
        propose(tmp_path)


def test_a_smaller_memory_gets_a_smaller_patch(tmp_path, monkeypatch):
    file = write_container(tmp_path / "x.h5", (32, 96, 96), voxel_size=(1, 1, 1))
    monkeypatch.setattr(f"{PROPOSE}.memory_of", lambda device: 2**40)
    large = tree_of(file)["training"]["patch_shape"]
    monkeypatch.setattr(f"{PROPOSE}.memory_of", lambda device: 2**26)
    small = tree_of(file)["training"]["patch_shape"]
    assert np.prod(small) * 4 < np.prod(large)


def test_reasons_stand_above_what_they_explain(tmp_path):
    text = propose(write_niftis(tmp_path), name="mine.yaml").text
    assert text.splitlines()[1:4] == [
        "#",
        "#     objectwise run mine.yaml --dry-run",
        "#     objectwise run mine.yaml",
    ]
    above = text[: text.index("\ntask:")].splitlines()
    assert any(line.startswith("# The truth is ids of objects: ") for line in above)
    assert max(map(len, text.splitlines())) <= 150


def test_dollars_in_paths_are_no_variables(tmp_path):
    folder = write_container_in(tmp_path / "$HOME")
    config = parse_config(propose(folder).text)
    assert config.data.train[0].raw.startswith(f"{tmp_path}/$HOME/")


def write_container_in(folder):
    folder.mkdir()
    write_container(folder / "x.h5", (2, 16, 16))
    return folder


def test_intensities_without_a_common_range_are_stretched(tmp_path):
    write_niftis(tmp_path)
    raw, ids = nuclei((12, 24, 24), seed=9)
    write_volume(tmp_path / "other.nii.gz", raw, voxel_size=(5, 1, 1))
    write_volume(tmp_path / "other_ids.nii.gz", ids, voxel_size=(5, 1, 1))
    assert tree_of(tmp_path)["normalisation"] == {"method": "percentiles"}


def test_voxel_sizes_that_differ_are_told_of_and_allowed(tmp_path):
    write_niftis(tmp_path)
    raw, ids = nuclei((12, 24, 24), seed=9)
    write_volume(tmp_path / "other.nii.gz", raw.astype(np.int16), voxel_size=(5, 3, 3))
    write_volume(tmp_path / "other_ids.nii.gz", ids, voxel_size=(5, 3, 3))
    proposal = propose(tmp_path)
    assert parse_config(proposal.text).data.allow_different_voxel_sizes
    assert "Voxel sizes differ by a factor of 3.0" in words_of(proposal.text)


def test_many_cases_are_not_all_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("objectwise.workflow.proposal.survey.MOST_HEADERS", 2)
    monkeypatch.setattr(f"{PROPOSE}.MOST_HEADERS", 2)
    assert "(of 2 of the 4 cases)" in propose(write_pngs(tmp_path)).found[1]


def test_classes_without_names_get_some_and_gaps_are_unused(tmp_path):
    for name in "abc":
        labels = np.zeros((32, 32), dtype=np.uint8)
        labels[::4, ::4] = 1
        labels[2::4, 2::4] = 3
        for place in ("images", "labels"):
            (tmp_path / place).mkdir(exist_ok=True)
            write_volume(tmp_path / place / f"{name}.png", labels)
    names = tree_of(tmp_path)["task"]["options"]["classes"]
    assert names == ["background", "class_1", "unused_2", "class_3"]
    write_volume(tmp_path / "labels" / "a.png", labels * 60, overwrite=True)
    with pytest.raises(ArgumentError, match="got the numbers 1, 3, 60, 180 in labels"):
        propose(tmp_path)


def test_a_truth_of_nothing_needs_a_word(tmp_path):
    write_pngs(tmp_path)
    for file in (tmp_path / "masks").iterdir():
        write_volume(file, np.zeros((40, 48), dtype=np.uint8), overwrite=True)
    with pytest.raises(ArgumentError, match="`--task` must be affinities or masks where nothing is seen"):
        propose(tmp_path)
    assert tree_of(tmp_path, task="masks")["task"]["name"] == "masks"


def test_files_that_do_not_belong_together_are_named(tmp_path):
    write_pngs(tmp_path)
    write_volume(tmp_path / "masks" / "cell 1_mask.png", np.zeros((8, 9), dtype=np.uint8), overwrite=True)
    with pytest.raises(ShapeError, match=r"cell 1_mask\.png` must have the same shape, got \(40, 48\)"):
        propose(tmp_path)
    write_volume(f"{tmp_path}/x.h5:raw", np.zeros((2, 16, 16), dtype=np.uint8))
    write_volume(f"{tmp_path}/x.h5:a/labels", np.zeros((2, 16, 16), dtype=np.float32))
    with pytest.raises(ArgumentError, match="one that is named labels"):
        propose(tmp_path / "x.h5")


def test_a_truth_of_fractions_is_refused(tmp_path):
    write_niftis(tmp_path)
    write_volume(tmp_path / "case1_ids.nii.gz", np.zeros((12, 24, 24), dtype=np.float32), overwrite=True)
    with pytest.raises(DtypeError, match="must hold integer"):
        propose(tmp_path)


def test_images_smaller_than_any_patch_are_refused(tmp_path):
    write_container(tmp_path / "x.h5", (20, 6, 40))
    with pytest.raises(ArgumentError, match="8 pixels or more along y and x"):
        propose(tmp_path)


def test_a_truth_is_not_read_as_a_whole(tmp_path, monkeypatch):
    file = write_container(tmp_path / "x.h5", (60, 16, 16))
    asked = []
    from objectwise.workflow.proposal import survey

    read = survey.read_labels

    def counted(place, sections=None):
        asked.append(sections)
        return read(place, sections=sections)

    monkeypatch.setattr(survey, "read_labels", counted)
    propose(file)
    assert sum(stop - first for first, stop in asked) == 12
