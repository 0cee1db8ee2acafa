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


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_file_that_the_lock_leads_to_is_not_overwritten(tmp_path: Path, link: str):
    pytest.importorskip("fcntl")
    (tmp_path / "run").mkdir()
    thesis, lock = tmp_path / "thesis.tex", tmp_path / "run" / ".lock"
    thesis.write_text("years of work")
    lock.symlink_to(thesis) if link == "symbolic" else lock.hardlink_to(thesis)
    with (
        pytest.raises(ArgumentError, match=r"`.*run/\.lock` must be a plain file .*, got a link; remove it"),
        locked(tmp_path / "run"),
    ):
        pass
    assert thesis.read_text() == "years of work"


def test_link_to_nowhere_makes_no_file_there(tmp_path: Path):
    pytest.importorskip("fcntl")
    (tmp_path / ".lock").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="got a link"), locked(tmp_path):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_lock_that_is_no_file_is_named(tmp_path: Path):
    pytest.importorskip("fcntl")
    import os

    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(ArgumentError, match=r"must be a plain file .*, got something else"), locked(tmp_path):
        pass
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ArgumentError, match=r"must be a plain file .*, got a folder"), locked(tmp_path):
        pass
