from __future__ import annotations

import monai.losses
import pytest
import torch

from objectwise.errors import ArgumentError, ShapeError
from objectwise.losses import HausdorffDTLoss, hausdorff_dt_loss
from objectwise.maps import hausdorff_map


def example(shape=(9, 10), dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 3, *shape, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, 3, (2, 1, *shape), generator=generator)


@pytest.mark.parametrize("shape", [(9, 10), (5, 6, 7)])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 1.5])
@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"softmax": True},
        {"sigmoid": True},
        {"softmax": True, "reduction": "sum"},
        {"sigmoid": True, "reduction": "none"},
    ],
)
def test_loss_and_gradient_are_those_of_monai(shape, alpha, include_background, options):
    options = {**options, "alpha": alpha, "include_background": include_background}
    logits, labels = example(shape)
    ours = HausdorffDTLoss(**options)(logits, labels)
    theirs = monai.losses.HausdorffDTLoss(**options, to_onehot_y=True)(logits, labels)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss.sum(), logits)[0] for loss in (ours, theirs)))


def test_absent_and_filling_classes_are_those_of_monai():
    logits, labels = example()
    labels[0], labels[1] = 1, labels[1].clamp(max=1)
    theirs = monai.losses.HausdorffDTLoss(include_background=True, softmax=True, to_onehot_y=True)
    torch.testing.assert_close(HausdorffDTLoss()(logits, labels), theirs(logits, labels))


def test_a_map_made_before_gives_the_loss_to_the_bit():
    logits, labels = example()
    labels[0, 0, 2:4] = 255
    for options in (
        {},
        {"include_background": False},
        {"both_sides": False},
        {"spacing": (3, 1)},
        {"alpha": 1},
    ):
        loss = HausdorffDTLoss(**options, ignore_label=255)
        made = loss.weight_map(labels, 3)
        assert torch.equal(loss(logits, labels, weight_map=made), loss(logits, labels)), options


def test_one_sided_loss_weighs_errors_by_the_distance_in_the_target():
    logits, labels = example(dtype=torch.float64)
    truth = torch.nn.functional.one_hot(labels[:, 0], 3).movedim(-1, 1)
    expected = ((logits.softmax(1) - truth) ** 2 * hausdorff_map(labels, 3)).mean()
    torch.testing.assert_close(HausdorffDTLoss(both_sides=False)(logits, labels), expected)


def test_gradcheck_away_from_one_half():
    logits, labels = example((3, 4), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: hausdorff_dt_loss(z, labels), logits)


def test_ignored_voxels_have_no_gradient_and_an_ignored_sample_no_say():
    logits, labels = example()
    labels[1] = 9
    labels[0, 0, 3] = 9
    loss = HausdorffDTLoss(ignore_label=9)
    value = loss(logits, labels)
    torch.testing.assert_close(value, loss(logits[:1], labels[:1]))
    value.backward()
    assert not logits.grad[1].any()
    assert not logits.grad[0, :, 3].any()


def test_float32_under_autocast():
    logits, labels = example()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = HausdorffDTLoss()(logits, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, HausdorffDTLoss()(logits, labels))


def test_bad_inputs_are_named():
    logits, labels = example()
    with pytest.raises(ArgumentError, match="`alpha` must be positive and finite, got 0"):
        HausdorffDTLoss(0)
    with pytest.raises(ShapeError, match=r"`spacing` must have one number per spatial axis \(2\)"):
        HausdorffDTLoss(spacing=(1, 1, 1))(logits, labels)
    with pytest.raises(ArgumentError, match=r"`target` must hold classes in 0\.\.2, got \d"):
        HausdorffDTLoss()(logits, labels + 3, weight_map=torch.zeros(logits.shape))
    with pytest.raises(ShapeError, match="`weight_map` must have shape"):
        HausdorffDTLoss()(logits, labels, weight_map=torch.zeros(2, 3, 4, 5))
