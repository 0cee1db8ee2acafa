"""How a run tells what it is doing, without knowing who listens."""

from __future__ import annotations

import logging


class Reporter:
    """Sends messages to the log `objectwise`, and drops progress. The command line shows both."""

    def message(self, text: str) -> None:
        """Say one thing that happened."""
        logging.getLogger("objectwise").info(text)

    def progress(self, task: str, done: int, total: int) -> None:
        """Say how far a task is; `done == total` ends it."""
