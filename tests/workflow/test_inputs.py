"""Inputs that move, change or are out of reach, before a run goes on and during it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from objectwise.config import load_config
from objectwise.errors import ArgumentError, ConfigError, VolumeError
from objectwise.workflow import STEPS, run
from objectwise.workflow.places import absolute_place
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.steps import KINDS
from tests.workflow.pretended import do_instead
from tests.workflow.tiny import cells, tiny_config, write_tiny


def test_volume_that_comes_into_a_folder_changes_no_finished_run(tmp_path: Path, calls: list[str]):
    write_tiny(tmp_path)
    text = (tmp_path / "tiny.yaml").read_text()
    places = f'raw: "{tmp_path}/*.h5:volumes/raw", labels: "{tmp_path}/*.h5:volumes/labels/neuron_ids"'
    tree = yaml.safe_load(text) | {"data": {"source": yaml.safe_load(f"{{{places}}}"), "split": {"train": 1}}}
    config = tmp_path / "folder.yaml"
    config.write_text(yaml.safe_dump(tree))
    directory = tmp_path / "run"
    run(load_config(config), directory)
    shutil.copy(tmp_path / "test.h5", tmp_path / "more.h5")
    calls.clear()
    run(load_config(directory / "config.yaml"), directory)
    assert calls == []
    with pytest.raises(ArgumentError, match=r"'train' .* \(new: more\); choose another"):
        run(load_config(config), directory)


def test_moved_data_are_the_same_data(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run", only=["train"])
    (tmp_path / "train.h5").rename(tmp_path / "moved.h5")
    place = f"data.train.0={{name: train, raw: '{tmp_path}/moved.h5:volumes/raw', "
    moved = tiny_config(tmp_path, f"{place}labels: '{tmp_path}/moved.h5:volumes/labels/neuron_ids'}}")
    run(moved, tmp_path / "run")
    assert calls == list(STEPS)


def test_changed_input_is_refused_and_redone_on_purpose(tmp_path: Path, calls: list[str]):
    from objectwise.data import write_volume

    config = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    calls.clear()
    raw, _ = cells((8, 32, 24), seed=5)
    write_volume(f"{tmp_path}/test.h5:volumes/raw", raw, voxel_size=(30, 6, 6), overwrite=True)
    with pytest.raises(ArgumentError, match=r"inputs of step 'predict' in .* changed"):
        run(config, tmp_path / "run")
    assert not calls
    run(config, tmp_path / "run", overwrite=True)
    assert calls == ["predict", "segment", "evaluate", "report"]


def test_killed_training_is_not_thrown_away_when_an_input_changed(tmp_path: Path, monkeypatch):
    from objectwise.data import write_volume

    def killed(job, step):
        (step.folder / "last.ckpt").write_text("hours of work")
        raise KeyboardInterrupt

    do_instead(monkeypatch, killed)
    config, checkpoint = tiny_config(tmp_path), tmp_path / "run" / "train" / "last.ckpt"
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run")
    raw, _ = cells((10, 32, 32), seed=5)
    write_volume(f"{tmp_path}/train.h5:volumes/raw", raw, voxel_size=(30, 6, 6), overwrite=True)
    with pytest.raises(
        ArgumentError, match=r"inputs of step 'train' .* begun with, but raw\.train changed from"
    ):
        run(config, tmp_path / "run")
    assert checkpoint.read_text() == "hours of work"


def gone(folder: Path, name: str) -> None:
    (folder / f"{name}.h5").rename(folder / f"{name}-elsewhere.h5")


def test_moved_training_data_block_no_step_that_does_not_read_them(tmp_path: Path, calls: list[str]):
    config = tiny_config(tmp_path)
    run(config, tmp_path / "run", only=["train", "predict", "segment"])
    gone(tmp_path, "train")
    run(config, tmp_path / "run", only=["evaluate"])
    run(config, tmp_path / "run", only=["report"])
    assert calls == list(STEPS)
    # Nor does another place, where there is nothing, either.
    elsewhere = tiny_config(tmp_path, "data.train.0.raw=nowhere.h5:raw")
    run(elsewhere, tmp_path / "run", only=["evaluate"])
    with pytest.raises(ConfigError, match=r"data\.train\.0\.labels: .*train\.h5"):
        run(
            tiny_config(tmp_path, "segmentation.minimum_size=3"),
            tmp_path / "run",
            only=["segment"],
            overwrite=True,
        )


def test_complete_step_is_believed_where_its_input_is_out_of_reach_and_says_so(
    tmp_path: Path, calls: list[str]
):
    said: list[str] = []

    class Listener(Reporter):
        def message(self, text: str) -> None:
            said.append(text)

    config = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    gone(tmp_path, "train")
    run(config, tmp_path / "run", reporter=Listener())
    assert calls == list(STEPS)
    assert any(text.startswith("train: complete, skipped") and "train.h5" in text for text in said)
    # Another place is another matter.
    with pytest.raises(ConfigError, match=r"data\.train\.0\.raw: .*nowhere\.h5"):
        run(tiny_config(tmp_path, "data.train.0.raw=nowhere.h5:raw"), tmp_path / "run")


def test_new_place_of_old_data_is_compared_once_and_taken(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run")
    gone(tmp_path, "test")
    place = f"{tmp_path}/test-elsewhere.h5:volumes"
    moved = [f"data.evaluate.0.raw={place}/raw", f"data.evaluate.0.labels={place}/labels/neuron_ids"]
    again = run(tiny_config(tmp_path, *moved), tmp_path / "run")
    assert [step.state() for step in again.steps] == ["complete"] * 5
    assert calls == list(STEPS)
    wrong = [f"data.evaluate.0.raw={tmp_path}/train.h5:volumes/raw", moved[1]]
    with pytest.raises(ArgumentError, match=r"raw\.test changed"):
        run(tiny_config(tmp_path, *wrong), tmp_path / "run", only=["predict"])


def change_voxel(folder: Path, name: str, place: str) -> None:
    """Change one voxel and restore the date of the file."""
    import h5py

    file = folder / f"{name}.h5"
    date = file.stat().st_mtime_ns
    with h5py.File(file, "r+") as content:
        content[place][3, 2, 1] += 1
    os.utime(file, ns=(date, date))


@pytest.mark.parametrize(
    ("step", "name", "place", "key"),
    [
        ("train", "train", "volumes/raw", "data.train.0.raw"),
        ("predict", "test", "volumes/raw", "data.evaluate.0.raw"),
        ("segment", "train", "volumes/labels/neuron_ids", "data.train.0.labels"),
        ("evaluate", "test", "volumes/labels/neuron_ids", "data.evaluate.0.labels"),
        ("report", "test", "volumes/raw", "data.evaluate.0.raw"),
    ],
)
def test_input_changed_during_the_run_is_noticed_by_the_step_that_reads_it(
    tmp_path: Path, monkeypatch, step: str, name: str, place: str, key: str
):
    config, before = tiny_config(tmp_path, "training.steps=5"), STEPS[: STEPS.index(step)]
    if before:
        run(config, tmp_path / "run", only=before)

    def change_first(work):
        def changed(job, one, *more):
            change_voxel(tmp_path, name, place)
            work(job, one, *more)

        return changed

    # The training takes its volumes as it inspected them.
    hook = "inspect" if step == "train" else "do"
    with monkeypatch.context() as meanwhile:
        kinds = [
            replace(kind, **{hook: change_first(getattr(kind, hook))}) if kind.name == step else kind
            for kind in KINDS
        ]
        meanwhile.setattr("objectwise.workflow.execution.KINDS", kinds)
        with pytest.raises(
            VolumeError, match=rf"{key}: `.*` must stay what the run was begun with"
        ) as caught:
            run(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    if step == "train":
        assert not (tmp_path / "run").exists()
    else:
        assert not (tmp_path / "run" / step / "complete.json").exists()
        # The date says that nothing changed; the next command compares all the same.
        name_in_record = key.rpartition(".")[2]
        with pytest.raises(ArgumentError, match=rf"step '.*' .* {name_in_record}\.{name} changed from"):
            run(config, tmp_path / "run")
    done = run(config, tmp_path / "run", overwrite=True)
    assert [one.state() for one in done.steps] == ["complete"] * 5


@pytest.mark.slow
def test_starting_weights_changed_during_the_run_are_noticed(tmp_path: Path, monkeypatch):
    from objectwise.networks import save_network
    from objectwise.training import network_of

    weights = tmp_path / "start.pt"
    config = tiny_config(tmp_path, f"training.initial_weights={weights}", "training.steps=5")
    save_network(weights, network_of(config))

    def change_first(job, step):
        save_network(weights, network_of(config.model_copy(update={"seed": 1})))
        KINDS[0].do(job, step)

    with monkeypatch.context() as meanwhile:
        kinds = [replace(KINDS[0], do=change_first), *KINDS[1:]]
        meanwhile.setattr("objectwise.workflow.execution.KINDS", kinds)
        with pytest.raises(VolumeError, match=r"training\.initial_weights: `.*start\.pt` must stay"):
            run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "train" / "network.pt").exists()
    with pytest.raises(ArgumentError, match="but start changed from"):
        run(config, tmp_path / "run")


def test_run_goes_on_from_any_working_directory(tmp_path: Path, calls: list[str], monkeypatch):
    write_tiny(tmp_path)
    relative = [
        f"data.{group}.0.{key}={name}.h5:volumes/{place}"
        for group, name in (("train", "train"), ("evaluate", "test"))
        for key, place in (("raw", "raw"), ("labels", "labels/neuron_ids"))
    ]
    monkeypatch.chdir(tmp_path)
    run(load_config(Path("tiny.yaml"), relative), "run", only=["train", "predict"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"data\.train\.0\.labels: .*train\.h5"):
        run(load_config(tmp_path / "tiny.yaml", relative), tmp_path / "run")
    kept = load_config(tmp_path / "run" / "config.yaml")
    assert kept.data.train[0].raw == f"{tmp_path}/train.h5:volumes/raw"
    run(kept, tmp_path / "run")
    assert calls == list(STEPS)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("a.h5:volumes/raw", "HERE/a.h5:volumes/raw"),
        ("sub/../a.zarr:raw", "HERE/sub/../a.zarr:raw"),
        ("stack.tif", "HERE/stack.tif"),
        ("sections.d/", "HERE/sections.d/"),
        ("/data/a.nii.gz", "/data/a.nii.gz"),
        ("network.pt", "HERE/network.pt"),
    ],
)
def test_place_is_made_absolute_as_it_stands(tmp_path: Path, monkeypatch, place: str, expected: str):
    monkeypatch.chdir(tmp_path)
    assert absolute_place(place) == expected.replace("HERE", str(tmp_path))
