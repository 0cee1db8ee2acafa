"""The example is as short as it says, and what it trains works."""

from __future__ import annotations

import ast
import re
import runpy

import pytest
import torch

from tests.conftest import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "malis_in_20_lines.py"


def lines_of_code(source: str) -> int:
    """Count the lines of statements other than imports and docstring."""
    docstring, *statements = ast.parse(source).body
    assert isinstance(docstring, ast.Expr)
    numbers = set()
    for statement in statements:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            numbers |= set(range(statement.lineno, statement.end_lineno + 1))
    lines = source.splitlines()
    return sum(bool(lines[n - 1].strip()) and not lines[n - 1].lstrip().startswith("#") for n in numbers)


def test_example_has_twenty_lines():
    assert lines_of_code(EXAMPLE.read_text(encoding="utf-8")) <= 20


@pytest.mark.slow
def test_example_learns_to_separate_tissue_it_has_not_seen(capsys):
    made = runpy.run_path(str(EXAMPLE))
    with torch.no_grad():
        trained = made["malis"](made["network"](made["raw"][-1:]), made["labels"][-1:])
        guess = made["malis"](torch.zeros(1, 2, 96, 96), made["labels"][-1:])
    assert trained < 0.8 * guess
    error = re.search(r"adapted_rand_error=([0-9.]+)", capsys.readouterr().out)
    assert error is not None
    assert float(error[1]) < 0.35
