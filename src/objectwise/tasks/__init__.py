"""What the channels of a network mean: its targets, its losses by name, and the objects they become."""

from objectwise.tasks.affinities import AffinityTask
from objectwise.tasks.masks import MaskTask
from objectwise.tasks.objective import Objective
from objectwise.tasks.task import Task

__all__ = ["AffinityTask", "MaskTask", "Objective", "Task"]
