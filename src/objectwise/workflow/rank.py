"""One process of a training on several devices: `python -m objectwise.workflow.rank RUN FINGERPRINT DEVICES`.

Nothing imports this module: what runs as a command line must not have been imported before.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from objectwise.config.load import load_config
from objectwise.errors import ObjectwiseError
from objectwise.workflow.engine import read_record
from objectwise.workflow.inputs import ChangedInputError, forget_changed
from objectwise.workflow.layout import RunDirectory
from objectwise.workflow.processes import REFUSED, train_here, training_volumes
from objectwise.workflow.validating import validation_of


def main() -> int:
    """Train what the command line names; Lightning starts the other ranks."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    run, fingerprint, devices = RunDirectory(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    try:
        config, inputs = load_config(run.config), read_record(run.train)["inputs"]
        digests = {name: one["digest"] for name, one in inputs.items()}
        volumes, validate = training_volumes(config, digests), validation_of(config, run, digests)
        train_here(config, volumes, run, fingerprint, devices=devices, validate=validate)
    except ChangedInputError as error:
        forget_changed(run, error.changed)
        sys.stdout.write(f"{error}\n")
        return REFUSED
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
