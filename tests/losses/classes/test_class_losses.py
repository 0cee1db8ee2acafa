"""Dice, focal loss and cross-entropy of classes: against PyTorch and MONAI, and by hand."""

from __future__ import annotations

import monai.losses
import pytest
import torch
from torch.nn import functional

from objectwise.errors import ArgumentError, DtypeError
from objectwise.losses import (
    HausdorffDTLoss,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
)
from objectwise.losses.inputs import INTEGERS

LOSSES = (SoftDiceLoss, SoftmaxCrossEntropyLoss, SoftmaxFocalLoss)


def example(shape=(5, 6), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, *shape, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, 3, (2, 1, *shape), generator=generator)


def test_cross_entropy_is_that_of_pytorch():
    logits, labels = example()
    torch.testing.assert_close(
        SoftmaxCrossEntropyLoss()(logits, labels), functional.cross_entropy(logits, labels[:, 0])
    )
    labels[0, 0, 1:4] = -100
    ignored = functional.cross_entropy(logits, labels[:, 0], ignore_index=-100)
    loss = SoftmaxCrossEntropyLoss(ignore_label=-100, batch=True)
    torch.testing.assert_close(loss(logits, labels), ignored)


def test_focal_loss_is_that_of_monai_and_cross_entropy_at_gamma_0():
    logits, labels = example()
    theirs = monai.losses.FocalLoss(to_onehot_y=True, use_softmax=True, gamma=1.5, include_background=True)
    # Theirs is a mean over classes too, of which all but one are 0.
    found = SoftmaxFocalLoss(gamma=1.5)(logits, labels)
    torch.testing.assert_close(found.float(), 3 * theirs(logits, labels))
    assert torch.equal(SoftmaxFocalLoss(gamma=0)(logits, labels), SoftmaxCrossEntropyLoss()(logits, labels))


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_dice_is_that_of_monai(batch, include_background, reduction):
    logits, labels = example()
    options = {"batch": batch, "include_background": include_background, "reduction": reduction}
    theirs = monai.losses.DiceLoss(**options, to_onehot_y=True, softmax=True, smooth_nr=0, smooth_dr=1e-6)
    found = SoftDiceLoss(**options)(logits, labels)
    torch.testing.assert_close(found.flatten(), theirs(logits, labels).flatten())


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck(loss):
    logits, labels = example((2, 3))
    assert torch.autograd.gradcheck(lambda z: loss()(z, labels), logits)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", [True, False])
def test_ignored_voxels_have_no_gradient_and_an_ignored_sample_no_say(loss, batch):
    logits, labels = example()
    labels[1], labels[0, 0, 2] = 7, 7
    module = loss(ignore_label=7, batch=batch)
    value = module(logits, labels)
    torch.testing.assert_close(value, module(logits[:1], labels[:1]))
    value.backward()
    assert not logits.grad[1].any()
    assert not logits.grad[0, :, 2].any()
    assert logits.grad[0, :, 3].any()
    labels[:] = 7
    assert module(logits, labels).item() == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("include_background", [True, False])
def test_one_hot_targets_give_the_same(loss, include_background):
    logits, labels = example()
    one_hot = functional.one_hot(labels[:, 0], 3).movedim(-1, 1).float()
    options = {"include_background": include_background}
    found = loss(to_onehot_y=False, **options)(logits, one_hot)
    torch.testing.assert_close(found, loss(**options)(logits, labels))


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_under_autocast(loss):
    logits, labels = example(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss()(logits.half(), labels)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss()(logits.half().float(), labels))


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_targets_are_named(loss):
    logits, labels = example()
    with pytest.raises(DtypeError, match="`target` must hold integer classes"):
        loss()(logits, labels.float())
    with pytest.raises(ArgumentError, match=r"`target` must hold classes in 0..2, got 4 at \(0, 0, 0, 0\)"):
        loss()(logits, labels * 0 + 4)
    with pytest.raises(ArgumentError, match=r"`target` must hold only 0 and 1 if one-hot, got 2\.0"):
        loss(to_onehot_y=False)(logits, torch.full(logits.shape, 2.0))


def test_bad_options_are_named():
    with pytest.raises(ArgumentError, match="`gamma` must be finite and not negative, got -1"):
        SoftmaxFocalLoss(gamma=-1)
    for smooth in (0, -1, float("nan")):
        with pytest.raises(ArgumentError, match="`smooth` must be positive and finite, got"):
            SoftDiceLoss(smooth=smooth)
    assert "smooth=0.5" in repr(SoftDiceLoss(smooth=0.5))
    for loss in (SoftmaxFocalLoss, SoftmaxCrossEntropyLoss):
        with pytest.raises(ArgumentError, match="`softmax` must be the activation of this loss"):
            loss(sigmoid=True)


@pytest.mark.parametrize("loss", [*LOSSES, RegionWiseLoss, HausdorffDTLoss])
def test_any_integer_dtype_gives_the_same(loss):
    logits, labels = example()
    labels[0, 0, 0] = 9
    expected = loss(ignore_label=9)(logits, labels)
    for dtype in INTEGERS:
        assert torch.equal(loss(ignore_label=9)(logits, labels.to(dtype)), expected), dtype


@pytest.mark.parametrize("loss", [*LOSSES, RegionWiseLoss, HausdorffDTLoss])
@pytest.mark.parametrize("ignore_label", [256, -256, -1])
def test_an_ignored_label_that_the_dtype_cannot_hold_ignores_nothing(loss, ignore_label):
    logits, labels = example()
    found = loss(ignore_label=ignore_label)(logits, labels.byte())
    torch.testing.assert_close(found, loss()(logits, labels))
    with pytest.raises(ArgumentError, match=r"must .* classes in 0\.\.2, got 255"):
        loss(ignore_label=-1)(logits, torch.full_like(labels, 255).byte())


@pytest.mark.parametrize("loss", [*LOSSES, RegionWiseLoss, HausdorffDTLoss])
@pytest.mark.parametrize("ignore_label", [2.0, True, "x"])
def test_an_ignored_label_is_an_integer(loss, ignore_label):
    with pytest.raises(ArgumentError, match="`ignore_label` must be an integer or None, got"):
        loss(ignore_label=ignore_label)
