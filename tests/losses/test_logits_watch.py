"""Predictions that have been through the activation which the loss takes: one warning, from any loss."""

from __future__ import annotations

import warnings
from copy import deepcopy
from functools import partial

import pytest
import torch

from objectwise.compat import instance_loss as published
from objectwise.errors import ObjectwiseWarning
from objectwise.losses import (
    ActiveContourLoss,
    BinaryCrossEntropyLoss,
    BinaryFocalLoss,
    BlobLoss,
    BoundaryLoss,
    CCDiceLoss,
    ClassChannels,
    DiceCrossEntropyLoss,
    HausdorffDTLoss,
    InstanceCenterLoss,
    InstanceLoss,
    RegionDice,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
    hausdorff_dt_loss,
    region_wise_loss,
    soft_dice_loss,
    softmax_focal_loss,
)

MIXED = (SoftDiceLoss, DiceCrossEntropyLoss, RegionWiseLoss, BoundaryLoss, HausdorffDTLoss)
INSTANCES = (InstanceLoss, InstanceCenterLoss, BlobLoss, CCDiceLoss, RegionDice)
ONE_HOT = {"to_onehot_y": False}
SOFTMAX = [
    *(partial(loss, **ONE_HOT) for loss in (*MIXED, SoftmaxCrossEntropyLoss, SoftmaxFocalLoss)),
    partial(ActiveContourLoss, length_weight=0.5, **ONE_HOT),
    *(partial(loss, activation="softmax") for loss in INSTANCES),
]
SIGMOID = [
    *(partial(loss, sigmoid=True, **ONE_HOT) for loss in MIXED),
    *(partial(loss, **ONE_HOT) for loss in (BinaryCrossEntropyLoss, BinaryFocalLoss)),
    *INSTANCES,
]
CASES = [*((make, "softmax") for make in SOFTMAX), *((make, "sigmoid") for make in SIGMOID)]


def example(activation):
    """Logits, what the activation makes of them, and a one-hot target."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)
    probabilities = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    target = torch.zeros(2, 3, 6, 7, dtype=torch.uint8).scatter_(1, logits.argmax(1, keepdim=True), 1)
    return logits, probabilities, target


def words(activation):
    return (
        rf"`prediction` must be logits, got values that all lie in 0\.\.1, as after a {activation}, .* the "
        rf"{activation} once more; (pass activation='none', or )?leave out the network's {activation}$"
    )


@pytest.mark.parametrize(("make", "activation"), CASES)
def test_each_module_warns_once(make, activation):
    _, probabilities, target = example(activation)
    loss = make()
    with pytest.warns(ObjectwiseWarning, match=words(activation)) as caught:
        loss(probabilities, target)
    assert len(caught) == 1
    loss(probabilities, target)  # warnings are errors
    with pytest.warns(ObjectwiseWarning, match=words(activation)):
        make()(probabilities, target)


@pytest.mark.parametrize(("make", "activation"), CASES)
def test_one_logit_beyond_0_and_1_settles_it(make, activation):
    _, probabilities, target = example(activation)
    loss = make()
    for logit in (-0.1, 1.1):
        logits = probabilities.clone()
        logits[1, 2, 5, 6] = logit
        make()(logits, target)
        loss(logits, target)
    loss(probabilities, target)


@pytest.mark.parametrize(("make", "activation"), CASES)
@pytest.mark.parametrize("constant", [0.0, 0.5])
def test_a_constant_says_and_settles_nothing(make, activation, constant):
    _, probabilities, target = example(activation)
    loss = make()
    loss(torch.full_like(probabilities, constant), target)
    with pytest.warns(ObjectwiseWarning, match=words(activation)):
        loss(probabilities, target)


@pytest.mark.parametrize(
    "make",
    [
        *(partial(loss, softmax=False, **ONE_HOT) for loss in MIXED if loss is not DiceCrossEntropyLoss),
        partial(SoftDiceLoss, other_act=torch.sqrt, **ONE_HOT),
        *(partial(loss, activation="none") for loss in INSTANCES),
    ],
)
def test_probabilities_that_are_said_to_come_are_no_reason_to_warn(make):
    _, probabilities, target = example("sigmoid")
    make()(probabilities, target)


@pytest.mark.parametrize(
    "function", [soft_dice_loss, softmax_focal_loss, region_wise_loss, hausdorff_dt_loss]
)
def test_python_shows_the_warning_of_a_function_once(function):
    _, probabilities, target = example("softmax")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            function(probabilities, target.argmax(1))
    assert [one.category for one in caught] == [ObjectwiseWarning]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_published_losses_warn_too(activation):
    _, probabilities, target = example(activation)
    dice = published_dice if activation == "softmax" else torch.nn.BCEWithLogitsLoss()
    loss = published.InstanceLoss(
        dice,
        published_dice,
        published_dice,
        activation=activation,
        num_out_chn=3,
        object_chn=1,
        spatial_dims=2,
    )
    with pytest.warns(ObjectwiseWarning, match="`outputs` must be logits, got values that all lie in 0..1"):
        loss(probabilities, target[:, 1:2].double())
    loss(probabilities, target[:, 1:2].double())


def published_dice(p, y):
    return 1 - 2 * (p * y).sum() / (p + y).sum().clamp_min(1e-6)


@pytest.mark.parametrize("loss", [SoftDiceLoss, RegionWiseLoss])
def test_a_channel_that_is_left_out_has_no_say(loss):
    _, probabilities, target = example("sigmoid")
    probabilities[:, 0] = -3.0
    with pytest.warns(ObjectwiseWarning, match=words("sigmoid")):
        loss(sigmoid=True, include_background=False, **ONE_HOT)(probabilities, target)


def test_transforms_and_compilers_warn_as_well():
    _, probabilities, target = example("softmax")
    make = partial(SoftDiceLoss, **ONE_HOT)
    with pytest.warns(ObjectwiseWarning, match=words("softmax")):
        gradient = torch.func.grad(lambda values: make()(values, target))(probabilities)
    assert gradient.isfinite().all()
    loss = torch.compile(make(), backend="eager")
    with pytest.warns(ObjectwiseWarning, match=words("softmax")):
        loss(probabilities, target)
    loss(probabilities, target)


def test_what_has_been_said_is_no_option():
    loss = SoftDiceLoss()
    assert "watch" not in repr(loss)
    loss.channels.watch.is_settled = True
    assert loss.channels == ClassChannels()
    assert not ClassChannels().watch.is_settled
    assert deepcopy(loss).channels.watch is not loss.channels.watch
