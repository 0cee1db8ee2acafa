"""Voxels of training and evaluation are the same by place and sections, or by content wherever it lies."""

from __future__ import annotations

import pytest

from objectwise.atomic import read_json
from objectwise.cli.steps import scores_text
from objectwise.data import read_volume, write_volume
from objectwise.errors import ConfigError
from objectwise.workflow import STEPS, run
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.job import Job
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.shared_voxels import Voxels
from objectwise.workflow.steps.evaluate import EVALUATE
from tests.workflow.tiny import cells, tiny_config, write_tiny

SECTIONS = ("a", "b", "", "c")


def voxels(place="a.h5:raw", sections=None, digest=None, section_digests=()):
    return Voxels(place, sections, digest, section_digests)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (None, None, "all sections of a.h5:raw in both"),
        ((0, 4), (3, 9), "section 3 of a.h5:raw in both"),
        ((2, 9), (0, 6), "sections 2 to 5 of a.h5:raw in both"),
        (None, (4, 6), "sections 4 to 5 of a.h5:raw in both"),
        ((4, 6), None, "sections 4 to 5 of a.h5:raw in both"),
        ((0, 4), (4, 9), None),
    ],
)
def test_sections_of_one_place_overlap(one, other, words):
    assert voxels(sections=one).shared_with(voxels(sections=other)) == words
    assert voxels("b.h5:raw", one).shared_with(voxels(sections=other)) is None


def test_a_copy_is_found_by_its_content():
    copy = voxels("copy.tif", digest="x")
    assert copy.shared_with(voxels(digest="x")) == "the same voxels in copy.tif and a.h5:raw"
    assert copy.shared_with(voxels(digest="y")) is None
    assert voxels("copy.tif").shared_with(voxels()) is None


def test_sections_are_found_by_their_content_and_blank_ones_prove_nothing():
    one = voxels("copy.tif", (10, 14), "x", SECTIONS)
    theirs = voxels(digest="y", section_digests=("d", "c"))
    assert one.shared_with(theirs) == "section 13 of copy.tif also in a.h5:raw"
    theirs = voxels(digest="y", section_digests=("c", "b", "a"))
    assert str(one.shared_with(theirs)) == "3 sections (the first is 10) of copy.tif also in a.h5:raw"
    assert one.shared_with(voxels(digest="y", section_digests=("", "d"))) is None


@pytest.fixture
def folder(tmp_path):
    """The volumes of the tiny run, and more beside them."""
    write_tiny(tmp_path)
    return tmp_path


def at(folder, name, group="evaluate", sections=None):
    """A setting that puts a file of the folder, or some sections of it, into a group of volumes."""
    file = folder / f"{name}.h5"
    cut = "" if sections is None else f", sections: {list(sections)}"
    return (
        f"data.{group}=[{{name: {group}, raw: '{file}:volumes/raw', "
        f"labels: '{file}:volumes/labels/neuron_ids'{cut}}}]"
    )


def copied(folder, name, sections=slice(None), *, dtype=None, **options):
    """Write some sections of the training volume as another file."""
    for inner in ("raw", "labels/neuron_ids"):
        array = read_volume(f"{folder}/train.h5:volumes/{inner}").array[sections]
        if inner == "raw" and dtype is not None:
            array = array.astype(dtype)
        write_volume(f"{folder}/{name}.h5:volumes/{inner}", array, **options)


def refused(folder, *settings, only=STEPS):
    """Return what is said against a run; nothing is written."""
    with pytest.raises(ConfigError) as caught:
        run(tiny_config(folder, *settings), folder / "run", only=only)
    assert not (folder / "run").exists()
    return str(caught.value)


def test_training_voxels_are_not_evaluated_by_place(folder):
    place = f"{folder}/train.h5:volumes/raw"
    text = refused(folder, at(folder, "train"))
    assert text == (
        f"data.evaluate.0.raw: must hold no voxels of data.train.0.raw, got all sections of {place} in both; "
        "evaluate others, or set evaluation.allow_training_data=true to score what was learnt by heart"
    )
    text = refused(folder, at(folder, "train", "train", (0, 9)), at(folder, "train", "evaluate", (8, 10)))
    assert f"data.train.0.raw, got section 8 of {place} in both" in text


def test_voxels_that_the_threshold_is_chosen_on_are_not_evaluated(folder):
    tuned, cut = at(folder, "test", "tune", (0, 4)), at(folder, "test", "evaluate", (4, 8))
    assert run(tiny_config(folder, tuned, cut), folder / "run", dry_run=True)
    text = refused(folder, tuned)
    assert (
        f"must hold no voxels of data.tune.0.raw, got sections 0 to 3 of {folder}/test.h5:volumes/raw" in text
    )


@pytest.mark.parametrize(
    ("sections", "size", "words"),
    [
        (slice(None), (30, 6, 6), "the same voxels in {0}/copy.h5:volumes/raw and {0}/train.h5:volumes/raw"),
        (
            slice(None),
            (1, 1, 1),
            "10 sections (the first is 0) of {0}/copy.h5:volumes/raw also in {0}/train.h5",
        ),
        (
            slice(7, 9),
            (30, 6, 6),
            "2 sections (the first is 0) of {0}/copy.h5:volumes/raw also in {0}/train.h5",
        ),
    ],
)
def test_copies_of_training_voxels_are_not_evaluated(folder, sections, size, words):
    copied(folder, "copy", sections, voxel_size=size)
    assert words.format(folder) in refused(folder, at(folder, "copy"))


@pytest.mark.parametrize("dtype", ["uint16", "int64", "float32", "float64"])
def test_copies_in_another_dtype_are_not_evaluated(folder, dtype):
    copied(folder, "copy", slice(2, 9), dtype=dtype, voxel_size=(30, 6, 6))
    words = f"got 7 sections (the first is 0) of {folder}/copy.h5:volumes/raw also in {folder}/train.h5"
    assert words in refused(folder, at(folder, "copy"))


def test_a_blank_section_in_both_is_no_copy(folder):
    for seed, name in enumerate(("train", "test")):
        raw, labels = cells((8, 32, 24), seed=seed)
        raw[3] = 0
        for inner, array in (("raw", raw), ("labels/neuron_ids", labels)):
            write_volume(f"{folder}/{name}.h5:volumes/{inner}", array, overwrite=True)
    assert run(tiny_config(folder), folder / "run", dry_run=True)


def test_only_a_score_is_refused(folder):
    setting = at(folder, "train")
    assert run(tiny_config(folder, setting), folder / "run", only=["train"], dry_run=True)
    unscored = setting.replace(f", labels: '{folder}/train.h5:volumes/labels/neuron_ids'", "")
    assert run(tiny_config(folder, unscored), folder / "run", dry_run=True)


@pytest.mark.slow
def test_what_is_meant_is_scored_and_said_beside_the_score(folder):
    copied(folder, "copy", slice(2, 10), voxel_size=(30, 6, 6))
    settings = at(folder, "copy"), "training.steps=5"
    allowed = "evaluation.allow_training_data=true"
    done = run(tiny_config(folder, *settings, allowed), folder / "run")
    words = (
        f"8 sections (the first is 0) of {folder}/copy.h5:volumes/raw also in {folder}/train.h5:volumes/raw"
    )
    sentence = f"The network was trained on voxels of it ({words}). "
    sentence += f"The threshold was chosen on voxels of it ({words})."
    assert done.scores()["volumes"]["evaluate"]["learnt_from"] == sentence
    page = (folder / "run" / "report.html").read_text()
    assert "on evaluate (training data)." in page
    assert sentence in page
    assert f"evaluate: {sentence}" in scores_text(done.scores())
    # It is the score that was asked for; saying so again is no reason to redo it, nor is leaving it out.
    again = run(tiny_config(folder, *settings), folder / "run", dry_run=True)
    assert [step.state() for step in again.steps] == ["complete"] * 5


@pytest.mark.slow
def test_scoring_that_was_not_inspected_looks_itself(folder):
    """As when another process undoes the step after this one found it complete."""
    copied(folder, "copy", slice(2, 10), voxel_size=(30, 6, 6))
    allowed, setting = "evaluation.allow_training_data=true", at(folder, "copy")
    config = tiny_config(folder, setting, allowed, "training.steps=5")
    done = run(config, folder / "run", only=STEPS[:4])
    scores = done.scores()
    assert scores["volumes"]["evaluate"]["learnt_from"]
    done.directory.scores.unlink()
    digests = InputDigests.read(done.directory.inputs)
    EVALUATE.do(Job(config, done.directory, digests, Reporter()), done.steps[3])
    assert read_json(done.directory.scores) == scores
    forbidden = tiny_config(folder, setting, "training.steps=5")
    with pytest.raises(ConfigError, match=r"must hold no voxels of data.train.0.raw, got 8 sections"):
        EVALUATE.do(Job(forbidden, done.directory, digests, Reporter()), done.steps[3])


@pytest.mark.slow
def test_moved_training_data_are_known_by_what_was_read_of_them(folder):
    copied(folder, "copy", slice(2, 10), voxel_size=(30, 6, 6))
    settings = at(folder, "copy"), "training.steps=5"
    run(tiny_config(folder, *settings), folder / "run", only=STEPS[:3])
    (folder / "train.h5").rename(folder / "away.h5")
    with pytest.raises(ConfigError, match=r"must hold no voxels of data.train.0.raw, got 8 sections"):
        run(tiny_config(folder, *settings), folder / "run", only=["evaluate"])


@pytest.mark.slow
def test_training_volumes_scored_for_want_of_others_are_called_so(folder):
    done = run(tiny_config(folder, "data.evaluate=[]", "training.steps=5"), folder / "run")
    learnt = done.scores()["volumes"]["train"]["learnt_from"]
    assert learnt == "The network was trained on it. The threshold was chosen on it."
    assert "on train (training data)." in (folder / "run" / "report.html").read_text()
