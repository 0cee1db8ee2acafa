"""The task of a run."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from objectwise.config.section import Section


class TaskConfig(Section):
    """What the channels of the network mean. A name alone (`task: affinities`) has no options.

    `affinities`: whether the two ends of an edge lie in one object, for each of `offsets`. `masks`: classes
    that exclude each other (`options: {classes: [background, cell, ...]}`) or structures that may overlap
    (`options: {structures: [nucleus, ...]}`), each voxel's probability of each.
    """

    name: str | None = None
    """`affinities` or `masks`."""
    python: str | None = None
    """`package.module:Class`, anyone's own task: a class like those in `objectwise.tasks`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the task, by the names of its Python arguments."""

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        if (self.name is None) == (self.python is None):
            raise ValueError("a task needs either a name or python: package.module:Class")
        return self


def written_out(task: object) -> object:
    """Return the mapping that a name alone stands for."""
    return {"name": task} if isinstance(task, str) else task
