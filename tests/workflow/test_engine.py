"""Steps are done once, in order, and again when what they depend on has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from objectwise.errors import ArgumentError, VolumeWriteError
from objectwise.workflow.engine import Step, StepKind, execute, forget_outdated
from objectwise.workflow.fingerprint import InputDigests
from objectwise.workflow.job import Job
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.reporter import Reporter


def no_matter(*_: object) -> None:
    raise AssertionError("executing plans and checks nothing")


class Bench:
    """Three fake steps that write one file each, and remember that they were called."""

    def __init__(self, folder: Path):
        self.steps = [
            Step(name, folder / name, outputs=(folder / name / "out.txt",), settings={"a": {"key": 1}})
            for name in ("one", "two", "three")
        ]
        self.job = Job(None, RunDirectory(folder), InputDigests(), Reporter())
        self.calls: list[str] = []
        self.fail_in: str | None = None

    def go(self, only=("one", "two", "three")) -> list[str]:
        """Execute, and return the steps that were called."""
        self.calls = []
        kinds = [StepKind(step.name, 1, *3 * [no_matter], self.act) for step in self.steps]
        execute(kinds, self.steps, self.job, only=only)
        return self.calls

    def act(self, job: Job, step: Step) -> None:
        self.calls.append(step.name)
        (step.folder / "half.txt").write_text("half")
        if step.name == self.fail_in:
            raise RuntimeError("killed")
        step.outputs[0].write_text(step.name)

    def change(self, index: int) -> None:
        self.steps[index] = replace(self.steps[index], settings={"a": {"key": 2}})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def states(bench: Bench) -> list[str]:
    return [step.state() for step in bench.steps]


def test_steps_run_in_order_and_only_once(bench: Bench):
    assert states(bench) == ["to do"] * 3
    assert bench.go() == ["one", "two", "three"]
    assert states(bench) == ["complete"] * 3
    assert bench.go() == []


def test_stopped_step_goes_on_with_what_it_left(bench: Bench):
    bench.fail_in = "two"
    with pytest.raises(RuntimeError):
        bench.go()
    assert states(bench) == ["complete", "started", "to do"]
    bench.fail_in = None
    left = bench.steps[1].folder / "left.txt"
    left.write_text("checkpoint")
    assert bench.go() == ["two", "three"]
    assert left.exists()


def test_what_another_fingerprint_left_is_cleared(bench: Bench):
    bench.fail_in = "two"
    with pytest.raises(RuntimeError):
        bench.go()
    bench.change(1)
    bench.fail_in = None
    left = bench.steps[1].folder / "left.txt"
    left.write_text("checkpoint")
    assert states(bench) == ["complete", "outdated", "to do"]
    assert bench.go() == ["two", "three"]
    assert not left.exists()


def test_folder_that_is_a_link_is_cleared_too(bench: Bench, tmp_path: Path):
    (tmp_path / "large disk").mkdir()
    bench.steps[1].folder.symlink_to(tmp_path / "large disk")
    bench.go()
    bench.change(1)
    bench.steps[1].begin()
    assert [path.name for path in (tmp_path / "large disk").iterdir()] == ["started.json"]


def test_old_result_that_cannot_be_cleared_is_not_taken_for_new(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.go()
    bench.change(1)
    old = bench.steps[1].outputs[0]
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path == old:
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Path, "unlink", held)
        with pytest.raises(
            VolumeWriteError, match=r"two` must be cleared of .*, got Permission denied for .*out"
        ):
            bench.go()
        assert states(bench) == ["complete", "to do", "complete"]
        with pytest.raises(VolumeWriteError, match="must be cleared"):
            bench.go()
    assert old.exists()
    assert bench.go() == ["two"]


def test_half_written_files_of_a_kill_are_cleared(bench: Bench):
    folder = bench.steps[0].folder
    bench.fail_in = "one"
    with pytest.raises(RuntimeError):
        bench.go()
    (folder / ".0123456789ab.partial-out.h5").write_text("half")
    bench.fail_in = None
    bench.go()
    assert not list(folder.glob(".*partial*"))


def test_changed_step_is_outdated_and_redone(bench: Bench):
    bench.go()
    bench.change(1)
    assert states(bench) == ["complete", "outdated", "complete"]
    assert bench.go() == ["two"]


def test_forgotten_step_is_to_do(bench: Bench):
    bench.go()
    bench.change(1)
    forget_outdated(bench.steps)
    assert states(bench) == ["complete", "to do", "complete"]


def test_forgotten_beginning_is_to_do(bench: Bench):
    bench.fail_in = "two"
    with pytest.raises(RuntimeError):
        bench.go()
    bench.change(1)
    forget_outdated(bench.steps)
    assert states(bench) == ["complete", "to do", "to do"]


@pytest.mark.parametrize("damage", ["missing", "shorter", "marker"])
def test_lost_or_truncated_output_is_made_again(bench: Bench, damage: str):
    bench.go()
    step = bench.steps[1]
    if damage == "missing":
        step.outputs[0].unlink()
    elif damage == "shorter":
        step.outputs[0].write_text("t")
    else:
        step.marker.write_text("{")
    step.begin()
    assert not step.outputs[0].exists()
    assert bench.go() == ["two"]
    assert step.outputs[0].read_text() == "two"


def test_single_step_needs_those_before_it(bench: Bench):
    with pytest.raises(ArgumentError, match="step 'two' needs the step 'one' complete, got 'to do'"):
        bench.go(only=["two"])
    assert bench.go(only=["one"]) == ["one"]
    assert bench.go(only=["two"]) == ["two"]
    assert states(bench)[2] == "to do"
