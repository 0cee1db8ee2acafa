"""Steps that do something else, and machines that are not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from objectwise.workflow.engine import Step
from objectwise.workflow.job import Job
from objectwise.workflow.steps import KINDS


def do_instead(monkeypatch: pytest.MonkeyPatch, do: Callable[[Job, Step], None]) -> None:
    """Replace the work of every step."""
    monkeypatch.setattr("objectwise.workflow.execution.KINDS", [replace(kind, do=do) for kind in KINDS])


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let torch see this many GPUs, of some memory."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    memory = SimpleNamespace(total_memory=2**40)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)
