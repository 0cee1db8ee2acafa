"""Runs in processes of their own, and what two of them must have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from objectwise.atomic import read_json

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
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    return messages


def results(directory: Path) -> dict[str, object]:
    """Return what must be equal: the segmentation byte by byte, the threshold and the scores."""
    return {
        "segmentation": (directory / "segment" / "test.h5").read_bytes(),
        "threshold": read_json(directory / "segment" / "threshold.json"),
        "scores": read_json(directory / "evaluate" / "scores.json"),
    }
