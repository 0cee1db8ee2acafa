"""`ignore` in every loss on classes and regions: what is unknown has no effect, whatever stands there."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError, ShapeError
from objectwise.losses import (
    ActiveContourLoss,
    BinaryCrossEntropyLoss,
    BinaryFocalLoss,
    BoundaryLoss,
    DiceCrossEntropyLoss,
    HausdorffDTLoss,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
)

CLASSES = {
    "dice": SoftDiceLoss,
    "cross_entropy": SoftmaxCrossEntropyLoss,
    "focal": SoftmaxFocalLoss,
    "dice_cross_entropy": DiceCrossEntropyLoss,
    "region_wise": RegionWiseLoss,
    "boundary": BoundaryLoss,
    "active_contour": lambda **options: ActiveContourLoss(length_weight=0.1, **options),
    "hausdorff": HausdorffDTLoss,
}
STRUCTURES = CLASSES | {"cross_entropy": BinaryCrossEntropyLoss, "focal": BinaryFocalLoss}
SIGMOID = {"sigmoid": True, "to_onehot_y": False}


def example():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 3, (2, 1, 6, 7), generator=generator)
    ignore = torch.rand(2, 1, 6, 7, generator=generator) < 0.3
    return logits, classes, ignore


def value_and_gradient(loss, logits, target, **masks):
    logits = logits.clone().requires_grad_()
    value = loss(logits, target, **masks)
    value.backward()
    return value.detach(), logits.grad


@pytest.mark.parametrize("name", CLASSES)
def test_ignoring_a_voxel_of_class_indices_is_labelling_it_as_ignored(name):
    logits, classes, ignore = example()
    found = value_and_gradient(CLASSES[name](), logits, classes, ignore=ignore)
    expected = value_and_gradient(CLASSES[name](ignore_label=9), logits, classes.masked_fill(ignore, 9))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("kind", ["classes", "structures"])
def test_what_stands_at_an_ignored_voxel_has_no_effect(name, kind):
    logits, classes, ignore = example()
    if kind == "classes":
        loss, target = CLASSES[name](), classes
        other = classes.masked_fill(ignore, 1)
    else:
        loss = STRUCTURES[name](**SIGMOID)
        target = torch.nn.functional.one_hot(classes[:, 0], 3).movedim(-1, 1)
        other = target.masked_fill(ignore, 1)
    value, gradient = value_and_gradient(loss, logits, target, ignore=ignore)
    for changed in (logits.masked_fill(ignore, 5.0), logits.masked_fill(ignore, torch.nan)):
        found = value_and_gradient(loss, changed, other, ignore=ignore)
        torch.testing.assert_close(found, (value, gradient))
    assert not gradient.masked_select(ignore).any()
    assert gradient.any()


@pytest.mark.parametrize("name", STRUCTURES)
def test_nothing_ignored_changes_nothing(name):
    logits, classes, ignore = example()
    nothing = torch.zeros_like(ignore)
    assert torch.equal(CLASSES[name]()(logits, classes, ignore=nothing), CLASSES[name]()(logits, classes))


@pytest.mark.parametrize("name", CLASSES)
def test_a_sample_of_which_nothing_is_known_does_not_count(name):
    logits, classes, ignore = example()
    ignore[1] = True
    both = CLASSES[name]()(logits, classes, ignore=ignore)
    torch.testing.assert_close(both, CLASSES[name]()(logits[:1], classes[:1], ignore=ignore[:1]))


@pytest.mark.parametrize("shape", ["(n, *spatial)", "(n, c, *spatial)"])
def test_a_mask_may_have_no_channel_axis_or_one_for_each_channel(shape):
    logits, classes, ignore = example()
    other = ignore[:, 0] if shape == "(n, *spatial)" else ignore.expand(-1, 3, -1, -1)
    assert torch.equal(
        SoftDiceLoss()(logits, classes, ignore=other), SoftDiceLoss()(logits, classes, ignore=ignore)
    )


@pytest.mark.parametrize(
    ("ignore", "error", "words"),
    [
        (torch.zeros(2, 1, 6, 7), DtypeError, "`ignore` must be a bool tensor"),
        (torch.zeros(2, 2, 6, 7, dtype=torch.bool), ShapeError, "`ignore` must have shape"),
        ([[True]], DtypeError, "`ignore` must be a torch.Tensor"),
    ],
)
def test_bad_masks_are_refused(ignore, error, words):
    logits, classes, _ = example()
    with pytest.raises(error, match=words):
        SoftDiceLoss()(logits, classes, ignore=ignore)


def test_a_map_alone_does_not_say_what_is_ignored():
    logits, _, ignore = example()
    with pytest.raises(ArgumentError, match="`target` must be given"):
        RegionWiseLoss()(logits, weight_map=torch.zeros_like(logits), ignore=ignore)
