"""Two processes never work in one run directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from objectwise.errors import ArgumentError
from objectwise.workflow import run
from objectwise.workflow.lock import locked
from tests.workflow.tiny import tiny_config

HOLD = """
import sys
from pathlib import Path
from objectwise.workflow.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end."""
    pytest.importorskip("fcntl")
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_process_is_refused_and_told_about_the_first(tmp_path: Path):
    config = tiny_config(tmp_path)
    with holder(tmp_path / "run") as other:
        with pytest.raises(
            ArgumentError, match=rf"must not be in use, got .*run, where process {other.pid} on .* is at work"
        ):
            run(config, tmp_path / "run")
        assert not (tmp_path / "run" / "config.yaml").exists()
        run(config, tmp_path / "run", dry_run=True)


def test_lock_goes_with_a_killed_process(tmp_path: Path):
    with holder(tmp_path):
        pass
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_lock_goes_with_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        pass
