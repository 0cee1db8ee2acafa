"""A page shows what belongs together, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectwise.workflow import run
from objectwise.workflow.pages import read_run
from tests.workflow.tiny import tiny_config


@pytest.mark.slow
def test_page_shows_no_scores_of_an_earlier_segmentation(tmp_path: Path):
    short = "training.steps=5"
    done = run(tiny_config(tmp_path, short), tmp_path / "run")
    assert done.scores() is not None
    assert read_run(tmp_path / "run").volumes[0].scores
    changed = tiny_config(tmp_path, short, "segmentation.minimum_size=40")
    again = run(changed, tmp_path / "run", only=["segment"], overwrite=True)
    content = read_run(tmp_path / "run")
    assert again.scores() is None
    assert not content.volumes[0].scores
    assert not content.volumes[0].section_scores
    assert content.chosen_threshold is not None
    # The rest needs no second permission.
    finished = run(changed, tmp_path / "run")
    assert finished.scores() is not None
    assert read_run(tmp_path / "run").volumes[0].scores


@pytest.mark.slow
def test_page_shows_no_segmentation_of_an_earlier_training(tmp_path: Path):
    run(tiny_config(tmp_path, "training.steps=5"), tmp_path / "run")
    run(tiny_config(tmp_path, "training.steps=6"), tmp_path / "run", only=["train"], overwrite=True)
    content = read_run(tmp_path / "run")
    assert not content.volumes
    assert content.chosen_threshold is None
    assert len(content.curves["step"]) == 6


@pytest.mark.slow
def test_page_shows_no_tissue_that_the_run_has_not_seen(tmp_path: Path):
    from objectwise.data import write_volume
    from objectwise.errors import VolumeError
    from objectwise.workflow import write_page
    from tests.workflow.tiny import cells

    run(tiny_config(tmp_path, "training.steps=5"), tmp_path / "run")
    raw, _ = cells((8, 32, 24), seed=5)
    write_volume(f"{tmp_path}/test.h5:volumes/raw", raw, voxel_size=(30, 6, 6), overwrite=True)
    with pytest.raises(
        VolumeError, match=r"data\.evaluate\.0\.raw: .* must stay what the run was begun with"
    ):
        write_page([tmp_path / "run"], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
