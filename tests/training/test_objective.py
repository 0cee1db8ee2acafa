"""What the training of a configuration minimises, by its short forms and as a list of terms."""

from __future__ import annotations

import pytest
import torch

from objectwise.config.training import LossConfig
from objectwise.graph import Neighborhood
from objectwise.losses import AffinityBCELoss, MalisLoss
from objectwise.tasks import AffinityTask

OFFSETS = Neighborhood.nearest(2)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 6, 6, generator=generator)
    return logits, {"labels": torch.randint(0, 3, (2, 6, 6), generator=generator)}


def objective(**options):
    return AffinityTask(OFFSETS).objective(LossConfig(**options).terms, arrays=["labels"])


@pytest.mark.parametrize(
    ("options", "step", "terms"),
    [
        ({"name": "bce"}, 0, ("bce",)),
        ({"name": "malis"}, 0, ("malis",)),
        ({"name": "bce+malis"}, 0, ("bce", "malis")),
        ({"name": "malis", "warmup_steps": 3}, 2, ("bce",)),
        ({"name": "malis", "warmup_steps": 3}, 3, ("malis",)),
        ({"name": "bce+malis", "warmup_steps": 3}, 2, ("bce",)),
        ({"name": "bce+malis", "warmup_steps": 3}, 3, ("bce", "malis")),
    ],
)
def test_short_forms_have_the_terms_of_their_step(options, step, terms, batch):
    made = objective(**options)
    assert tuple(made.weights_at(step)) == terms
    result = made(*batch, step)
    assert set(result) == {"loss", *terms}
    torch.testing.assert_close(result["loss"], sum(result[name] for name in terms))


def test_terms_are_the_losses_of_the_library(batch):
    logits, arrays = batch
    result = objective(name="bce+malis")(*batch, 0)
    torch.testing.assert_close(result["bce"], AffinityBCELoss(OFFSETS)(logits, arrays["labels"]))
    torch.testing.assert_close(result["malis"], MalisLoss(OFFSETS)(logits, arrays["labels"]))


def test_malis_weight_weighs_the_sum_and_not_the_term(batch):
    once, thrice = (objective(name="bce+malis", malis_weight=weight)(*batch, 0) for weight in (1.0, 3.0))
    torch.testing.assert_close(once["malis"], thrice["malis"])
    torch.testing.assert_close(thrice["loss"], once["loss"] + 2 * once["malis"])
