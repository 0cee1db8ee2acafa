"""One process of a training on several devices: `python -m objectwise.workflow.rank RUN FINGERPRINT`.

Nothing imports this module: what runs as a command line must not have been imported before.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from objectwise.config.load import load_config
from objectwise.errors import ObjectwiseError
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.processes import REFUSED, train_here


def main() -> int:
    """Train the run directory and the fingerprint of the command line; Lightning starts the other ranks."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    run, fingerprint = RunDirectory(Path(sys.argv[1])), sys.argv[2]
    try:
        train_here(load_config(run.config), run, fingerprint)
    except ObjectwiseError as error:
        sys.stdout.write(f"{error}\n")
        return REFUSED
    return 0


def end_with_parent() -> None:
    """End at once when the process that waits for this one is gone; a checkpoint is never half written."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
