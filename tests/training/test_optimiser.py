from __future__ import annotations

import pytest
import torch

from objectwise.config import ScheduleConfig
from objectwise.training.optimiser import FINAL_RATE, averaged, optimiser_of, rate_factor
from tests.training.toys import toy_config

SCHEDULES = ("trapezoid", "constant", "poly", "cosine")


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [None, 0, 20])
def test_learning_rate_rises_once_and_then_only_falls(steps, name, warmup):
    schedule = ScheduleConfig(name=name, warmup_steps=warmup)
    rates = [rate_factor(step, steps, schedule) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) <= 1
    assert min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_learning_rate_ends_low():
    assert rate_factor(999, 1000) < 2 * FINAL_RATE
    assert rate_factor(600, 1000) == 1


def test_schedules_have_the_rates_of_their_definitions():
    def at(step, **options):
        return rate_factor(step, 100, ScheduleConfig(**options))

    assert [at(step, name="constant") for step in (0, 50, 99)] == [1, 1, 1]
    assert at(25, name="poly") == pytest.approx(0.75**0.9)
    assert at(25, name="poly", power=2.0) == pytest.approx(0.75**2)
    assert [at(step, name="cosine") for step in (0, 50)] == pytest.approx([1, 0.5])
    assert at(4, name="trapezoid") == 0.5  # of a tenth of the run


def test_warmup_comes_before_every_schedule():
    for name in SCHEDULES:
        schedule = ScheduleConfig(name=name, warmup_steps=4)
        rates = [rate_factor(step, 100, schedule) for step in range(5)]
        assert rates == [0.25, 0.5, 0.75, 1, 1]
    # What is left of the run is a whole schedule.
    half = ScheduleConfig(name="cosine", warmup_steps=50)
    assert rate_factor(75, 100, half) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "kind", "settings"),
    [
        ({}, torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 1e-5, "betas": (0.9, 0.999)}),
        ({"name": "adamw", "betas": [0.5, 0.9]}, torch.optim.AdamW, {"betas": (0.5, 0.9)}),
        ({"name": "adam", "betas": [0.5, 0.9]}, torch.optim.Adam, {"betas": (0.5, 0.9)}),
        ({"name": "sgd"}, torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9, "nesterov": False}),
        (
            {"name": "sgd", "momentum": 0.5, "nesterov": True},
            torch.optim.SGD,
            {"momentum": 0.5, "nesterov": True},
        ),
    ],
)
def test_optimiser_is_the_one_of_the_configuration(options, kind, settings):
    made = optimiser_of([torch.zeros(1, requires_grad=True)], toy_config(optimiser=options).training)
    assert type(made) is kind
    assert {name: made.defaults[name] for name in settings} == settings


def test_mean_of_the_weights_begins_with_the_first_and_forgets_at_the_decay():
    network = torch.nn.BatchNorm1d(1)
    mean = averaged(network, 0.75)
    expected = None
    for value in (1.0, 3.0, -2.0):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(10 * value)
        mean.update_parameters(network)
        expected = value if expected is None else 0.75 * expected + 0.25 * value
        assert mean.module.weight.item() == pytest.approx(expected)
        assert mean.module.running_mean.item() == pytest.approx(10 * expected)
    assert not any(weight.requires_grad for weight in mean.parameters())
