"""Volumes from folders."""

from __future__ import annotations

import json

import pytest

from objectwise.config.sources import cases_of, with_sources
from objectwise.errors import ConfigError


@pytest.fixture
def nnunet(tmp_path):
    """Four cases of two channels."""
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        (tmp_path / "labelsTr" / f"case_{number}.nii.gz").touch()
        for channel in range(2):
            (tmp_path / "imagesTr" / f"case_{number}_000{channel}.nii.gz").touch()
    description = {
        "channel_names": {"0": "T1", "1": "FLAIR"},
        "labels": {"background": 0, "lesion": 1},
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    return tmp_path


@pytest.fixture
def images(tmp_path):
    """Three images with labels."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            (tmp_path / folder / f"{name}.png").touch()
    return tmp_path


def test_a_folder_of_nnunet_becomes_cases_with_their_channels_in_order(nnunet):
    cases = cases_of({"nnunet": str(nnunet)})
    assert [case["name"] for case in cases] == [f"case_{number}" for number in range(4)]
    assert cases[1]["raw"] == [str(nnunet / "imagesTr" / f"case_1_000{c}.nii.gz") for c in range(2)]
    assert cases[1]["classes"] == str(nnunet / "labelsTr" / "case_1.nii.gz")


def test_a_glob_names_the_cases_and_what_belongs_to_them(images):
    source = {"raw": f"{images}/images/*.png", "labels": f"{images}/labels/*.png"}
    assert cases_of(source) == [
        {"name": n, "raw": f"{images}/images/{n}.png", "labels": f"{images}/labels/{n}.png"} for n in "abc"
    ]


def test_a_glob_may_lead_into_containers_and_to_several_channels(tmp_path):
    (tmp_path / "one.h5").touch()
    source = {"raw": [f"{tmp_path}/*.h5:red", f"{tmp_path}/*.h5:green"]}
    assert cases_of(source) == [{"name": "one", "raw": [f"{tmp_path}/one.h5:{c}" for c in ("red", "green")]}]


def test_names_become_names_of_files(tmp_path):
    (tmp_path / "left eye.png").touch()
    assert cases_of({"raw": f"{tmp_path}/*.png"})[0]["name"] == "left_eye"


def test_shares_divide_all_cases_alike_for_equal_seeds(nnunet):
    data = {"source": {"nnunet": str(nnunet)}, "split": {"train": 0.5, "tune": 0.25, "evaluate": 0.25}}
    first, again, other = (with_sources(data, seed=seed) for seed in (0, 0, 3))
    assert first == again != other
    names = [[case["name"] for case in first[group]] for group in ("train", "tune", "evaluate")]
    assert [len(group) for group in names] == [2, 1, 1]
    assert sorted(name for group in names for name in group) == [f"case_{number}" for number in range(4)]


def test_lists_of_names_divide_the_cases_as_they_say(images):
    data = {
        "source": {"raw": f"{images}/images/*.png"},
        "split": {"train": ["c", "a"], "evaluate": ["b"]},
    }
    found = with_sources(data)
    assert {group: [case["name"] for case in cases] for group, cases in found.items()} == {
        "train": ["c", "a"], "tune": [], "evaluate": ["b"],
    }  # fmt: skip


def test_without_a_source_nothing_changes():
    data = {"train": [{"name": "a", "raw": "a.h5:raw"}]}
    assert with_sources(data) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"split": {"train": 1.0}}, "data.split must stand beside data.source"),
        ({"source": {"raw": "x/*.png"}, "train": [{}]}, "data.train must be left out"),
        ({"source": {}}, "either nnunet: FOLDER or raw: PATTERN"),
        ({"source": {"nnunet": "a", "raw": "*.png"}}, "either nnunet"),
        ({"source": {"raw": "nowhere/*.png"}}, "must find a file"),
        ({"source": {"raw": "plain.png"}}, "a path with one"),
        ({"source": {"raw": "a/*/b.png"}}, "in the name of the file"),
        ({"source": {"raw": "*.png", "truth": "*.png"}}, "only, got 'truth'"),
        ({"source": {"nnunet": "nowhere"}}, "must hold a dataset.json"),
    ],
)
def test_sources_that_lead_nowhere_are_refused(data, words):
    with pytest.raises(ConfigError, match=words):
        with_sources(data)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": 0.5}, "add up to 1"),
        ({"train": 0.1, "evaluate": 0.9}, "data.split.train must give a case"),
        ({"train": "all"}, "shares from 0 to 1"),
        ({"train": ["a"], "evaluate": 0.5}, "data.split.evaluate must be a list"),
        ({"train": ["a"], "evaluate": ["a"]}, "name a case once, got 'a' in train and evaluate"),
        ({"train": ["z"]}, "must name cases of the source, got 'z'"),
        ({"test": 1.0}, "only, got 'test'"),
        ([0.5, 0.5], "must be a mapping"),
    ],
)
def test_splits_that_do_not_divide_are_refused(images, split, words):
    with pytest.raises(ConfigError, match=words):
        with_sources({"source": {"raw": f"{images}/images/*.png"}, "split": split})


def test_a_missing_channel_or_label_is_named(nnunet, images):
    (nnunet / "imagesTr" / "case_2_0001.nii.gz").unlink()
    with pytest.raises(ConfigError, match="case 'case_2' must have 2 channels"):
        cases_of({"nnunet": str(nnunet)})
    (images / "labels" / "b.png").unlink()
    with pytest.raises(ConfigError, match="case 'b' must have its file"):
        cases_of({"raw": f"{images}/images/*.png", "labels": f"{images}/labels/*.png"})


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "must be JSON"), ("[]", "must be a mapping"), ("{}", "must name channel_names")],
)
def test_a_damaged_dataset_json_is_named(nnunet, text, words):
    (nnunet / "dataset.json").write_text(text)
    with pytest.raises(ConfigError, match=words):
        cases_of({"nnunet": str(nnunet)})
