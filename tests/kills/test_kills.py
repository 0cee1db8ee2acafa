"""A run stopped at any moment, and started again, ends with the bytes of one that never stopped.

`make test` stops a few runs, `make stress` as many as OBJECTWISE_KILLS says. The moments are drawn from a seed,
which a failure names: OBJECTWISE_KILL_SEED repeats them, as far as time repeats itself.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from objectwise.workflow.steps import STEPS
from tests.kills.nursery import Nursery
from tests.workflow.tiny import write_tiny

KILLS = int(os.environ.get("OBJECTWISE_KILLS", "12"))
SEED = int(os.environ.get("OBJECTWISE_KILL_SEED", "0"))
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {
    signal.SIGKILL: (-signal.SIGKILL,),
    signal.SIGTERM: (-signal.SIGTERM,),
    # The second where Python, on its way out, ends itself by the signal; a shell shows 130 for both.
    signal.SIGINT: (130, -signal.SIGINT),
}
PARTS = ("checks", *STEPS)
OTHER = ["--set", "training.steps=11", "--set", "segmentation.minimum_size=3"]
"""Settings of the run that --overwrite meets."""


@dataclass(frozen=True)
class Kill:
    """Stop a run in one step, when a share of its usual time has passed."""

    step: str
    share: float
    signal: signal.Signals


@dataclass(frozen=True)
class Whole:
    """A run that never stopped: its files, and the seconds of each step."""

    config: Path
    directory: Path
    content: dict[str, bytes]
    seconds: dict[str, float]


def content(directory: Path) -> dict[str, bytes]:
    """Return what must be equal, byte by byte."""
    names = ("train/network.pt", "segment/threshold.json", "evaluate/scores.json")
    files = [directory / name for name in names]
    files += [*(directory / "predict").glob("*.h5"), *(directory / "segment").glob("*.h5")]
    return {str(file.relative_to(directory)): file.read_bytes() for file in sorted(files)}


def names(directory: Path) -> set[str]:
    """Return what lies in a run, but for the logs that TensorBoard begins anew with each process."""
    files = {str(file.relative_to(directory)) for file in directory.rglob("*")}
    return {file for file in files if "events.out.tfevents" not in file}


def seconds(directory: Path, began: float) -> dict[str, float]:
    """Return how long each step took, by the times of its marks, and what comes before them."""
    written = {
        (step, mark): (directory / step / f"{mark}.json").stat().st_mtime
        for step in STEPS
        for mark in ("started", "complete")
    }
    steps = {step: written[step, "complete"] - written[step, "started"] for step in STEPS}
    return {"checks": written["train", "started"] - began, **steps}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as processes:
        yield processes


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    config = write_tiny(folder)
    for name, settings in (("other", OTHER), ("run", [])):
        began = time.time()
        nursery.start(["run", str(config), "--output", str(folder / name), *settings], folder / "said")
        assert nursery.end() == 0, (folder / "said").read_text()
    run = folder / "run"
    assert content(run) != content(folder / "other")
    return Whole(config, run, content(run), seconds(run, began))


def rounds() -> list[tuple[bool, list[Kill]]]:
    """Draw the kills: one in each part of each run, and one more; every other run overwrites other results."""
    draw = random.Random(SEED)
    drawn: list[tuple[bool, list[Kill]]] = []
    left = KILLS
    while left > 0:
        steps = sorted([*PARTS, draw.choice(PARTS)], key=PARTS.index)
        kills = [Kill(step, draw.random(), draw.choice(SIGNALS)) for step in steps][:left]
        drawn.append((len(drawn) % 2 == 1, kills))
        left -= len(kills)
    return drawn


def stop(
    nursery: Nursery, arguments: list[str], directory: Path, kill: Kill, whole: Whole, said: Path
) -> int:
    """Start a run, and stop it in a step; return its exit code, which is 0 where it was faster."""
    begun, marked = directory / kill.step / "started.json", directory / kill.step / "complete.json"
    now = time.time()
    process = nursery.start(arguments, said)
    deadline = time.monotonic() + 120
    while (
        kill.step in STEPS and not marked.exists() and not (begun.exists() and begun.stat().st_mtime >= now)
    ):  # a step that an earlier run has completed is not waited for
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            nursery.end()
            pytest.fail(f"{kill}: not begun within two minutes; {said.read_text()}")
        time.sleep(0.001)
    time.sleep(kill.share * whole.seconds[kill.step])
    with suppress(ProcessLookupError):  # it was faster
        os.kill(process, kill.signal)
    return nursery.end()


@pytest.mark.slow
@pytest.mark.parametrize(("overwrite", "kills"), rounds())
def test_stopped_run_ends_with_the_bytes_of_one_that_never_stopped(
    overwrite: bool, kills: list[Kill], nursery: Nursery, whole: Whole, tmp_path: Path
):
    directory, said = tmp_path / "run", tmp_path / "said"
    arguments = ["run", str(whole.config), "--output", str(directory)]
    if overwrite:
        shutil.copytree(whole.directory.parent / "other", directory)
        arguments.append("--overwrite")
    story = f"OBJECTWISE_KILL_SEED={SEED}, overwrite={overwrite}:"
    for kill in kills:
        code = stop(nursery, arguments, directory, kill, whole, said)
        story += f"\n{kill} ended with {code}: {said.read_text()}"
        assert code in (0, *CODES[kill.signal]), story
        assert "Traceback" not in said.read_text(), story
    nursery.start(arguments, said)
    assert nursery.end() == 0, story + said.read_text()
    assert content(directory) == whole.content, story
    assert (directory / "report.html").is_file(), story
    assert not list(directory.rglob("*.partial-*")), story
    if not overwrite:
        assert names(directory) == names(whole.directory), story
