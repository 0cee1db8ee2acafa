"""`objectwise train`."""

from __future__ import annotations

from objectwise.cli.errors import one_sentence
from objectwise.cli.options import DryRun, Json, Overwrite, RunOutput, Settings, Target
from objectwise.cli.steps import do_steps


@one_sentence
def train(
    config: Target,
    *,
    output: RunOutput = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train the network of a run: RUN/train/network.pt.

    A training that was stopped goes on at its last checkpoint (training.checkpoint_every steps).

    objectwise train examples/isbi2012.yaml
    objectwise train runs/isbi2012
    """
    do_steps(
        config,
        ["train"],
        output=output,
        settings=settings,
        overwrite=overwrite,
        dry_run=dry_run,
        json=json,
    )
