"""A run checks before it works, skips what is done, and refuses what does not belong together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from objectwise.config import RunConfig, load_config
from objectwise.errors import ArgumentError, ConfigError, VolumeError
from objectwise.workflow import STEPS, run
from objectwise.workflow.engine import Step
from objectwise.workflow.job import Job
from objectwise.workflow.places import absolute_place
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.steps import KINDS
from tests.workflow.tiny import cells, tiny_config, write_tiny


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the work of every step by an empty file for each of its outputs."""
    made: list[str] = []

    def act(job: Job, step: Step) -> None:
        made.append(step.name)
        for path in step.outputs:
            path.write_text("{}")

    do_instead(monkeypatch, act)
    return made


def do_instead(monkeypatch: pytest.MonkeyPatch, do: Callable[[Job, Step], None]) -> None:
    """Replace the work of every step."""
    monkeypatch.setattr("objectwise.workflow.execution.KINDS", [replace(kind, do=do) for kind in KINDS])


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let torch see this many GPUs, of some memory."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    memory = SimpleNamespace(total_memory=2**40)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} if folder.exists() else set()


def test_run_does_every_step_once(tmp_path: Path, calls: list[str]):
    config = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    assert calls == list(STEPS)
    run(config, tmp_path / "run")
    assert calls == list(STEPS)


def test_dry_run_writes_nothing(tmp_path: Path, calls: list[str]):
    planned = run(tiny_config(tmp_path), tmp_path / "run", dry_run=True)
    assert [step.state() for step in planned.steps] == ["to do"] * 5
    assert not (tmp_path / "run").exists()
    assert not calls
    predict = planned.steps[1]
    assert [path.name for path in predict.outputs] == ["test.h5", "train.h5"]
    assert str(tmp_path / "run/train/network.pt") in predict.inputs


def test_fixed_threshold_needs_no_prediction_of_the_training_volumes(tmp_path: Path):
    config = tiny_config(tmp_path, "segmentation={threshold: 0.5}")
    planned = run(config, tmp_path / "run", dry_run=True)
    assert [path.name for path in planned.steps[1].outputs] == ["test.h5"]


def test_threshold_is_chosen_on_the_volumes_to_tune_on(tmp_path: Path):
    file = f"{tmp_path}/test.h5:volumes"
    tune = (
        f"data.tune=[{{name: tune, raw: '{file}/raw', labels: '{file}/labels/neuron_ids', sections: [0, 4]}}]"
    )
    done = run(tiny_config(tmp_path, tune), tmp_path / "run", only=["train", "predict", "segment"])
    predict, segment = done.steps[1:3]
    assert [path.name for path in predict.outputs] == ["test.h5", "tune.h5"]
    assert f"{file}/labels/neuron_ids" in segment.inputs
    assert json.loads(done.directory.threshold.read_text())["chosen_on"] == ["tune"]


def test_other_configuration_is_refused_with_its_first_key(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run")
    other = tiny_config(tmp_path, "training.steps=13", "seed=1")
    with pytest.raises(
        ArgumentError,
        match=r"configuration .* step 'train' in .*run must be .* seed changed from 0 to 1; .*--overwrite",
    ):
        run(other, tmp_path / "run")
    assert calls == list(STEPS)


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


def test_overwrite_redoes_only_what_the_change_concerns(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run")
    calls.clear()
    other = tiny_config(tmp_path, "segmentation.minimum_size=5")
    run(other, tmp_path / "run", overwrite=True)
    assert calls == ["segment", "evaluate", "report"]
    calls.clear()
    run(other, tmp_path / "run")
    assert not calls


@pytest.mark.parametrize(
    ("override", "first"),
    [
        ("seed=1", 0),
        ("training.steps=13", 0),
        ("training.loss={name: bce}", 0),
        ("offsets=[[-1, 0, 0], [0, -1, 0]]", 0),
        ("network.features=[4, 6]", 0),
        ("prediction.overlap=0.5", 1),
        ("segmentation.method=watershed", 2),
        ("segmentation.candidates=[0.5]", 2),
        ("training.threads=2", 5),
        ("training.workers=1", 5),
        ("training.checkpoint_every=7", 5),
        ("training.precision=bf16-mixed", 0),
        ("training.devices=2", 0),
        ("prediction.batch_size=1", 5),
    ],
)
def test_change_reaches_the_steps_that_depend_on_it(tmp_path: Path, override: str, first: int):
    before = run(tiny_config(tmp_path), tmp_path / "run", dry_run=True).steps
    after = run(tiny_config(tmp_path, override), tmp_path / "run", dry_run=True).steps
    same = [one.fingerprint == other.fingerprint for one, other in zip(before, after, strict=True)]
    assert same == [True] * first + [False] * (5 - first)


def test_speed_may_change_when_a_run_goes_on(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run")
    run(tiny_config(tmp_path, "training.threads=2"), tmp_path / "run")
    assert calls == list(STEPS)


def test_configuration_may_change_before_it_had_any_effect(tmp_path: Path, calls: list[str]):
    run(tiny_config(tmp_path), tmp_path / "run", only=["train"])
    run(tiny_config(tmp_path, "segmentation.minimum_size=5"), tmp_path / "run")
    assert calls == list(STEPS)


def test_new_step_is_one_object_in_the_list(tmp_path: Path, calls: list[str], monkeypatch):
    from objectwise.workflow import execution
    from objectwise.workflow.engine import Needs, StepKind

    def page(job: Job) -> list[Path]:
        return [job.directory.path / "thank" / "you.txt"]

    thank = StepKind(
        "thank",
        format=1,
        needs=lambda job, known: Needs({"seed": job.config.seed}, upstream=[job.directory.report]),
        outputs=page,
        check=lambda job, problems: None,
        do=lambda job, step: page(job)[0].write_text("you"),
    )
    monkeypatch.setattr(execution, "KINDS", (*execution.KINDS, thank))
    steps = (*STEPS, "thank")
    done = run(tiny_config(tmp_path), tmp_path / "run", only=steps)
    assert done.is_complete("thank")
    assert (tmp_path / "run" / "thank" / "you.txt").read_text() == "you"
    run(tiny_config(tmp_path), tmp_path / "run", only=steps)
    assert calls == list(STEPS)
    with pytest.raises(ArgumentError, match="seed changed from 0 to 1"):
        run(tiny_config(tmp_path, "seed=1"), tmp_path / "run", only=["thank"])


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


def test_upgrade_leaves_a_finished_run_complete(tmp_path: Path, calls: list[str], monkeypatch):
    config = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    monkeypatch.setattr("objectwise.__version__", "99.0")
    assert [step.state() for step in run(config, tmp_path / "run").steps] == ["complete"] * 5
    assert calls == list(STEPS)


def test_step_that_computes_something_else_now_is_outdated_with_those_after_it(
    tmp_path: Path, calls: list[str], monkeypatch
):
    config = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    from objectwise.workflow import execution

    newer = [replace(kind, format=2) if kind.name == "segment" else kind for kind in execution.KINDS]
    monkeypatch.setattr(execution, "KINDS", newer)
    with pytest.raises(
        ArgumentError, match=r"step 'segment' .* but the format of the step changed from 1 to 2"
    ):
        run(config, tmp_path / "run")
    calls.clear()
    run(config, tmp_path / "run", overwrite=True)
    assert calls == ["segment", "evaluate", "report"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "segmentation={threshold: 0.3}",
            r"step 'segment' .* segmentation\.threshold changed from the default to 0\.3",
        ),
        (
            "evaluation.protocol=distinct_pairs",
            r"step 'segment' .* evaluation\.protocol changed from cremi to",
        ),
        ("segmentation.candidates=[0.3, 0.5, 0.8]", r"segmentation\.candidates\.2 changed from 0\.7 to 0\.8"),
        ("prediction.overlap=0.5", r"step 'predict' .* prediction\.overlap changed from the default to 0\.5"),
        ("training.devices=2", r"step 'train' .* training\.devices changed from 1 to 2"),
    ],
)
def test_refusal_names_the_key_that_did_change(tmp_path: Path, calls: list[str], override: str, message: str):
    run(tiny_config(tmp_path), tmp_path / "run")
    with pytest.raises(ArgumentError, match=message):
        run(tiny_config(tmp_path, override), tmp_path / "run")


def test_prediction_stays_when_fewer_volumes_are_needed_and_more_again(tmp_path: Path, calls: list[str]):
    fixed = tiny_config(tmp_path, "segmentation={threshold: 0.3}")
    run(tiny_config(tmp_path), tmp_path / "run")
    calls.clear()
    run(fixed, tmp_path / "run", overwrite=True)
    assert calls == ["segment", "evaluate", "report"]
    run(tiny_config(tmp_path), tmp_path / "run", overwrite=True)
    assert calls == ["segment", "evaluate", "report"] * 2


def test_single_step_refuses_to_skip_the_one_before(tmp_path: Path, calls: list[str]):
    config = tiny_config(tmp_path)
    with pytest.raises(ArgumentError, match="step 'segment' needs the step 'train' complete"):
        run(config, tmp_path / "run", only=["segment"])
    assert not (tmp_path / "run").exists()
    run(config, tmp_path / "run", only=["train"])
    assert calls == ["train"]
    with pytest.raises(ArgumentError, match="`only` must be one of"):
        run(config, tmp_path / "run", only=["training"])


def test_directory_of_something_else_is_left_alone(tmp_path: Path, calls: list[str]):
    config = tiny_config(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "train").mkdir()
    for overwrite in (False, True):
        with pytest.raises(ArgumentError, match=r"must be new, empty or a run, got .*thesis with 'train'"):
            run(config, tmp_path / "thesis", overwrite=overwrite)
    with pytest.raises(ArgumentError, match=r"must be a folder, got the file .*tiny\.yaml"):
        run(config, tmp_path / "tiny.yaml")
    assert not calls


def test_damaged_configuration_of_a_run_is_named(tmp_path: Path, calls: list[str]):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("data: 3")
    with pytest.raises(ArgumentError, match="must hold a readable configuration"):
        run(tiny_config(tmp_path), tmp_path / "run")
    run(tiny_config(tmp_path), tmp_path / "run", overwrite=True)
    assert calls == list(STEPS)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train.0.raw=nowhere.h5:raw", r"data\.train\.0\.raw: .*nowhere\.h5"),
        ("data.evaluate.0.raw=FOLDER/test.h5:volumes/row", r"data\.evaluate\.0\.raw: .*volumes/raw"),
        (
            "data.evaluate.0.labels=FOLDER/train.h5:volumes/labels/neuron_ids",
            r"data\.evaluate\.0\.labels: .*shape",
        ),
        ("data.train.0.sections=[0, 11]", r"data\.train\.0\.raw: .*sections"),
        (
            "data.train.0.sections=[0, 4]",
            r"patch_shape` must fit into every training volume, got \[8, 16, 16\]",
        ),
        ("training.patch_shape=[8, 64, 64]", r"patch_shape` must fit"),
        ("training.patch_shape=[8, 15, 16]", r"network: `training\.patch_shape` must .* total stride"),
        ("prediction.window_shape=[7, 16, 16]", r"network: `prediction\.window_shape` must .* total stride"),
        ("offsets=[[-1, 0, 0], [0, -20, 0]]", r"offsets: `offsets` must be shorter than the volume"),
        ("training.initial_weights=nowhere.pt", r"training\.initial_weights: nowhere\.pt must exist"),
        ("network.kernel_sizes=[[2, 3, 3], [3, 3, 3]]", "network: `kernel_sizes` must be odd"),
        (
            "training={patch_shape: [8, 16, 16], accelerator: cpu, precision: 16-mixed}",
            r"training\.precision: must",
        ),
    ],
)
def test_problem_is_found_before_anything_is_written(tmp_path: Path, calls, override: str, message: str):
    config = tiny_config(tmp_path, override.replace("FOLDER", str(tmp_path)))
    before = files(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(config, tmp_path / "run")
    assert files(tmp_path) == before
    assert not calls


def damaged(folder: Path, place: str, change) -> str:
    """Write a changed copy of a volume, and return its location."""
    from objectwise.data import read_volume, write_volume

    volume = read_volume(f"{folder}/train.h5:volumes/{place}")
    copy = f"{folder}/damaged.h5:{place}"
    write_volume(copy, change(volume.array), voxel_size=volume.voxel_size, overwrite=True)
    return copy


def with_voxel(value: float, dtype: type) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype)
        array[3, 2, 1] = value
        return array

    return change


@pytest.mark.parametrize(
    ("key", "place", "change", "message"),
    [
        ("raw", "raw", with_voxel(np.nan, np.float32), r"must be finite, got nan at \(3, 2, 1\)"),
        (
            "labels",
            "labels/neuron_ids",
            with_voxel(-7, np.int64),
            r"must not be negative, got -7 at \(3, 2, 1",
        ),
        ("labels", "labels/neuron_ids", np.zeros_like, r"must hold an object .* got only background"),
        (
            "labels",
            "labels/neuron_ids",
            lambda labels: labels * (labels == 1),
            "`minimum_foreground` must be",
        ),
    ],
)
def test_bad_voxels_are_found_before_anything_is_written(
    tmp_path: Path, calls, key: str, place: str, change, message: str
):
    share = "training.minimum_foreground=0.9"
    config = tiny_config(tmp_path)
    bad = tiny_config(tmp_path, f"data.train.0.{key}={damaged(tmp_path, place, change)}", share)
    before = files(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(ArgumentError, match=message):
            run(bad, tmp_path / "run", dry_run=dry_run)
    assert files(tmp_path) == before
    assert not calls
    run(config, tmp_path / "run")
    assert calls == list(STEPS)


def test_weights_of_another_architecture_are_found_before_anything_is_written(tmp_path: Path, calls):
    from objectwise.networks import AffinityUNet, save_network

    save_network(tmp_path / "other.pt", AffinityUNet(3, 3, features=[4, 6]))
    config = tiny_config(tmp_path, f"training.initial_weights={tmp_path}/other.pt")
    with pytest.raises(
        ConfigError, match=r"training\.initial_weights: .*other\.pt must have the architecture"
    ):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("devices", "is_fine"), [("1", True), ("auto", True), ("2", True), ("3", False)])
def test_more_gpus_than_there_are_are_refused(tmp_path: Path, monkeypatch, devices: str, is_fine: bool):
    pretend_gpus(monkeypatch, 2)
    config = tiny_config(tmp_path, f"training.devices={devices}", "training.accelerator=cuda")
    if is_fine:
        run(config, tmp_path / "run", dry_run=True)
    else:
        with pytest.raises(ConfigError, match=r"training\.devices: must be at most 2, .*'cuda' here, got 3"):
            run(config, tmp_path / "run", dry_run=True)


def test_labels_that_are_floats_are_refused(tmp_path: Path):
    import numpy as np

    from objectwise.data import write_volume

    config = tiny_config(tmp_path)
    write_volume(f"{tmp_path}/test.h5:floats", np.ones((8, 32, 24), np.float32))
    config = tiny_config(tmp_path, f"data.evaluate.0.labels={tmp_path}/test.h5:floats")
    with pytest.raises(ConfigError, match=r"data\.evaluate\.0\.labels: .*integer"):
        run(config, tmp_path / "run")


def test_all_problems_are_listed(tmp_path: Path):
    config = tiny_config(tmp_path, "data.train.0.raw=a.h5:raw", "data.evaluate.0.raw=b.h5:raw")
    with pytest.raises(
        ConfigError, match=r"the run has 2 problems:\n  data\.train\.0\.raw.*\n  data\.evaluate"
    ):
        run(config, tmp_path / "run")


def test_configuration_of_a_run_loads_again(tmp_path: Path, calls: list[str]):
    config: RunConfig = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    assert load_config(tmp_path / "run" / "config.yaml") == config
    assert json.loads((tmp_path / "run" / "train" / "complete.json").read_text())["step"] == "train"


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


def test_run_on_a_gpu_goes_on_where_there_is_none(tmp_path: Path, calls: list[str], monkeypatch):
    config = tiny_config(tmp_path, "training.accelerator=cuda", "training.devices=auto")
    with monkeypatch.context() as with_gpus:
        pretend_gpus(with_gpus, 2)
        run(config, tmp_path / "run", only=["train", "predict"])
    pretend_gpus(monkeypatch, 0)
    for step in ("segment", "evaluate", "report"):
        run(config, tmp_path / "run", only=[step])
    run(config, tmp_path / "run")
    assert calls == list(STEPS)
    other = tiny_config(tmp_path, "training.accelerator=cuda", "prediction.overlap=0.5")
    with pytest.raises(ConfigError, match=r"training\.accelerator: .*'cuda'"):
        run(other, tmp_path / "run", only=["predict"], overwrite=True)


def test_training_begun_on_all_devices_is_not_continued_on_fewer(tmp_path: Path, monkeypatch):
    def killed(job, step):
        assert step.settings["training"]["devices"] == 2
        raise KeyboardInterrupt

    do_instead(monkeypatch, killed)
    pretend_gpus(monkeypatch, 2)
    config = tiny_config(tmp_path, "training.accelerator=cuda", "training.devices=auto")
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run")
    pretend_gpus(monkeypatch, 1)
    with pytest.raises(ArgumentError, match=r"begun with, but training\.devices changed from 2 to 1"):
        run(config, tmp_path / "run")


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
