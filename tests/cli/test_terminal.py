"""In a terminal: bars that end with what drew them, and a cursor that stays, however a command ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.tiny import write_tiny

HIDE_CURSOR = b"\x1b[?25l"


def stopped_at(sign: bytes, stop: signal.Signals, *arguments: str) -> tuple[int, bytes]:
    """Run a command in a terminal, stop it once it shows a sign; return its exit code and all it showed."""
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "objectwise", *arguments],
        env=environment, stdin=inside, stdout=inside, stderr=inside,
        # A shell that starts the tests in the background has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    os.close(inside)
    shown, waiting = b"", True
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if waiting and sign in shown:
            waiting = False
            process.send_signal(stop)
    os.close(terminal)
    assert not waiting, shown
    return process.wait(), shown


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_stopped_prediction_leaves_a_cursor_and_no_bar(tmp_path: Path, stop: signal.Signals):
    config = write_tiny(tmp_path)
    settings = ["--set", "training.steps=5", "--set", "prediction.overlap=0.95"]
    code, shown = stopped_at(
        b"predict test", stop, "run", str(config), "-o", str(tmp_path / "run"), *settings
    )
    assert HIDE_CURSOR not in shown
    if stop == signal.SIGINT:
        assert code == 130
        assert shown.endswith(b"interrupted; the same command resumes the run\r\n")
    else:
        assert code == -stop


@pytest.mark.slow
def test_terminated_training_does_not_pass_for_a_finished_one(tmp_path: Path):
    config = write_tiny(tmp_path)
    arguments = ["run", str(config), "-o", str(tmp_path / "run"), "--set", "training.steps=5000"]
    code, shown = stopped_at(b"/5000", signal.SIGTERM, *arguments)
    assert code == -signal.SIGTERM
    assert HIDE_CURSOR not in shown
