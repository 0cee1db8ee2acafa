"""Volumes from folders."""

from __future__ import annotations

import json
import re

import pytest

from objectwise.config.load import parse_config
from objectwise.config.nnunet import read_dataset
from objectwise.config.sources import source_of, with_sources
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
    cases, keys = source_of({"nnunet": str(nnunet)})
    assert keys == {"channels": 2}
    assert [case["name"] for case in cases] == [f"case_{number}" for number in range(4)]
    assert cases[1]["raw"] == [str(nnunet / "imagesTr" / f"case_1_000{c}.nii.gz") for c in range(2)]
    assert cases[1]["classes"] == str(nnunet / "labelsTr" / "case_1.nii.gz")


def test_a_glob_names_the_cases_and_what_belongs_to_them(images):
    source = {"raw": f"{images}/images/*.png", "labels": f"{images}/labels/*.png"}
    assert source_of(source).cases == [
        {"name": n, "raw": f"{images}/images/{n}.png", "labels": f"{images}/labels/{n}.png"} for n in "abc"
    ]


def test_a_glob_may_lead_into_containers_and_to_several_channels(tmp_path):
    (tmp_path / "one.h5").touch()
    source = {"raw": [f"{tmp_path}/*.h5:red", f"{tmp_path}/*.h5:green"]}
    assert source_of(source).cases == [
        {"name": "one", "raw": [f"{tmp_path}/one.h5:{c}" for c in ("red", "green")]}
    ]


def test_names_become_names_of_files(tmp_path):
    (tmp_path / "left eye.png").touch()
    assert source_of({"raw": f"{tmp_path}/*.png"}).cases[0]["name"] == "left_eye"


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
        ({"source": {"raw": "plain.png"}}, "must be a path with a *"),
        ({"source": {"raw": "a/*/b.png"}}, "must find a file"),
        (
            {"source": {"raw": []}},
            "data.source.raw must be a path with a * for the name of the case, got an empty list",
        ),
        (
            {"source": {"raw": None}},
            "data.source.raw must be a path with a * for the name of the case, got None",
        ),
        (
            {"source": {"raw": "*.png", "labels": [3]}},
            "data.source.labels must be a path with a * for the name of the case, got 3",
        ),
        ({"source": {"nnunet": None}}, "data.source.nnunet must be a folder, got None"),
        ({"source": {"raw": "*.png", "truth": "*.png"}}, "only, got 'truth'"),
        ({"source": {"nnunet": "nowhere"}}, "must hold a dataset.json"),
    ],
)
def test_sources_that_lead_nowhere_are_refused(data, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        with_sources(data)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": 0.5}, "add up to 1"),
        ({"evaluate": 1.0}, "data.split.train must be above 0"),
        ({"train": "all"}, "shares from 0 to 1"),
        ({"train": ["a"], "evaluate": 0.5}, "data.split.evaluate must be a list"),
        ({"train": ["a"], "evaluate": ["a"]}, "name a case once, got 'a' in train and evaluate"),
        ({"train": ["z"]}, "must name cases of the source, got 'z'"),
        ({"test": 1.0}, "only, got 'test'"),
        ([0.5, 0.5], "must be a mapping"),
        ({"train": float("nan"), "evaluate": 0.5}, "shares from 0 to 1"),
        ({"train": True}, "shares from 0 to 1"),
    ],
)
def test_splits_that_do_not_divide_are_refused(images, split, words):
    with pytest.raises(ConfigError, match=words):
        with_sources({"source": {"raw": f"{images}/images/*.png"}, "split": split})


def test_a_missing_channel_or_label_is_named(nnunet, images):
    (nnunet / "imagesTr" / "case_2_0001.nii.gz").unlink()
    with pytest.raises(ConfigError, match="case 'case_2' must have 2 channels"):
        source_of({"nnunet": str(nnunet)})
    (images / "labels" / "b.png").unlink()
    with pytest.raises(ConfigError, match="case 'b' must have its file"):
        source_of({"raw": f"{images}/images/*.png", "labels": f"{images}/labels/*.png"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "must be JSON"),
        (100_000 * "[", "nest without end"),
        ("[]", "must be a mapping"),
        ("{}", "must name channel_names"),
        ('{"channel_names": {"0": "T1"}, "labels": {"a": 0, "b": "1"}}', "a whole number, got '1' for 'b'"),
        ('{"channel_names": {"0": "T1"}, "labels": {"a": 0, "b": 2}}', "must number its labels 0, 1, 2"),
        ('{"channel_names": {"0": "T1"}, "labels": {"a": 0}, "file_ending": 3}', "file_ending like .nii.gz"),
        (
            '{"channel_names": {"0": "T1"}, "labels": {"background": 0, "whole": [1, 2], "core": 2}}',
            "one number, got [1, 2] for 'whole': sets of labels (region-based",
        ),
    ],
)
def test_a_damaged_dataset_json_is_named(nnunet, text, words):
    (nnunet / "dataset.json").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(words)):
        source_of({"nnunet": str(nnunet)})


def describe(folder, **changes):
    """Change keys of dataset.json."""
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_dataset_json_says_of_channels_and_unknown_truth_becomes_keys_of_the_data(nnunet):
    describe(nnunet, labels={"lesion": 1, "background": 0, "ignore": 2})
    assert read_dataset(nnunet) == (("T1", "FLAIR"), ("background", "lesion"), 2, ".nii.gz")
    found = with_sources({"source": {"nnunet": str(nnunet)}, "channels": 2})
    assert (found["channels"], found["ignore_label"]) == (2, 2)
    with pytest.raises(ConfigError, match=r"data\.ignore_label must be 2 as data\.source has it, got 7"):
        with_sources({"source": {"nnunet": str(nnunet)}, "ignore_label": 7})


def test_version_1_of_nnunet_names_the_numbers(nnunet):
    (nnunet / "dataset.json").write_text(
        json.dumps({"modality": {"0": "T1", "1": "T2"}, "labels": {"1": "lesion", "0": "background"}})
    )
    assert read_dataset(nnunet) == (("T1", "T2"), ("background", "lesion"), None, ".nii.gz")
    assert len(source_of({"nnunet": str(nnunet)}).cases) == 4


def test_pictures_of_nnunet_hold_their_colours_in_one_file(tmp_path):
    for place in ("imagesTr/a_0000.png", "labelsTr/a.png"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    names = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "road": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps(names | {"file_ending": ".png"}))
    cases, keys = source_of({"nnunet": str(tmp_path)})
    assert [case["raw"] for case in cases] == [str(tmp_path / "imagesTr/a_0000.png")]
    assert keys == {"channels": 3, "channel_axis": -1}


def test_channels_of_a_list_are_counted(images):
    raw = [f"{images}/images/*.png", f"{images}/labels/*.png"]
    assert with_sources({"source": {"raw": raw}})["channels"] == 2
    with pytest.raises(ConfigError, match=r"data\.channels must be 2 as data\.source has it, got 3"):
        with_sources({"source": {"raw": raw}, "channels": 3})


def test_a_label_beside_its_image_is_no_case(tmp_path):
    for name in ("a.nii.gz", "a_seg.nii.gz", "b.nii.gz", "b_seg.nii.gz"):
        (tmp_path / name).touch()
    cases = source_of({"raw": f"{tmp_path}/*.nii.gz", "labels": f"{tmp_path}/*_seg.nii.gz"}).cases
    assert [case["name"] for case in cases] == ["a", "b"]


def test_a_case_may_be_a_folder(tmp_path):
    for case in "ab":
        (tmp_path / case).mkdir()
        for name in ("t1.nii", "t2.nii", "truth.nii"):
            (tmp_path / case / name).touch()
    (tmp_path / "readme.txt").touch()
    source = {"raw": [f"{tmp_path}/*/t1.nii", f"{tmp_path}/*/t2.nii"], "classes": f"{tmp_path}/*/truth.nii"}
    cases = source_of(source).cases
    assert [case["name"] for case in cases] == ["a", "b"]
    assert cases[1]["raw"] == [f"{tmp_path}/b/t1.nii", f"{tmp_path}/b/t2.nii"]


def test_the_name_of_a_case_may_stand_in_its_folder_and_in_its_files(tmp_path):
    for case in "ab":
        (tmp_path / f"case_{case}").mkdir()
        for name in ("t1.nii", "seg.nii"):
            (tmp_path / f"case_{case}" / f"{case}_{name}").touch()
    source = {key: f"{tmp_path}/case_*/*_{name}.nii" for key, name in (("raw", "t1"), ("classes", "seg"))}
    cases = source_of(source).cases
    assert [case["name"] for case in cases] == ["a", "b"]
    assert cases[1]["classes"] == f"{tmp_path}/case_b/b_seg.nii"


def test_hidden_files_are_no_cases(images):
    (images / "images" / "._a.png").touch()
    assert len(source_of({"raw": f"{images}/images/*.png"}).cases) == 3


@pytest.mark.parametrize(
    ("n_cases", "split", "counts"),
    [
        (3, None, [1, 1, 1]),  # rounding alone left nothing to evaluate
        (4, None, [2, 1, 1]),
        (20, None, [14, 3, 3]),
        (10, {"train": 0.7, "tune": 0.3}, [7, 3, 0]),
        (2, {"train": 0.9, "evaluate": 0.1}, [1, 0, 1]),
        (100, {"train": 0.99, "tune": 0.001, "evaluate": 0.009}, [98, 1, 1]),
        (1, {"train": 1}, [1, 0, 0]),
    ],
)
def test_no_share_goes_without_a_case(tmp_path, n_cases, split, counts):
    for number in range(n_cases):
        (tmp_path / f"{number}.png").touch()
    data = {"source": {"raw": f"{tmp_path}/*.png"}} | ({} if split is None else {"split": split})
    found = with_sources(data)
    assert [len(found[group]) for group in ("train", "tune", "evaluate")] == counts


def test_fewer_cases_than_groups_are_refused(images):
    (images / "images" / "c.png").unlink()
    with pytest.raises(ConfigError, match=r"must have 3 cases for the groups of data\.split, got 2"):
        with_sources({"source": {"raw": f"{images}/images/*.png"}})


def text_of(images, split="{train: 0.4, tune: 0.3, evaluate: 0.3}"):
    """A whole configuration."""
    source = f'{{raw: "{images}/images/*.png", labels: "{images}/labels/*.png"}}'
    data = f"data:\n  source: {source}\n  split: {split}\n"
    return f"dimensions: 2\n{data}training: {{patch_shape: [16, 16]}}\n"


def test_a_configuration_has_its_source_written_out(images):
    config = parse_config(text_of(images))
    found = {group: getattr(config.data, group) for group in ("train", "tune", "evaluate")}
    assert sorted(volume.name for group in found.values() for volume in group) == ["a", "b", "c"]
    assert found["train"][0].raw == f"{images}/images/{found['train'][0].name}.png"


def test_overrides_and_the_environment_reach_the_source_and_the_seed_draws_its_cases(images, monkeypatch):
    monkeypatch.setenv("HERE", str(images))
    text = text_of("${HERE}")
    groups = ["data.split={train: [b], tune: [], evaluate: [a, c]}"]
    assert [volume.name for volume in parse_config(text, groups).data.evaluate] == ["a", "c"]
    drawn = {parse_config(text, [f"seed={seed}"]).data.train[0].name for seed in range(6)}
    assert drawn == {"a", "b", "c"}


def test_a_source_that_is_wrong_is_a_problem_of_the_file(images):
    with pytest.raises(ConfigError, match=r"^my\.yaml: data\.split must add up to 1"):
        parse_config(text_of(images, "{train: 0.5}"), source="my.yaml")


def test_other_problems_keep_the_paths_of_their_keys(images):
    with pytest.raises(ConfigError) as caught:
        parse_config(text_of(images), ["seed=-1", "training.stepz=3"], source="my.yaml")
    assert "seed: must be greater than or equal to 0, got -1" in str(caught.value)
    assert "training.stepz: unknown key; did you mean `steps`?" in str(caught.value)


def test_a_source_misspelt_is_understood(images):
    with pytest.raises(ConfigError, match=r"data\.sources: unknown key; did you mean `source`\?"):
        parse_config(text_of(images).replace("source:", "sources:").replace("split:", "allow: 1 #"))
