"""A run skips what is done, redoes what a change concerns, and refuses what does not belong together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from objectwise.config import RunConfig, load_config
from objectwise.errors import ArgumentError, ConfigError
from objectwise.workflow import STEPS, run
from objectwise.workflow.job import Job
from tests.workflow.pretended import do_instead, pretend_gpus
from tests.workflow.tiny import tiny_config


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


def test_configuration_of_a_run_loads_again(tmp_path: Path, calls: list[str]):
    config: RunConfig = tiny_config(tmp_path)
    run(config, tmp_path / "run")
    assert load_config(tmp_path / "run" / "config.yaml") == config
    assert json.loads((tmp_path / "run" / "train" / "complete.json").read_text())["step"] == "train"


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
