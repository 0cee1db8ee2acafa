"""The instance losses: against masks and loops, and what each term does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from monai.losses import DiceLoss

from objectwise.losses import InstanceLoss
from objectwise.losses.instances.inputs import foreground
from objectwise.losses.instances.terms import InstanceTerms
from tests.losses.instances.problems import KINDS, gradients_of, problems, scene, values_of
from tests.oracles import instances as oracle


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems())
@settings(max_examples=20)
def test_terms_and_gradients_are_those_of_masks_and_loops(kind, exclude, problem):
    prediction, target = problem
    prediction.requires_grad_()
    losses = dict.fromkeys(("pixel_loss", "instance_loss", "center_loss"), kind)
    loss = InstanceLoss(activation="none", exclude_true_positives=exclude, center_offset=1, **losses)
    terms = loss.terms(prediction, target)
    truth = oracle.corrected_terms(prediction, target, loss=kind, exclude=exclude, offset=1.0)
    np.testing.assert_allclose(values_of(terms), values_of(truth), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        gradients_of(terms, prediction), gradients_of(truth, prediction), rtol=1e-7, atol=1e-9
    )


@given(problem=problems(max_side=4))
@settings(max_examples=15)
def test_functions_through_crops_agree_with_sums(problem):
    prediction, target = problem
    prediction.requires_grad_()
    losses = dict.fromkeys(("pixel_loss", "instance_loss", "center_loss"), DiceLoss())
    for options in ({}, {"exclude_true_positives": False}, {"too_many": 1.0}):
        by_sums = InstanceLoss(activation="none", center_offset=1, **options).terms(prediction, target)
        by_crops = InstanceLoss(activation="none", center_offset=1, **options, **losses).terms(
            prediction, target
        )
        np.testing.assert_allclose(values_of(by_crops), values_of(by_sums), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(
            gradients_of(by_crops, prediction), gradients_of(by_sums, prediction), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_through_logits_passes_gradcheck(kind):
    logits, target = scene()
    loss = InstanceLoss(instance_loss=kind, center_loss=kind, pixel_loss=kind, too_many=3.0)
    assert torch.autograd.gradcheck(lambda x: tuple(loss.terms(x, target)), logits.requires_grad_())


def test_gradient_through_softmax_passes_gradcheck():
    logits, target = scene()
    both = torch.cat([-logits, logits, logits.flip(3)], 1)
    targets = torch.cat([~target, target, target.flip(3)], 1)
    loss = InstanceLoss(activation="softmax")
    assert torch.autograd.gradcheck(lambda x: tuple(loss.terms(x, targets)), both.requires_grad_())


@pytest.mark.parametrize("scale", [0.1, 3.0, 200.0])
@pytest.mark.parametrize("channels", [2, 3, 7])
def test_logits_of_a_softmax_are_those_against_the_rest(channels, scale):
    rng = np.random.default_rng(channels)
    values = torch.from_numpy(rng.normal(0, scale, (2, channels, 5, 6)))
    values[:, :2, 0] = values[:, :1, 0]  # ties
    weights = torch.from_numpy(rng.normal(size=values.shape))
    target = torch.zeros_like(values)
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        prediction = values.to(dtype).requires_grad_()
        inputs = foreground(prediction, target, activation="softmax", include_background=True)
        exact = prediction.detach().double().requires_grad_()
        rest = [exact[:, [d for d in range(channels) if d != c]].logsumexp(1) for c in range(channels)]
        truth = exact - torch.stack(rest, 1)
        torch.testing.assert_close(inputs.values.double(), truth, rtol=tolerance, atol=tolerance * scale)
        (gradient,) = torch.autograd.grad((inputs.values * weights).sum(), prediction)
        (expected,) = torch.autograd.grad((truth * weights).sum(), exact)
        torch.testing.assert_close(gradient.double(), expected, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("shift", [-3.0, 0.0, 40.0])
def test_softmax_of_two_channels_is_the_sigmoid_of_their_difference(shift):
    logits, target = scene()
    both = torch.cat([torch.full_like(logits, shift), logits + shift], 1)
    targets = torch.cat([~target, target], 1)
    torch.testing.assert_close(
        InstanceLoss(activation="softmax")(both, targets), InstanceLoss()(logits, target)
    )


# What each term does to the objects of `scene`.

TRUE, MISSED, FALSE = (slice(1, 4), slice(1, 4)), (slice(8, 10), slice(2, 5)), (slice(7, 10), slice(11, 14))


def pulls(loss, logits, target):
    """The gradient of every term with respect to the logits, {name: (y, x)}."""
    logits = logits.clone().requires_grad_()
    terms = loss.terms(logits, target)
    return dict(zip(terms._fields, gradients_of(terms, logits)[:, 0, 0], strict=True))


def test_a_true_a_missed_and_a_false_instance_are_each_pulled_the_right_way():
    pull = pulls(InstanceLoss(), *scene())
    for term in ("label_instances", "center", "proximity"):
        assert (pull[term][TRUE] <= 0).all(), term
        assert (pull[term][TRUE] < -1e-3).any(), term
    assert (pull["label_instances"][MISSED] < -1e-3).all()
    assert (pull["center"][MISSED] < -1e-3).all()
    assert (pull["missed"][MISSED] < -1e-3).all()
    assert (pull["proximity"][MISSED] < -1e-3).all()
    assert (pull["output_instances"][FALSE] > 1e-3).all()
    assert (pull["center"][FALSE] > 1e-4).any()
    assert (pull["false"][FALSE] > 1e-3).all()
    assert (pull["proximity"][FALSE] > 1e-3).all()


def test_counting_terms_pull_at_what_they_count_only():
    pull = pulls(InstanceLoss(), *scene())
    for term, place in (("missed", MISSED), ("false", FALSE)):
        assert pull[term][place].all()
        pull[term][place] = 0
        assert not pull[term].any()


@pytest.mark.parametrize("level", [-9.0, 9.0])
def test_saturated_false_and_missed_instances_keep_a_useful_gradient(level):
    """With Dice alone a missed instance at -9 and a false one at 9 would be left in peace."""
    logits, target = scene()
    logits[0, 0][MISSED if level < 0 else FALSE] = level
    loss = InstanceLoss(instance_loss="dice_cross_entropy")
    pull = pulls(loss, logits, target)
    if level < 0:
        assert (pull["label_instances"][MISSED] < -0.01).all()
    else:
        assert (pull["output_instances"][FALSE] > 0.01).all()
        assert (pulls(InstanceLoss(), logits, target)["output_instances"][FALSE] > 0.01).all()


@pytest.mark.parametrize("term", InstanceTerms._fields)
def test_a_small_step_down_each_gradient_lowers_its_term(term):
    logits, target = scene()
    loss = InstanceLoss()
    logits.requires_grad_()
    value = getattr(loss.terms(logits, target), term)
    (gradient,) = torch.autograd.grad(value, logits)
    with torch.no_grad():
        below = getattr(loss.terms(logits - 1e-3 * gradient / gradient.norm(), target), term)
    assert below < value
