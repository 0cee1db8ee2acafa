"""What may stand in a prediction, a target and a map: one rule for all losses on classes and regions."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError
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

WITH_MAPS = (RegionWiseLoss, BoundaryLoss, HausdorffDTLoss)
LOSSES = (
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
    DiceCrossEntropyLoss,
    BinaryCrossEntropyLoss,
    partial(BinaryFocalLoss, gamma=0.5),
    partial(SoftmaxFocalLoss, gamma=0.5),
    *WITH_MAPS,
    partial(HausdorffDTLoss, both_sides=False),
    ActiveContourLoss,
    partial(ActiveContourLoss, length_weight=0.5),
)
NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
UNKNOWN = 7


def example(dtype=torch.float64):
    """Logits that want a gradient, and labels of which some are unknown."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 6, generator=generator, dtype=dtype)
    labels = torch.randint(0, 3, (2, 1, 5, 6), generator=generator)
    labels[0, 0, 1:3, 2:5] = UNKNOWN
    return logits.requires_grad_(), labels


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_prediction_that_is_not_finite_where_it_counts_is_refused(loss, value):
    logits, labels = example()
    logits.data[1, 2, 3, 4] = value
    with pytest.raises(ArgumentError, match=rf"`prediction` must be finite, got {value} at \(1, 2, 3, 4\)"):
        loss(ignore_label=UNKNOWN)(logits, labels)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("batch", [True, False])
def test_what_stands_at_an_ignored_voxel_is_never_read(loss, value, batch):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN, batch=batch)
    expected = module(logits, labels)
    (gradient,) = torch.autograd.grad(expected, logits)
    changed = torch.where(labels == UNKNOWN, value, logits.detach()).requires_grad_()
    found = module(changed, labels)
    assert torch.equal(found, expected)
    assert torch.equal(torch.autograd.grad(found, changed)[0], gradient)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_what_stands_at_a_voxel_that_a_mask_ignores_is_never_read(loss, value):
    logits, labels = example()
    ignore = labels == UNKNOWN
    expected = loss(ignore_label=UNKNOWN)(logits, labels)
    changed = torch.where(ignore, value, logits.detach()).requires_grad_()
    found = loss()(changed, labels, ignore=ignore)
    assert torch.equal(found, expected)
    found.backward()
    assert changed.grad.isfinite().all()
    changed.data[1, 2, 3, 4] = value
    with pytest.raises(ArgumentError, match=rf"`prediction` must be finite, got {value} at \(1, 2, 3, 4\)"):
        loss()(changed, labels, ignore=ignore)


@pytest.mark.parametrize("loss", [RegionWiseLoss, BoundaryLoss, HausdorffDTLoss, ActiveContourLoss])
def test_an_activation_sees_nothing_of_ignored_voxels(loss):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN, other_act=torch.exp)
    changed = torch.where(labels == UNKNOWN, 1e4, logits.detach()).requires_grad_()  # finite, its exp is not
    value = module(changed, labels)
    assert torch.equal(value, module(logits, labels))
    value.backward()
    assert changed.grad.isfinite().all()


@pytest.mark.parametrize("options", [{"sigmoid": True}, {"softmax": False}])
@pytest.mark.parametrize("loss", [SoftDiceLoss, *WITH_MAPS, partial(ActiveContourLoss, length_weight=0.5)])
def test_a_channel_that_is_left_out_is_never_read(loss, options):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN, include_background=False, **options)
    changed = logits.detach().clone()
    changed[:, 0] = float("nan")
    changed.requires_grad_()
    value = module(changed, labels)
    assert torch.equal(value, module(logits, labels))
    value.backward()
    assert not changed.grad[:, 0].any()
    assert changed.grad.isfinite().all()
    with pytest.raises(ArgumentError, match="`prediction` must be finite"):
        loss(ignore_label=UNKNOWN, include_background=False)(changed, labels)  # a softmax mixes them all


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_large_predictions_are_finite_in_every_precision(dtype):
    logits, labels = example()
    logits = logits.detach().to(dtype)
    logits[:, 0] = torch.finfo(dtype).max / 2
    assert SoftDiceLoss(ignore_label=UNKNOWN)(logits, labels).isfinite()


@pytest.mark.parametrize("loss", WITH_MAPS)
@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("include_background", [True, False])
def test_a_map_that_is_not_finite_where_it_counts_is_refused(loss, value, include_background):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN, include_background=include_background)
    made = module.weight_map(labels, 3)
    made[1, 2, 3, 4] = value
    with pytest.raises(ArgumentError, match=rf"`weight_map` must be finite, got {value} at \(1, 2, 3, 4\)"):
        module(logits, labels, weight_map=made)
    if not include_background:
        with pytest.raises(ArgumentError, match=rf"`weight_map` .* got {value} at \(1, 1, 3, 4\)"):
            module(logits, labels, weight_map=made[:, 1:])


@pytest.mark.parametrize("loss", WITH_MAPS)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_what_stands_in_a_map_at_ignored_voxels_is_never_read(loss, value):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN, include_background=False)
    made = module.weight_map(labels, 3)
    expected = module(logits, labels)
    made = torch.where(labels == UNKNOWN, value, made)
    made[:, 0] = value
    found = module(logits, labels, weight_map=made)
    assert torch.equal(found, expected)
    found.backward()
    assert logits.grad.isfinite().all()


def test_a_map_of_a_function_that_is_not_finite_is_refused():
    logits, labels = example()
    loss = RegionWiseLoss(lambda target, n_classes: torch.full((2, n_classes, 5, 6), float("nan")))
    with pytest.raises(ArgumentError, match=r"`map` must be finite, got nan at \(0, 0, 0, 0\)"):
        loss(logits, labels % 3)


def test_a_prediction_at_an_ignored_voxel_does_not_move_the_border_of_the_prediction():
    logits = torch.zeros(1, 2, 1, 6)
    logits[0, 1, 0, :2] = 9
    labels = torch.tensor([[[0, 0, 0, 0, UNKNOWN, UNKNOWN]]])
    loss = HausdorffDTLoss(ignore_label=UNKNOWN)
    expected = loss(logits, labels)
    logits[0, 1, 0, 4:] = 9
    assert torch.equal(loss(logits, labels), expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("transform", [torch.func.grad, lambda f: torch.func.jacrev(f)])
def test_torch_func_gives_the_gradient(loss, transform):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN)
    module(logits, labels).backward()
    found = transform(lambda z: module(z, labels))(logits.detach())
    torch.testing.assert_close(found, logits.grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_of_torch_func_is_refused_in_one_sentence(loss):
    logits, labels = example()
    module = loss(ignore_label=UNKNOWN)
    with pytest.raises(
        ArgumentError, match=r"must have values to look at, got a tensor of torch\.func\.vmap"
    ):
        torch.func.vmap(lambda z, y: module(z[None], y[None]))(logits.detach(), labels)


@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_tensors_are_refused_by_name(loss):
    logits, labels = example()
    with pytest.raises(DtypeError, match=r"`prediction` must be a dense .*; pass prediction\.to_dense\(\)"):
        loss()(logits.detach().to_sparse(), labels)
    with pytest.raises(DtypeError, match=r"`target` must be a dense .*; pass target\.to_dense\(\)"):
        loss()(logits, labels.to_sparse())


@pytest.mark.parametrize("loss", WITH_MAPS)
def test_a_sparse_map_is_refused(loss):
    logits, labels = example()
    with pytest.raises(DtypeError, match=r"`weight_map` must be a dense .*; pass weight_map\.to_dense\(\)"):
        loss(ignore_label=UNKNOWN)(logits, labels, weight_map=logits.detach().to_sparse())


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_focal_loss_of_a_sure_prediction_has_a_gradient(gamma, dtype):
    margins = torch.arange(0, 200, 3, dtype=dtype)
    logits = torch.stack([margins, torch.zeros_like(margins)])[None, :, None].requires_grad_()
    labels = torch.zeros(1, 1, 1, len(margins), dtype=torch.long)
    SoftmaxFocalLoss(gamma=gamma)(logits, labels).backward()
    # With q = 1 - p for margin m: d/dm of -q^gamma log p.
    wide = margins.double()
    q, log_p = torch.sigmoid(-wide), torch.nn.functional.logsigmoid(wide)
    expected = (gamma * q**gamma * (1 - q) * log_p - q ** (gamma + 1)) / len(margins)
    torch.testing.assert_close(logits.grad[0, 0, 0].double(), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("option", "value"),
    [("sigmoid", "no"), ("include_background", "False"), ("to_onehot_y", 1), ("batch", None), ("softmax", 0)],
)
def test_an_option_that_is_true_or_false_is_one_of_them(loss, option, value):
    with pytest.raises(ArgumentError, match=f"`{option}` must be True or False, got {value!r}"):
        loss(**{option: value})


@pytest.mark.parametrize("loss", [RegionWiseLoss, BoundaryLoss, HausdorffDTLoss])
@pytest.mark.parametrize("spacing", [(-1, 2), (0, 1, 1), (float("nan"), 1)])
def test_a_spacing_that_no_voxel_has_is_refused_with_the_options(loss, spacing):
    with pytest.raises(ArgumentError, match="`spacing` must be positive and finite, got"):
        loss(spacing=spacing)
    with pytest.raises(ArgumentError, match=r"`spacing` must have one number per spatial axis \(2 or 3\)"):
        loss(spacing=(1, 1, 1, 1))


def test_weights_that_leave_no_term_are_refused():
    with pytest.raises(ArgumentError, match="`cross_entropy_weight` must not be 0 where `dice_weight` is"):
        DiceCrossEntropyLoss(dice_weight=0, cross_entropy_weight=0)


def test_both_sides_is_true_or_false():
    with pytest.raises(ArgumentError, match="`both_sides` must be True or False, got 'no'"):
        HausdorffDTLoss(both_sides="no")
