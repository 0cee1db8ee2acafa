"""The task of a configuration."""

from __future__ import annotations

from objectwise.config.models import RunConfig
from objectwise.errors import ArgumentError, ObjectwiseError
from objectwise.tasks.affinities import AffinityTask
from objectwise.tasks.losses import imported
from objectwise.tasks.masks import MaskTask
from objectwise.tasks.task import Task

TASKS: dict[str, type[Task]] = {kind.name: kind for kind in (AffinityTask, MaskTask)}
"""By name. A task of your own needs no place here: `task: {python: package.module:Class}` names it."""


def task_of(config: RunConfig) -> Task:
    """Return what the channels of a configuration's network mean.

    Raises
    ------
    ArgumentError
        If there is no such task, or its options are not those of its constructor.
    """
    name, place = config.task.name, config.task.python
    if place is not None:
        kind = imported(place, what="a task")
        if not (isinstance(kind, type) and issubclass(kind, Task)):
            raise ArgumentError(
                f"`task.python` must name a class derived from objectwise.tasks.Task, got {place!r}"
            )
    elif name in TASKS:
        kind = TASKS[name]
    else:
        raise ArgumentError(f"`task` must be one of {', '.join(TASKS)}, got {name!r}")
    try:
        made: Task = kind.of(config)
    except ObjectwiseError:
        raise
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"`task.options` must be those of {name or place}, got {dict(config.task.options)}: {error}"
        ) from error
    return made
