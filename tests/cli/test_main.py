"""The command line answers at once, says what is wrong in a sentence, and exits with a number that means it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from objectwise.cli.main import app
from objectwise.data import read_volume, write_volume
from objectwise.errors import VolumeWriteError
from objectwise.graph import Neighborhood, affinities_from_labels
from objectwise.metrics import evaluate
from objectwise.pipeline import read_affinities, write_affinities
from tests.workflow.tiny import cells, write_tiny

runner = CliRunner()
COMMANDS = ("run", "train", "predict", "segment", "evaluate", "report", "demo")
HEAVY = ("torch", "numba", "numpy", "monai", "lightning", "matplotlib", "h5py", "pydantic", "yaml")


def call(*arguments: object, code: int = 0) -> str:
    """Run a command, and return what it printed where a caller of this exit code looks."""
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from objectwise.cli.main import app; from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert python("-c", code).stdout.strip() == "[]"


def test_version_is_printed():
    from objectwise import __version__

    assert call("--version") == f"objectwise {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str):
    text = call(command, "--help")
    assert f"objectwise {command} " in text.split("Usage", 1)[1].split("\n", 2)[2]
    assert "\\b" not in text


def test_unknown_command_and_option_are_misuse():
    assert "No such command" in call("training", code=2)
    assert "No such option" in call("run", "--sett", code=2)


def test_detection_counts_objects(tmp_path: Path):
    truth = np.zeros((2, 4, 6), np.uint16)
    truth[:, 0], truth[0, 2, :5] = 1, 2
    write_volume(tmp_path / "t.tif", truth)
    truth[truth == 2] = 0
    write_volume(tmp_path / "s.tif", truth * 9)
    arguments = ["evaluate", "--truth", tmp_path / "t.tif", "--segmentation", tmp_path / "s.tif"]
    arguments += ["--protocol", "detection"]
    outcome = json.loads(call(*arguments, "--json"))
    assert outcome["scores"] == {
        "found": 1,
        "missed": 1,
        "false": 0,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "mean_overlap": 1.0,
        "panoptic_quality": pytest.approx(2 / 3),
    }
    assert [section["missed"] for section in outcome["sections"]] == [1, 0]
    lines = call(*arguments, "--threshold", 0, "--overlap", "dice", "--dimensions", 2, "--per-section").split(
        "\n"
    )
    assert lines[0].split() == ["found", "missed", "false", "precision", "recall", "f1", "mean_overlap"]
    assert lines[1].split() == ["all", "sections", "2", "1", "0", "1.0000", "0.6667", "0.8000", "1.0000"]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["training.stepz=3"], "training.stepz: unknown key; did you mean `steps`?"),
        (["training.steps=many"], 'training.steps: must be a whole number, got "many"'),
        (["data.train.0.raw=nowhere.h5:raw"], "data.train.0.raw: `nowhere.h5:raw` must exist"),
        (["training.patch_shape=[8, 15, 16]"], "total stride"),
    ],
)
def test_misuse_is_one_sentence_and_writes_nothing(tmp_path: Path, arguments: list[str], message: str):
    config = write_tiny(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    text = call("run", config, "--output", tmp_path / "run", "--set", *arguments, code=2)
    assert message in text
    assert text.startswith("error: ")
    assert "Traceback" not in text
    assert sorted(tmp_path.rglob("*")) == before


def test_misuse_from_a_shell_exits_with_two_and_debug_shows_where(tmp_path: Path):
    ended = python("-m", "objectwise", "run", str(tmp_path / "nowhere.yaml"))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: the configuration ")
    assert ended.stderr.count("\n") == 1
    ended = python("-m", "objectwise", "run", str(tmp_path / "nowhere.yaml"), "--debug")
    assert ended.returncode == 2
    assert "Traceback" in ended.stderr


def test_reader_who_leaves_early_is_no_failure_to_speak_of(tmp_path: Path):
    command = f"{sys.executable} -m objectwise run {write_tiny(tmp_path)} --dry-run --json | head -n 1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout == "{\n"
    assert ended.stderr == ""


def test_path_that_the_terminal_cannot_show_is_escaped(tmp_path: Path):
    config = write_tiny(tmp_path).rename(tmp_path / "zell\N{LATIN SMALL LETTER E WITH ACUTE}.yaml")
    ended = subprocess.run(
        [sys.executable, "-m", "objectwise", "run", str(config), "--dry-run"], cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("run directory: runs/zell\\xe9\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes the run"),
        (
            VolumeWriteError("`a.h5` is full"),
            1,
            "failed: `a.h5` is full; once that is mended, the same command resumes the run",
        ),
        # Given again, the same command may well meet these again.
        (
            MemoryError("too big"),
            1,
            "failed: the memory did not suffice; choose smaller patches, windows or batches "
            "(MemoryError: too big); completed steps are kept (--debug shows where)",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            1,
            "failed: the memory did not suffice; choose smaller patches, windows or batches (RuntimeError: ",
        ),
        (
            ZeroDivisionError("1 / 0"),
            1,
            "failed: ZeroDivisionError: 1 / 0; completed steps are kept (--debug",
        ),
    ],
)
def test_stopped_run_promises_what_it_can_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
):
    def stop(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("objectwise.workflow.steps.train.train_here", stop)
    text = call("run", write_tiny(tmp_path), "--output", tmp_path / "run", code=code)
    assert message in text
    assert "Traceback" not in text


def test_stopped_dry_run_promises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("objectwise.workflow.execution.plan", stop)
    text = call("run", write_tiny(tmp_path), "--output", tmp_path / "run", "--dry-run", code=130)
    assert text == "\ninterrupted; nothing was half written\n"


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    text = call("run", config, "--dry-run")
    assert text.startswith("run directory: runs/tiny\n")
    assert "train: would run" in text
    assert "writes  runs/tiny/train/network.pt" in text
    plan = json.loads(call("run", config, "--dry-run", "--json"))
    assert [step["name"] for step in plan["steps"]] == ["train", "predict", "segment", "evaluate", "report"]
    assert all(step["todo"] for step in plan["steps"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_commands_share_a_run_directory_and_files(tmp_path: Path):
    config, run = write_tiny(tmp_path), tmp_path / "run"
    assert "needs the step 'train' complete" in call("predict", config, "--output", run, code=2)
    assert "network.pt" in call("train", config, "--output", run)
    assert "predict: would run" in call("run", run, "--dry-run")
    # A directory stands for its own configuration.
    call("predict", run)
    call("segment", run)
    text = call("evaluate", run)
    assert "adapted_rand_error" in text
    assert "threshold 0." in text
    outcome = json.loads(call("evaluate", run, "--json"))
    assert outcome["steps"]["report"] == "to do"
    assert call("report", run, "--dry-run") == f"would write {run / 'report.html'}\n"
    assert not (run / "report.html").exists()
    assert call("report", run).strip() == str(run / "report.html")
    # The step of the run replaces its own page, the command nothing.
    assert "report: " in call("run", run)
    for more in ([], ["--output", run / "report.html"], ["--dry-run"]):
        assert "`--output` must not exist yet" in call("report", run, *more, code=2)
    call("report", run, "--overwrite")
    # The run has candidates of its own, which a fixed threshold leaves without effect.
    fixed = ["run", run, "--set", "segmentation.threshold=0.5", "--overwrite", "--dry-run"]
    assert "leave it out (--set segmentation.candidates=null)" in call(*fixed, code=2)
    assert "segment: would be redone" in call(*fixed, "--set", "segmentation.candidates=null")
    for setting in ("segmentation.candidates=[0.5]", "segmentation.minimum_size=9"):  # as the help says
        assert "segment: would be redone" in call(
            "segment", run, "--set", setting, "--overwrite", "--dry-run"
        )

    # The same network on a file gives the same affinities, and those the same objects and scores.
    out = tmp_path / "out.h5"
    raw = f"{tmp_path}/test.h5:volumes/raw"
    network = run / "train" / "network.pt"
    arguments = ["predict", "--network", network, "--raw", raw, "--output", out, "--accelerator", "cpu"]
    assert "would write" in call(*arguments, "--dry-run")
    assert not out.exists()
    call(*arguments)
    assert "must not exist yet" in call(*arguments, code=2)
    found = read_affinities(out)
    expected = read_affinities(f"{run}/predict/test.h5")
    np.testing.assert_allclose(found.array, expected.array, atol=1e-6)
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    assert found.voxel_size == (30, 6, 6)

    # Without its run, a network still knows the window it was trained with.
    lonely = tmp_path / "lonely.pt"
    lonely.write_bytes(network.read_bytes())
    arguments = ["predict", "--network", lonely, "--raw", raw, "--output", tmp_path / "b.h5"]
    assert json.loads(call(*arguments, "--dry-run", "--json"))["window_shape"] == [8, 16, 16]
    assert "`--window-shape` must have spatial lengths" in call(
        *arguments, "--window-shape", "7,16,16", code=2
    )
    fitting = [*arguments, "--window-shape", "8,16,16"]
    for option, value, message in (
        ("--overlap", 1, "`overlap` must be in 0..1"),
        ("--batch-size", 0, "`batch_size` must be a whole number, at least 1"),
        ("--accelerator", "tpu", "`accelerator` must be one of"),
    ):
        assert message in call(*fitting, option, value, "--dry-run", code=2)
    call(*fitting, "--sections", "0:3", "--accelerator", "cpu")
    assert read_affinities(tmp_path / "b.h5").array.shape == (3, 3, 32, 24)


def write_truth(folder: Path) -> tuple[str, str]:
    """Write labels and their own affinities, cut into (z, y, x) = (4, 20, 20)."""
    _, labels = cells((4, 20, 20), seed=3)
    write_volume(f"{folder}/t.h5:volumes/labels/neuron_ids", labels)
    affinities = affinities_from_labels(labels, Neighborhood.nearest(3))
    write_affinities(f"{folder}/a.h5", affinities, Neighborhood.nearest(3).array)
    return f"{folder}/t.h5:volumes/labels/neuron_ids", f"{folder}/a.h5:volumes/predictions/affinities"


def test_files_are_segmented_and_scored_without_a_run(tmp_path: Path):
    truth, affinities = write_truth(tmp_path)
    place = f"{tmp_path}/s.h5:volumes/labels/segmentation"
    arguments = ["segment", "--affinities", affinities, "--threshold", 0.5, "--output", place]
    assert call(*arguments, "--dry-run") == f"would write {place}\n"
    assert not (tmp_path / "s.h5").exists()
    outcome = json.loads(call(*arguments, "--json"))
    segmentation = read_volume(place).array
    assert outcome["objects"] == segmentation.max()
    assert segmentation.dtype == np.uint64
    assert "must not exist yet" in call(*arguments, code=2)
    assert "objects:" in call(*arguments, "--overwrite")

    arguments = ["evaluate", "--truth", truth, "--segmentation", place]
    scores = json.loads(call(*arguments, "--json"))
    expected = evaluate(truth=read_volume(truth).array, segmentation=segmentation)
    assert scores["scores"] == expected._asdict()
    assert len(scores["sections"]) == 4
    table = call(*arguments, "--per-section", "--dimensions", 2)
    assert "mean over sections" in table
    assert "section 3" in table


def test_sections_of_the_truth_are_scored(tmp_path: Path):
    truth, _ = write_truth(tmp_path)
    part = read_volume(truth, sections=(1, 3)).array
    write_volume(tmp_path / "part.tif", part.astype(np.uint16))
    scores = json.loads(
        call(
            "evaluate",
            "--truth",
            truth,
            "--sections",
            "1:3",
            "--segmentation",
            tmp_path / "part.tif",
            "--json",
        )
    )
    assert scores["scores"]["adapted_rand_error"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "a configuration must be given, or files (--truth, --segmentation), got neither"),
        (
            ["evaluate", "--truth", "t.h5:a"],
            "`--segmentation` must be given to work on files, got only --truth",
        ),
        (["evaluate", "run.yaml", "--truth", "t.h5:a"], "`--truth` must not be given together with a run"),
        (["segment", "--affinities", "a.h5", "--output", "s.h5"], "`--threshold` must be given"),
        (
            ["segment", "--affinities", "a.h5", "--threshold", 0.5, "--output", "s.h5", "--set", "seed=1"],
            "`--set` must come with a configuration, got files",
        ),
        (
            ["segment", "--affinities", "a.h5", "--threshold", 0.5, "--output", "s.h5", "--method", "magic"],
            "`--method` must be one of 'components', 'watershed', 'agglomeration', got 'magic'",
        ),
        (
            ["evaluate", "--truth", "t.h5:a", "--segmentation", "s.h5:a", "--sections", "3"],
            "`--sections` must read FIRST:STOP",
        ),
        (
            ["evaluate", "--truth", "t.h5:a", "--segmentation", "s.h5:a", "--dimensions", 4],
            "`--dimensions` must be 2 or 3, got 4",
        ),
        (["evaluate", "--truth", "t.h5:a", "--segmentation", "s.h5:a"], "`t.h5:a` must exist"),
        (
            ["evaluate", "--truth", "t.h5:a", "--segmentation", "s.h5:a", "--json", "--per-section"],
            "`--per-section` must not be given together with --json",
        ),
        (
            ["evaluate", "--truth", "t.h5:a", "--segmentation", "s.h5:a", "--threshold", "0.3"],
            "`--threshold` must come with --protocol detection, got 0.3",
        ),
        (
            ["evaluate", "run.yaml", "--threshold", "0"],
            "`--threshold` must not be given together with a run",
        ),
        (["predict", "run", "--overlap", 0], "`--overlap` must not be given together with a run, got run"),
        (["predict", "run", "--batch-size", -3], "`--batch-size` must not be given together with a run"),
        (["predict", "run", "--accelerator", "tpu"], "`--accelerator` must not be given together with a run"),
        (["report", "one", "two"], "`--output` must be given for 2 runs"),
        (["report", "one", "--dry-run"], "`directory` must be a run with a config.yaml, got one"),
        (["report", "one"], "`directory` must be a run with a config.yaml, got one"),
        (["run", "."], "`CONFIG` must be a YAML file or a run with a config.yaml, got the folder ."),
    ],
)
def test_wrong_combination_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], message: str
):
    monkeypatch.chdir(tmp_path)
    assert message in call(*arguments, code=2)
    assert not list(tmp_path.iterdir())


def test_affinities_without_a_neighborhood_ask_for_one(tmp_path: Path):
    import h5py

    _, affinities = write_truth(tmp_path)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["volumes/predictions/affinities"].attrs["offsets"]
    arguments = ["segment", "--affinities", affinities, "--threshold", 0.5, "--output", tmp_path / "s.h5"]
    assert "`--offsets` must be given" in call(*arguments, code=2)
    assert "`--offsets` must be" in call(*arguments, "--offsets", "[[", code=2)
    assert "one row per channel" in call(*arguments, "--offsets", "[[0, 0, 1]]", code=2)
    assert "objects:" in call(*arguments, "--offsets", "nearest")
    call(*arguments, "--offsets", "[[-1, 0, 0], [0, -1, 0], [0, 0, -1]]", "--overwrite")
