"""The progress bar, for whoever draws one."""

from __future__ import annotations

from typing import Any


class Bar:
    """A bar on stderr, from `start` to `stop`.

    An interrupt may come within `start`: who draws a bar holds it by then, to stop it.

    Parameters
    ----------
    task : str
        What is being done.
    total : int
        Where it ends.
    done : int, optional
        Where it begins.
    """

    def __init__(self, task: str, total: int, *, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        class Terminal(Console):
            def show_cursor(self, show: bool = True) -> bool:
                """Leave the cursor as it is: a killed process could not bring it back."""
                return False

        description, note = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
        columns = (description, BarColumn(), MofNCompleteColumn(), note, TimeRemainingColumn())
        self._bar: Any = Progress(*columns, console=Terminal(stderr=True))
        self._row = self._bar.add_task(task, total=total, completed=done, note="")

    def start(self) -> None:
        """Draw the bar."""
        self._bar.start()

    def move(self, done: int, note: str = "") -> None:
        """Say how far the task is."""
        self._bar.update(self._row, completed=done, note=note)

    def stop(self) -> None:
        """Leave the bar as it is on the screen."""
        self._bar.stop()
