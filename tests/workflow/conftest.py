"""What tests of runs share."""

from __future__ import annotations

import pytest

from objectwise.workflow.engine import Step
from objectwise.workflow.job import Job
from tests.workflow.pretended import do_instead


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the work of every step by an empty file for each of its outputs."""
    made: list[str] = []

    def act(job: Job, step: Step) -> None:
        made.append(step.name)
        for path in step.outputs:
            path.write_text("{}")

    do_instead(monkeypatch, act)
    return made
