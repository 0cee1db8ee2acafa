"""Make docs/losses.md: the losses that a configuration names, with all their options, from their signatures.

python docs/make_losses.py
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from objectwise.graph import Neighborhood
from objectwise.tasks import AffinityTask, MaskTask, Task
from objectwise.tasks.losses import LossKind

PAGE = Path(__file__).with_name("losses.md")
MARKER = "<!-- From here on made by docs/make_losses.py: do not edit. -->"


def tasks() -> Iterator[tuple[str, Task]]:
    """Yield the tasks with a heading each."""
    yield "Affinities", AffinityTask(Neighborhood.nearest(3))
    yield "Masks of classes that exclude each other", MaskTask(classes=["background", "one"])
    yield "Masks of structures that may overlap", MaskTask(structures=["one"])


def page() -> str:
    """Return the whole page: the introduction as it stands, and the tables as the signatures have them."""
    introduction, marker, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
    assert marker, f"{PAGE} must hold the marker {MARKER!r}"
    lines = [f"{introduction}{MARKER}", ""]
    for heading, task in tasks():
        lines += [f"## {heading}", "", "| name | class | options, with their defaults |", "|---|---|---|"]
        lines += [_row(name, kind) for name, kind in task.losses.items()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, kind: LossKind) -> str:
    options = ", ".join(f"`{option}: {_shown(one)}`" for option, one in kind.options().items())
    return f"| `{name}` | `{kind.location.partition(':')[2]}` | {options or 'none'} |"


def _shown(parameter: inspect.Parameter) -> str:
    value: Any = parameter.default
    if value is parameter.empty:
        return "(required)"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


if __name__ == "__main__":
    text = page()
    PAGE.write_text(text, encoding="utf-8")
