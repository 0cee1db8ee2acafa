"""A configuration for a folder of images and their truth: what `objectwise init` writes.

layouts (pairs, containers, words)  how the folder keeps its files
survey, truth                       what their headers and a few sections say
choices, geometry                   what follows, and why
page, compose                       the same as YAML with comments
"""

from __future__ import annotations

from objectwise.workflow.proposal.choices import Task
from objectwise.workflow.proposal.compose import Proposal, propose

__all__ = ["Proposal", "Task", "propose"]
