"""Messages and bars on stderr."""

from __future__ import annotations

import sys
import time
from typing import Self

from objectwise.bars import Bar
from objectwise.cli.errors import say
from objectwise.workflow.reporter import Reporter


class TerminalReporter(Reporter):
    """Prints messages, and draws a bar per task where stderr is a terminal.

    Used in a `with` block: whatever ends it, an interrupt included, leaves no bar that draws itself again.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.task = ""
        self.bar: Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def message(self, text: str) -> None:
        """Print one line with the time since the start."""
        self._stop()
        seconds = int(time.monotonic() - self.began)
        say(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}")

    def progress(self, task: str, done: int, total: int) -> None:
        """Move the bar of a task."""
        if not sys.stderr.isatty():
            return
        if self.bar is None or task != self.task:
            self._stop()
            self.task, self.bar = task, Bar(task, total)
            self.bar.start()
        self.bar.move(done)
        if done >= total:
            self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
