"""The weighted sum of terms, their schedules and their random pairs."""

from __future__ import annotations

import json

import pytest
import torch

from objectwise.config.losses import RampConfig, TermConfig
from objectwise.errors import ArgumentError
from objectwise.tasks.affinities import AffinityTask
from objectwise.tasks.objective import term_names


def ramp(**options):
    return RampConfig.model_validate_json(json.dumps({"from": 0.0, "to": 1.0, **options}))


def terms_at(terms, step, *, seed=0, rank=0):
    generator = torch.Generator().manual_seed(1)
    batch = {"labels": torch.tensor([[[1, 1, 2, 2], [1, 0, 2, 2], [3, 3, 3, 2]]])}
    logits = torch.randn((1, 2, 3, 4), generator=generator, requires_grad=True)
    task = AffinityTask([[-1, 0], [0, -1]])
    objective = task.objective(terms, arrays=["labels"], steps_per_epoch=10, seed=seed)
    return objective(logits, batch, step, rank)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    found = terms_at([TermConfig(name="bce"), TermConfig(name="malis", weight=0.3)], 0)
    assert list(found) == ["loss", "bce", "malis"]
    assert found["loss"] == found["bce"] + 0.3 * found["malis"]


def test_a_term_counts_from_its_first_step_until_its_last():
    terms = [TermConfig(name="bce", until_step=5), TermConfig(name="malis", from_step=3)]
    assert [list(terms_at(terms, step))[1:] for step in (0, 3, 5)] == [["bce"], ["bce", "malis"], ["malis"]]


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (10, 0.0), (15, 0.5), (20, 1.0), (99, 1.0)])
def test_a_ramp_goes_in_a_straight_line(step, weight):
    assert ramp(steps=[10, 20]).at(step, 1) == weight


def test_a_ramp_by_epochs_is_constant_within_each():
    by_epoch = ramp(epochs=[0, 4])
    assert [by_epoch.at(step, 10) for step in (0, 9, 10, 19, 39, 40)] == [0, 0, 0.25, 0.25, 0.75, 1]


def test_gradual_is_two_ramps():
    from objectwise.losses import Gradual

    schedule = Gradual(100, 0.01)
    first, second = ramp(**{"from": 1.0, "to": 0.01}, epochs=[0, 99]), ramp(to=0.99, epochs=[0, 99])
    for epoch in range(130):
        expected = schedule(epoch)
        assert (first.at(epoch, 1), second.at(epoch, 1)) == pytest.approx(expected, abs=1e-12)


def test_a_term_of_weight_0_is_not_computed():
    assert list(terms_at([TermConfig(name="bce"), TermConfig(name="malis", weight=ramp(steps=[5, 6]))], 0)) == [
        "loss", "bce",
    ]  # fmt: skip


def test_random_pairs_follow_from_seed_step_and_rank():
    terms = [TermConfig(name="maximin_pairs", options={"n_pairs": 3})]
    value = terms_at(terms, 7)["loss"]
    assert terms_at(terms, 7)["loss"] == value
    others = [terms_at(terms, 8), terms_at(terms, 7, seed=1), terms_at(terms, 7, rank=1)]
    assert any(other["loss"] != value for other in others)


def test_masks_of_voxels_become_masks_of_edges():
    task = AffinityTask([[0, -1]])
    labels, ignore = torch.tensor([[[[1, 1, 2, 2]]]]).numpy(), torch.tensor([[[[0, 0, 1, 0]]]]).numpy()
    target = task.target({"labels": labels[0], "ignore": ignore[0]})
    assert target["edge_mask"].tolist() == [[[True, True, False, False]]]


def test_names_of_terms_differ():
    assert term_names(["dice", "instance", "dice", "dice"]) == ["dice", "instance", "dice_2", "dice_3"]


class Vector(torch.nn.Module):
    """A user's loss that is no scalar."""

    def forward(self, prediction, labels):
        """Return one number too many."""
        return prediction.flatten()[:2]


def test_a_loss_that_is_no_scalar_is_refused_by_name():
    with pytest.raises(ArgumentError, match=r"scalar, got shape \(2,\) from the term 'Vector'"):
        terms_at([TermConfig(python=f"{__name__}:Vector")], 0)


@pytest.mark.parametrize(
    "options",
    [{}, {"steps": [1, 2], "epochs": [1, 2]}, {"steps": [3, 2]}, {"steps": [-1, 2]}],
)
def test_ramps_that_lead_nowhere_are_refused(options):
    with pytest.raises(ValueError, match=r"ramp|greater"):
        ramp(**options)
