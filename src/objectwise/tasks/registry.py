"""The task of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectwise.config.models import RunConfig
from objectwise.errors import ArgumentError, ObjectwiseError
from objectwise.tasks.affinities import AffinityTask
from objectwise.tasks.losses import imported
from objectwise.tasks.masks import MaskTask
from objectwise.tasks.task import Task

if TYPE_CHECKING:
    from objectwise.networks import NetworkRecord

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


def task_of_record(record: NetworkRecord) -> Task:
    """Return what the channels of a network mean that was read from a file.

    Raises
    ------
    ArgumentError
        If it is anyone's own task, whose module a file must not make us import, or its options are wrong.
    """
    name, options = record.task.get("name"), record.task.get("options", {})
    if name not in TASKS:
        raise ArgumentError(
            f"a network must be of the task {' or '.join(TASKS)} to be used without its run, got "
            f"{record.task_name!r}; predict by its run, objectwise predict CONFIG.yaml"
        )
    try:
        return AffinityTask(record.offsets) if record.offsets is not None else TASKS[name](**options)
    except (TypeError, ObjectwiseError) as error:
        raise ArgumentError(
            f"a network must be of a task with the options it has, got {dict(record.task)}: {error}"
        ) from error
