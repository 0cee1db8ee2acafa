"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Fence(NamedTuple):
    """One block between fences."""

    line: int  # of its first line of code, from 1
    language: str
    code: str


def fences(page: Path) -> list[Fence]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Fence(text.count("\n", 0, block.start(2)) + 1, block[1], block[2]) for block in blocks]


def blocks_of(page: Path, language: str) -> list[str]:
    """Return the code of the blocks in one language."""
    return [fence.code for fence in fences(page) if fence.language == language]
