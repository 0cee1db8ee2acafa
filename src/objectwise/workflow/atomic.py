"""Small text files that appear whole or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from objectwise.atomic import replaced_file


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name, then rename."""
    with replaced_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON; NaN, which JSON does not know, becomes null."""
    write_text(path, json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; None where there is no such file, or a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
