"""Every Python block of the README and the docs runs, and every YAML block is a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from objectwise.config import parse_config
from tests.conftest import CHECKOUT
from tests.docs.fences import fences

README = CHECKOUT / "README.md"
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").rglob("*.md"))]


def run_page(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page in order; the second may use what the first made."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for line, language, code in fences(page):
        if language == "python":
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
    return namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_a_page_work(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert {fence.language for fence in fences(page)} <= {"python", "yaml"}, "a block nobody tries"
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run_page(page)
    for fence in fences(page):
        if fence.language == "yaml":
            parse_config(fence.code)


def test_readme_shows_both_and_its_loss_has_a_gradient():
    assert {fence.language for fence in fences(README)} == {"python", "yaml"}
    assert run_page(README)["logits"].grad.abs().sum() > 0


def test_every_fence_is_seen_in_order_and_names_its_line(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "words\n```python\na = 1\n```\n\n```yaml\nb: 1\n```\n```python\nassert a == 1\na / 0\n```\n"
    )
    assert [(fence.line, fence.language) for fence in fences(page)] == [
        (3, "python"),
        (7, "yaml"),
        (10, "python"),
    ]
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page)
    assert (Path(caught.traceback[-1].path), caught.traceback[-1].lineno + 1) == (page, 11)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_fence_is_left_open_or_indented(page: Path):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert sum(line.lstrip().startswith("```") for line in lines) == 2 * len(fences(page))
