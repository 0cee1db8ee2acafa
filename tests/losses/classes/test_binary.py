"""Losses of structures that may overlap, and of Dice with cross-entropy."""

from __future__ import annotations

import monai.losses
import pytest
import torch
from torch.nn import functional

from objectwise.errors import ArgumentError
from objectwise.losses import (
    BinaryCrossEntropyLoss,
    BinaryFocalLoss,
    DiceCrossEntropyLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
)


def example(shape=(5, 6)):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.rand(2, 3, *shape, generator=generator) < 0.4


@pytest.mark.parametrize("shape", [(5, 6), (3, 4, 5)])
def test_binary_cross_entropy_is_that_of_pytorch(shape):
    logits, masks = example(shape)
    found = BinaryCrossEntropyLoss(to_onehot_y=False)(logits, masks)
    torch.testing.assert_close(found, functional.binary_cross_entropy_with_logits(logits, masks.double()))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.0])
def test_binary_focal_loss_is_that_of_monai(gamma):
    logits, masks = example()
    theirs = monai.losses.FocalLoss(gamma=gamma, include_background=True)(logits, masks.double())
    torch.testing.assert_close(BinaryFocalLoss(gamma=gamma, to_onehot_y=False)(logits, masks).float(), theirs)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_saturated_logits_keep_a_finite_gradient(gamma):
    logits = torch.tensor([[[[-200.0, -20.0, 20.0, 200.0]]]], requires_grad=True)
    BinaryFocalLoss(gamma=gamma)(logits, torch.tensor([[[[0, 1, 1, 0]]]])).backward()
    assert torch.isfinite(logits.grad).all()


def test_dice_with_cross_entropy_is_that_of_monai():
    logits, _ = example()
    classes = torch.randint(0, 3, (2, 1, 5, 6))
    options = {"to_onehot_y": True, "softmax": True, "smooth_nr": 0, "smooth_dr": 1e-6}
    theirs = monai.losses.DiceCELoss(**options, lambda_dice=0.5, lambda_ce=2.0)(logits, classes)
    ours = DiceCrossEntropyLoss(dice_weight=0.5, cross_entropy_weight=2.0)(logits, classes)
    torch.testing.assert_close(ours, theirs)


def test_dice_with_cross_entropy_of_structures_is_the_sum_of_both():
    logits, masks = example()
    options = {"sigmoid": True, "to_onehot_y": False}
    both = SoftDiceLoss(**options)(logits, masks) + BinaryCrossEntropyLoss(to_onehot_y=False)(logits, masks)
    torch.testing.assert_close(DiceCrossEntropyLoss(**options)(logits, masks), both)


def test_the_gradient_is_that_of_the_differences():
    logits, masks = example((2, 3))
    for loss in (
        BinaryFocalLoss(gamma=1.5, to_onehot_y=False),
        DiceCrossEntropyLoss(sigmoid=True, to_onehot_y=False),
    ):
        assert torch.autograd.gradcheck(lambda values, loss=loss: loss(values, masks), logits)


def test_without_the_background_its_channel_has_no_gradient():
    logits, masks = example()
    BinaryCrossEntropyLoss(to_onehot_y=False, include_background=False)(logits, masks).backward()
    assert not logits.grad[:, 0].any()
    assert logits.grad[:, 1:].all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BinaryFocalLoss(sigmoid=False), "`sigmoid` must be the activation"),
        (lambda: BinaryFocalLoss(gamma=-1), "`gamma` must be finite and not negative"),
        (lambda: DiceCrossEntropyLoss(softmax=False), "`softmax` must be the activation"),
        (lambda: DiceCrossEntropyLoss(dice_weight=-1), "`dice_weight`"),
        (lambda: DiceCrossEntropyLoss(reduction="none"), "`reduction` must be one of 'mean', 'sum'"),
        (lambda: DiceCrossEntropyLoss(smooth=0), "`smooth` must be positive"),
    ],
)
def test_bad_options_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


def test_one_channel_takes_class_indices_as_a_mask():
    logits, masks = example()
    one, truth = logits[:, :1], masks[:, :1].long()
    torch.testing.assert_close(
        BinaryCrossEntropyLoss()(one, truth), functional.binary_cross_entropy_with_logits(one, truth.double())
    )
    with pytest.raises(ArgumentError, match="0 and 1"):
        BinaryCrossEntropyLoss()(one, truth + 1)


def test_cross_entropy_of_two_classes_is_that_of_one_structure():
    logits, masks = example()
    pair = torch.stack([torch.zeros_like(logits[:, 0]), logits[:, 0]], 1)
    torch.testing.assert_close(
        SoftmaxCrossEntropyLoss()(pair, masks[:, :1].long()),
        BinaryCrossEntropyLoss()(logits[:, :1], masks[:, :1].long()),
    )
