"""The task of a configuration, and what its training minimises."""

from __future__ import annotations

from collections.abc import Sequence

from objectwise.config.models import RunConfig
from objectwise.tasks import Objective, task_of


def objective_of(
    config: RunConfig,
    *,
    arrays: Sequence[str] = ("labels",),
    voxel_size: Sequence[float] = (1.0, 1.0, 1.0),
) -> Objective:
    """Return the weighted sum of a configuration's terms.

    Parameters
    ----------
    config : RunConfig
    arrays : names
        Of what is known of the training volumes; each mask must reach every loss.
    voxel_size : (z, y, x) float
        Of the training volumes; losses with distances take it.

    Raises
    ------
    ArgumentError
        If a term is no loss of the task, or its options are not those of the loss.
    """
    settings = config.training
    return task_of(config).objective(
        settings.terms,
        arrays=arrays,
        spacing=voxel_size[-config.dimensions :],
        steps_per_epoch=settings.steps_per_epoch,
        seed=config.seed,
    )
