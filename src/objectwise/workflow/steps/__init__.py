"""The steps of a run, one a file: what it needs, what it checks, what it does. A new step joins this list."""

from objectwise.workflow.engine import StepKind
from objectwise.workflow.steps.evaluate import EVALUATE
from objectwise.workflow.steps.predict import PREDICT
from objectwise.workflow.steps.report import REPORT
from objectwise.workflow.steps.segment import SEGMENT
from objectwise.workflow.steps.train import TRAIN

KINDS: tuple[StepKind, ...] = (TRAIN, PREDICT, SEGMENT, EVALUATE, REPORT)
"""In the order they are done."""

STEPS = tuple(kind.name for kind in KINDS)
"""Their names."""

__all__ = ["KINDS", "STEPS"]
