"""A run from configuration to report, and the demo."""

from objectwise.workflow.execution import Run, run
from objectwise.workflow.pages import write_page
from objectwise.workflow.reporter import Reporter
from objectwise.workflow.steps import STEPS

__all__ = ["STEPS", "Reporter", "Run", "run", "write_page"]
