"""Make docs/networks.md: the networks that a configuration names, with the options of their signatures.

python docs/make_networks.py
"""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from objectwise.networks.network import OF_THE_RUN
from objectwise.networks.registry import DIMENSIONS, NETWORKS

PAGE = Path(__file__).with_name("networks.md")
MARKER = "<!-- From here on made by docs/make_networks.py: do not edit. -->"


def page() -> str:
    """Return the whole page: the introduction as it stands, and the table as the signatures have it."""
    introduction, marker, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
    assert marker, f"{PAGE} must hold the marker {MARKER!r}"
    lines = [f"{introduction}{MARKER}", "", "| name | class | dimensions | options, with their defaults |"]
    lines += ["|---|---|---|---|", *(_row(name, place) for name, place in NETWORKS.items())]
    return "\n".join(lines) + "\n"


def _row(name: str, place: str) -> str:
    module, _, attribute = place.partition(":")
    parameters = inspect.signature(getattr(import_module(module), attribute)).parameters
    options = ", ".join(
        f"`{option}: {_shown(one.default)}`" for option, one in parameters.items() if option not in OF_THE_RUN
    )
    return f"| `{name}` | `{attribute}` | {DIMENSIONS.get(name, '2 or 3')} | {options} |"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    text = page()
    PAGE.write_text(text, encoding="utf-8")
