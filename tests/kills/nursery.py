"""Processes that begin at once: one that has imported everything forks another for each command line.

Started anew, a command imports for seconds what it needs; a hundred kills would be minutes of imports. On stdin
come lines of JSON, {"arguments": [...], "stderr": path}; each is answered by the number of the process and, when
it has ended, by its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self


class Nursery:
    """The other end: starts command lines, one at a time."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.kills.nursery"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def start(self, arguments: list[str], stderr: Path) -> int:
        """Start `objectwise ARGUMENTS`; return the number of its process."""
        self.process.stdin.write(json.dumps({"arguments": arguments, "stderr": str(stderr)}) + "\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline())
        assert number > 1, f"the nursery must answer with a process, got {number}"
        return number

    def end(self) -> int:
        """Wait for the last process; return its exit code, negative for the signal that ended it."""
        return int(self.process.stdout.readline())


def main() -> None:
    """Answer to stdin until it is closed."""
    import objectwise.__main__

    for module in ("cli.main", "workflow.execution", "training", "networks", "report", "segmentation"):
        importlib.import_module(f"objectwise.{module}")
    for line in sys.stdin:
        wanted = json.loads(line)
        process = os.fork()
        if process == 0:
            # A shell that starts the tests in the background has it ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            file = os.open(wanted["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            sys.argv = ["objectwise", *wanted["arguments"]]
            objectwise.__main__.main()
            sys.exit()
        print(process, flush=True)  # noqa: T201
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201
    os._exit(0)  # what it imported takes seconds to leave


if __name__ == "__main__":
    main()
