"""`objectwise run`."""

from __future__ import annotations

from objectwise.cli.errors import one_sentence
from objectwise.cli.options import DryRun, Json, Overwrite, RunOutput, Settings, Target
from objectwise.cli.steps import do_steps


@one_sentence
def run(
    config: Target,
    *,
    output: RunOutput = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train, predict, segment, evaluate and report into one run directory.

    Steps that are complete are skipped, so the same command continues a run that was stopped or killed.

    objectwise run examples/isbi2012.yaml
    objectwise run examples/isbi2012.yaml --dry-run
    objectwise run examples/isbi2012.yaml --set training.steps=200 --output runs/short
    """
    do_steps(config, output=output, settings=settings, overwrite=overwrite, dry_run=dry_run, json=json)
