"""A run from configuration to report, and the demo."""

from objectwise.workflow.reporter import Reporter
from objectwise.workflow.run import Run, run

__all__ = ["Reporter", "Run", "run"]
