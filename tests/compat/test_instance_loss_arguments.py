"""The published instance losses: arguments, dtypes, and what is refused."""

from __future__ import annotations

import inspect

import pytest
import torch
from monai.losses import DiceLoss
from torch import nn

from objectwise.compat.instance_loss import ICILoss, InstanceCenterLoss, InstanceLoss, dICILoss
from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from tests.compat.instances import DICE, HAND, LOSSES
from tests.losses.instances.problems import scene, values_of

FIRST = (
    *("loss_function_pixel", "loss_function_instance", "loss_function_center", "activation", "num_out_chn"),
    *("object_chn", "spatial_dims", "reduce_segmentation", "instance_wise_reduce", "num_iterations"),
)

LAST = (*("instance_wise_loss_no_tp", "rate_instead_number", "weighted_instance_wise", "weighted_fdr"),)


@pytest.mark.parametrize("loss", LOSSES)
def test_arguments_and_defaults_are_the_published_ones(loss):
    middle = ("segmentation_threshold", "max_cc_out", "mul_too_many", "min_instance_size", "centroid_offset")
    if loss is InstanceLoss:
        middle = (
            "max_cc_out",
            "min_instance_size",
            "segmentation_threshold",
            "centroid_offset",
            "mul_too_many",
        )
    parameters = inspect.signature(loss).parameters
    assert tuple(parameters) == (*FIRST, *middle, "smoother", *LAST)
    published = {
        **{"activation": "sigmoid", "num_out_chn": 1, "object_chn": 1, "spatial_dims": 3},
        **{"reduce_segmentation": "mean", "instance_wise_reduce": "instance", "num_iterations": 350},
        **{"segmentation_threshold": 0.5, "max_cc_out": 50, "mul_too_many": 50, "min_instance_size": 0},
        **{"centroid_offset": 5, "smoother": 1e-7, "instance_wise_loss_no_tp": True},
        **{"rate_instead_number": False, "weighted_instance_wise": False, "weighted_fdr": False},
    }
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert {
        name: value for name, value in defaults.items() if value is not inspect.Parameter.empty
    } == published
    assert list(inspect.signature(loss.forward).parameters)[1:] == ["outputs", "labels", "cc_label_batch"]


def test_arguments_may_be_given_in_their_published_places():
    logits, target = scene()
    by_place = InstanceLoss(*DICE, "none", 1, 1, 2, "sum", "data", 350, 7, 1, 0.7, 2, 9, 1e-7, False, True)
    by_name = InstanceLoss(
        *DICE,
        activation="none",
        spatial_dims=2,
        reduce_segmentation="sum",
        instance_wise_reduce="data",
        max_cc_out=7,
        min_instance_size=1,
        segmentation_threshold=0.7,
        centroid_offset=2,
        mul_too_many=9,
        instance_wise_loss_no_tp=False,
        rate_instead_number=True,
    )
    assert repr(by_place) == repr(by_name)
    assert (
        values_of(by_place(logits.sigmoid(), target)).tolist()
        == values_of(by_name(logits.sigmoid(), target)).tolist()
    )


def test_terms_come_in_the_published_order():
    fields = {loss: loss._terms._fields for loss in LOSSES}
    instance = ("pixel", "label_instances", "output_instances", "center", "false", "missed")
    assert fields[InstanceLoss] == (*instance, "proximity")
    assert fields[InstanceCenterLoss] == instance
    assert fields[ICILoss] == ("pixel", "label_instances", "center", "fdr", "false", "missed")
    assert fields[dICILoss] == (*instance[:4], "fdr", *instance[4:])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(loss, dtype):
    logits, target = scene(torch.float32)
    terms = loss(*DICE, spatial_dims=2)(logits.to(dtype), target)
    assert {term.dtype for term in terms} == {torch.float32}
    torch.testing.assert_close(terms, loss(*DICE, spatial_dims=2)(logits.to(dtype).float(), target))


def test_any_dtype_of_labels_serves():
    logits, target = scene()
    terms = [
        values_of(InstanceLoss(*DICE, spatial_dims=2)(logits, target.to(dtype))).tolist()
        for dtype in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64)
    ]
    assert all(one == terms[0] for one in terms)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relu"}, "`activation` must be one of 'sigmoid', 'softmax', 'none', got 'relu'"),
        ({"loss_function_instance": "dice"}, "`loss_function_instance` must be a function of two tensors"),
        ({"num_out_chn": 0}, "`num_out_chn` must be a whole number, at least 1, got 0"),
        ({"activation": "softmax"}, "`num_out_chn` must be a whole number, at least 2, got 1"),
        ({"object_chn": 2}, "`object_chn` must be at most 1 with `num_out_chn` 1, got 2"),
        ({"num_out_chn": 4, "object_chn": 4}, "`object_chn` must be at most 3 with `num_out_chn` 4, got 4"),
        ({"object_chn": -1}, "`object_chn` must be a whole number, at least 0"),
        ({"spatial_dims": 4}, "`spatial_dims` must be 2 or 3, got 4"),
        ({"spatial_dims": True}, "`spatial_dims` must be 2 or 3, got True"),
        ({"reduce_segmentation": "max"}, "`reduce_segmentation` must be one of 'mean', 'sum'"),
        ({"instance_wise_reduce": "batch"}, "`instance_wise_reduce` must be one of 'instance', 'data'"),
        ({"num_iterations": 0}, "`num_iterations` must be a whole number, at least 1"),
        ({"segmentation_threshold": 0}, "`segmentation_threshold` must be above 0 and at most 1, got 0"),
        ({"segmentation_threshold": "0.5"}, "`segmentation_threshold` must be a number"),
        ({"max_cc_out": -1}, "`max_cc_out` must be a whole number, at least 0"),
        ({"mul_too_many": 0}, "`mul_too_many` must be positive and finite"),
        ({"min_instance_size": 0.5}, "`min_instance_size` must be a whole number"),
        ({"centroid_offset": -1}, "`centroid_offset` must be finite and not negative"),
        ({"smoother": 0.0}, "`smoother` must be positive and finite"),
        ({"rate_instead_number": "no"}, "`rate_instead_number` must be True or False, got 'no'"),
        ({"weighted_fdr": 1}, "`weighted_fdr` must be True or False, got 1"),
    ],
)
@pytest.mark.parametrize("loss", LOSSES)
def test_options_that_make_no_sense_are_refused(loss, options, message):
    losses = dict(zip(FIRST[:3], DICE, strict=True))
    with pytest.raises(ArgumentError, match=message):
        loss(**(losses | options))


P, Y = torch.full((1, 1, 3, 4), 0.5), torch.zeros(1, 1, 3, 4)


@pytest.mark.parametrize(
    ("outputs", "labels", "ids", "error", "message"),
    [
        (P.numpy(), Y, None, DtypeError, "`outputs` must be a torch.Tensor, got ndarray"),
        (P.int(), Y, None, DtypeError, "`outputs` must be floating point, got torch.int32"),
        (P.to_sparse(), Y, None, DtypeError, "`outputs` must be a dense tensor"),
        (P[0], Y, None, ShapeError, r"`outputs` must have batch, channel and `spatial_dims` \(2\) axes"),
        (P[:0], Y, None, ShapeError, "and not be empty"),
        (
            P.expand(1, 2, 3, 4),
            Y,
            None,
            ShapeError,
            r"`outputs` must have `num_out_chn` \(1\) channels, got 2",
        ),
        (P * float("nan"), Y, None, ArgumentError, "`outputs` must be finite, got nan"),
        (P + 1, Y, None, ArgumentError, "`outputs` must be in 0..1 with activation 'none', got 1.5..1.5"),
        (P, Y[..., 1:], None, ShapeError, r"`labels` must have shape \(1, 1, 3, 4\) or that of `outputs`"),
        (
            P,
            Y + 2,
            None,
            ArgumentError,
            "`labels` must hold 0 and 1 only, got 2; pass ids as `cc_label_batch`",
        ),
        (P, Y.cfloat(), None, DtypeError, "`labels` must be real, got torch.complex64"),
        (P, Y.to("meta"), None, DeviceError, "`labels` must be on the device of `outputs`"),
        (P, Y + 1, Y + 0.5, ArgumentError, "`cc_label_batch` must hold whole numbers"),
        (P, Y + 1, Y / 0, ArgumentError, "`cc_label_batch` must be finite"),
        (
            P,
            Y + 1,
            Y + 2.0**60,
            ArgumentError,
            "`cc_label_batch` must hold whole numbers, got others or too large",
        ),
        (P, Y + 1, Y.int() - 1, ArgumentError, "`cc_label_batch` must not be negative"),
        (P, Y, Y + 1, ArgumentError, "`cc_label_batch` must be 0 where `labels` is 0"),
        (P, Y, Y.bool(), DtypeError, "`cc_label_batch` must hold integer ids"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(outputs, labels, ids, error, message):
    with pytest.raises(error, match=message):
        InstanceLoss(*DICE, "none", spatial_dims=2)(outputs, labels, ids)


def test_a_loss_that_returns_no_number_is_refused():
    losses = [DiceLoss(), DiceLoss(), DiceLoss()]
    for i in range(3):
        wrong = [*losses[:i], lambda p, y: p - y, *losses[i + 1 :]]
        with pytest.raises(ArgumentError, match="a loss passed as a callable must return one number"):
            InstanceLoss(*wrong, "none", spatial_dims=2)(*HAND.values())


def test_losses_that_are_modules_belong_to_the_loss():
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, p, y):
            return self.weight * (p - y).abs().mean()

    loss = InstanceCenterLoss(Weighted(), Weighted(), Weighted(), "none", spatial_dims=2)
    assert len(list(loss.parameters())) == 3
    sum(loss(HAND["outputs"].float(), HAND["labels"])).backward()
    assert all(parameter.grad is not None for parameter in loss.parameters())
