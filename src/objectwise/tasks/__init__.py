"""What the channels of a network mean: its targets, its losses by name, and the objects they become."""

from objectwise.tasks.affinities import AffinityTask
from objectwise.tasks.masks import MaskTask
from objectwise.tasks.objective import Objective
from objectwise.tasks.registry import TASKS, task_of, task_of_record
from objectwise.tasks.scored import Comparison, Scored, Truth
from objectwise.tasks.task import Task

__all__ = [
    "TASKS",
    "AffinityTask",
    "Comparison",
    "MaskTask",
    "Objective",
    "Scored",
    "Task",
    "Truth",
    "task_of",
    "task_of_record",
]
