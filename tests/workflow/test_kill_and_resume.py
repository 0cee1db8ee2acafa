"""A run killed at any moment and started again ends with the same segmentation as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from objectwise.atomic import read_json
from tests.workflow.tiny import write_tiny

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(config: Path, directory: Path) -> subprocess.Popen[str]:
    """Begin the run in a process of its own."""
    command = [sys.executable, "-m", "objectwise", "run", str(config), "--output", str(directory)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(config: Path, directory: Path) -> str:
    """Let the run end, and return its messages."""
    process = start(config, directory)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 0, messages
    return messages


def kill_when(config: Path, directory: Path, sign: str) -> None:
    """Kill the run as soon as a file appears in its directory."""
    process = start(config, directory)
    deadline = time.monotonic() + 60
    while not list(directory.glob(sign)) and process.poll() is None:
        assert time.monotonic() < deadline, f"no {sign} within a minute"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, f"the run ended before it could be killed at {sign}"


def results(directory: Path) -> dict[str, object]:
    """Return what must be equal: the segmentation byte by byte, the threshold and the scores."""
    return {
        "segmentation": (directory / "segment" / "test.h5").read_bytes(),
        "threshold": read_json(directory / "segment" / "threshold.json"),
        "scores": read_json(directory / "evaluate" / "scores.json"),
    }


@pytest.mark.slow
def test_run_killed_in_every_step_ends_with_the_same_segmentation(tmp_path: Path):
    config = write_tiny(tmp_path)
    finish(config, tmp_path / "whole")
    whole = results(tmp_path / "whole")
    killed = tmp_path / "killed"
    # Each start goes on where the last kill left it: one directory sees them all.
    for sign in (
        "train/checkpoints/last.ckpt",
        "train/complete.json",
        "predict/started.json",
        "segment/started.json",
        "evaluate/started.json",
    ):
        kill_when(config, killed, sign)
    messages = finish(config, killed)
    assert "train: complete, skipped" in messages
    assert results(killed) == whole
    assert (killed / "report.html").is_file()
    assert not list(killed.rglob("*.partial-*"))
    assert not list(killed.rglob(".*.tmp"))
