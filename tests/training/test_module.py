from __future__ import annotations

import pytest

from objectwise.training.module import FINAL_RATE, rate_factor


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 1000])
def test_learning_rate_rises_once_and_then_only_falls(steps):
    rates = [rate_factor(step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) <= 1
    assert min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_learning_rate_ends_low():
    assert rate_factor(999, 1000) < 2 * FINAL_RATE
    assert rate_factor(600, 1000) == 1
