"""The page of a run of masks is made of what its steps left."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from objectwise.errors import ArgumentError
from objectwise.report import MaskRun
from objectwise.workflow import run, write_page
from objectwise.workflow.pages import read_run
from tests.report.made_up import Page
from tests.workflow.test_masks import config_of, images, tree
from tests.workflow.tiny import tiny_config


@pytest.mark.slow
def test_page_of_a_run_of_classes_counts_what_the_scores_count(tmp_path: Path):
    done = run(config_of(tree(tmp_path, evaluation={"tolerance": 2, "sizes": [60]})), tmp_path / "run")
    scores = done.scores()
    assert scores is not None
    content = read_run(tmp_path / "run")
    assert isinstance(content, MaskRun)
    assert content.classes == ("even", "odd")
    assert content.channels == ("background", "even", "odd")
    assert content.tolerance == 2
    assert content.warmup_steps == 2
    assert "hausdorff95" in content.lower_is_better
    assert "f1" not in content.lower_is_better
    (volume,) = content.volumes
    assert volume.raw.shape == (2, 6, 32, 32)
    assert volume.ignore is not None
    assert volume.ignore[:, :8, :8].all()
    section = volume.probability_section(3, 3)
    assert section is not None
    np.testing.assert_allclose(section.sum(0), 1, atol=1e-5)
    page = Page(done.directory.report.read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    classes = scores["volumes"]["test"]["classes"]
    for name in ("even", "odd"):
        row = classes[name]
        assert f"{name} {row['found']} found {row['missed']} missed {row['false']} false" in text
        assert f"Largest errors: {name} in test" in text
        assert f"By size: {name}" in text
    assert f"F1 {scores['mean']['f1']:.3f} on test:" in text
    assert "The tolerance of the surface Dice is 2;" in text
    assert "Unknown : not scored, dark" in text
    figures = {value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")}
    assert {
        "Score over threshold",
        "Training curve: dice_cross_entropy",
        "Training curve: instance",
    } <= figures


@pytest.mark.slow
def test_page_of_a_run_of_images_has_a_structure_and_no_linked_sections(tmp_path: Path):
    content = tree(
        tmp_path,
        task={"name": "masks", "options": {"structures": ["cell"]}},
        dimensions=2,
        data={
            "train": [images(tmp_path, "image_train", seed=0)],
            "evaluate": [images(tmp_path, "image_test", seed=2)],
        },
        segmentation={"threshold": 0.4, "minimum_size": 3},
    )
    content["training"] |= {"patch_shape": [16, 16], "loss": [{"name": "dice"}]}
    done = run(config_of(content), tmp_path / "run")
    scores = done.scores()
    assert scores is not None
    row = scores["volumes"]["image_test"]["classes"]["cell"]
    text = " ".join(Page(done.directory.report.read_text(encoding="utf-8")).text.split())
    assert f"cell {row['found']} found {row['missed']} missed {row['false']} false" in text
    assert "each section by itself" in text


@pytest.mark.slow
def test_runs_of_affinities_and_of_masks_are_not_compared(tmp_path: Path):
    run(tiny_config(tmp_path, "training.steps=5"), tmp_path / "edges", only=["train"])
    run(config_of(tree(tmp_path)), tmp_path / "masks", only=["train"])
    with pytest.raises(
        ArgumentError, match=re.escape("`directories` must be runs of one task to be compared")
    ):
        write_page([tmp_path / "edges", tmp_path / "masks"], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    write_page([tmp_path / "masks"], tmp_path / "page.html")
    assert "No volume was segmented yet." in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_of_affinities_from_several_channels_shows_the_first(tmp_path: Path):
    content = tree(tmp_path)
    del content["task"]
    for volumes in (content["data"]["train"], content["data"]["evaluate"]):
        for one in volumes:
            del one["classes"], one["ignore"]
    content["training"]["loss"] = {"name": "bce"}
    run(config_of(content), tmp_path / "run")
    found = read_run(tmp_path / "run")
    assert not isinstance(found, MaskRun)
    assert found.volumes[0].raw.shape == (6, 32, 32)
    assert found.volumes[0].affinities is not None
