"""Messages and bars on stderr."""

from __future__ import annotations

import time
from typing import Any

from objectwise.cli.errors import say
from objectwise.workflow.reporter import Reporter


class TerminalReporter(Reporter):
    """Prints messages, and draws a bar per task where stderr is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.began = time.monotonic()
        self.task = ""
        self.bar: Any = None

    def message(self, text: str) -> None:
        """Print one line with the time since the start."""
        self._stop()
        seconds = int(time.monotonic() - self.began)
        say(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}")

    def progress(self, task: str, done: int, total: int) -> None:
        """Move the bar of a task."""
        if not self.console.is_terminal:
            return
        if self.bar is None or task != self.task:
            self._stop()
            self._start(task, total)
        self.bar.update(self.row, completed=done)
        if done >= total:
            self._stop()

    def _start(self, task: str, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.task, self.bar = task, Progress(*columns, console=self.console)
        self.row = self.bar.add_task(task, total=total)
        self.bar.start()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
