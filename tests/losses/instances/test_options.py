"""What each option of the instance losses does, and which ones are refused."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from objectwise.losses import InstanceCenterLoss, InstanceLoss, SegmentLoss
from objectwise.losses.instances.terms import InstanceCenterTerms, InstanceTerms
from tests.losses.instances.problems import busy, rows, scene

BUSY_LOGITS, BUSY_TARGET = busy()

OPTIONS = {
    "activation": "softmax",
    "pixel_loss": "jaccard",
    "instance_loss": "tversky",
    "center_loss": "cross_entropy",
    "empty_loss": "tversky",
    "threshold": 0.7,
    "connectivity": 4,
    "spacing": (5.0, 1.0),
    "minimum_size": 3,
    "max_components": {"max_components": 4, "keep": "largest"},
    "too_many": 0.5,
    "center_offset": 1.0,
    "exclude_true_positives": False,
    "rates": False,
    "over": "data",
    "reduction": "sum",
    "weights": {"pixel": 0.5},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_turned_alone_matters(option):
    value = OPTIONS[option]
    options = value if option == "max_components" else {option: value}
    plain, turned = (
        InstanceLoss()(BUSY_LOGITS, BUSY_TARGET),
        InstanceLoss(**options)(BUSY_LOGITS, BUSY_TARGET),
    )
    assert not torch.isclose(plain, turned, rtol=1e-6)


def test_numbers_are_rates_times_the_objects():
    logits, target = scene()
    rates, numbers = (InstanceLoss(rates=choice).terms(logits, target) for choice in (True, False))
    torch.testing.assert_close(numbers.false, 2 * rates.false)
    torch.testing.assert_close(numbers.missed, 3 * rates.missed)


def test_sum_over_instances_is_the_mean_times_their_number():
    logits, target = scene()
    mean, total = (InstanceLoss(reduction=choice).terms(logits, target) for choice in ("mean", "sum"))
    torch.testing.assert_close(total.label_instances, 3 * mean.label_instances)
    torch.testing.assert_close(total.output_instances, 2 * mean.output_instances)


def test_kept_components_are_the_largest_or_the_strongest():
    target = rows([[0, 0, 0, 0, 0, 0, 0, 0]])
    logits = rows([[1.0, 1.0, 1.0, -9.0, 5.0, 5.0, -9.0, 7.0]]).double()
    false = lambda **options: InstanceLoss(rates=False, **options).terms(logits, target).false  # noqa: E731
    expected = torch.sigmoid(torch.tensor([1.0, 5.0, 7.0], dtype=torch.float64))
    torch.testing.assert_close(false(max_components=1, keep="largest"), expected[0])
    torch.testing.assert_close(false(max_components=1, keep="strongest"), expected[2])
    torch.testing.assert_close(false(max_components=2, keep="largest"), expected[:2].sum())
    torch.testing.assert_close(false(max_components=3, keep="error"), expected.sum())
    with pytest.raises(
        ArgumentError, match=r"`prediction` must have at most `max_components` \(2\) components"
    ):
        false(max_components=2, keep="error")


def test_center_offset_is_measured_in_units_of_spacing():
    logits, target = scene()
    center = lambda **options: InstanceLoss(**options).terms(logits, target).center  # noqa: E731
    torch.testing.assert_close(
        center(center_offset=2.0, spacing=(2.0, 2.0)), center(center_offset=1.0), rtol=1e-12, atol=0
    )


def test_weights_of_zero_leave_terms_out():
    logits, target = scene()
    only = dict.fromkeys(InstanceTerms._fields, 0.0) | {"missed": 2.0}
    terms = InstanceLoss().terms(logits, target)
    torch.testing.assert_close(InstanceLoss(weights=only)(logits, target), 2 * terms.missed)
    torch.testing.assert_close(InstanceLoss(weights=only).terms(logits, target), terms)
    torch.testing.assert_close(InstanceLoss()(logits, target), sum(terms))


def test_center_loss_has_the_first_six_terms():
    logits, target = scene()
    terms = InstanceCenterLoss().terms(logits, target)
    assert isinstance(terms, InstanceCenterTerms)
    torch.testing.assert_close(tuple(terms), tuple(InstanceLoss().terms(logits, target))[:6])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relu"}, "`activation` must be one of"),
        ({"include_background": False}, "`include_background` has no effect with activation 'sigmoid'"),
        ({"instance_loss": "iou"}, "`instance_loss` must be one of"),
        ({"center_loss": 3}, "`center_loss` must be a name, a SegmentLoss or a function, got 3"),
        ({"empty_loss": "dice"}, "`empty_loss` must be one of 'cross_entropy', 'tversky'"),
        ({"threshold": 1.0}, "`threshold` must lie between 0 and 1, got 1.0"),
        ({"minimum_size": -1}, "`minimum_size` must be a whole number, at least 0, got -1"),
        ({"max_components": 5}, "`keep` must say which components stay"),
        (
            {"max_components": 0, "keep": "largest"},
            "`max_components` must be a whole number, at least 1, got 0",
        ),
        (
            {"max_components": 1.5, "keep": "largest"},
            "`max_components` must be a whole number, at least 1, got 1.5",
        ),
        ({"max_components": 5, "keep": "first"}, "`keep` must be one of"),
        ({"keep": "largest"}, "`keep` has no effect without `max_components`"),
        ({"threshold": "0.5"}, "`threshold` must be a number, got '0.5'"),
        ({"too_many": True}, "`too_many` must be a number, got True"),
        ({"center_offset": "3"}, "`center_offset` must be a number, got '3'"),
        ({"spacing": 2.0}, "`spacing` must have one number per spatial axis"),
        ({"spacing": (-1, 1)}, "`spacing` must be positive and finite"),
        ({"rates": "yes"}, "`rates` must be True or False, got 'yes'"),
        ({"exclude_true_positives": 3}, "`exclude_true_positives` must be True or False, got 3"),
        ({"activation": "softmax", "include_background": 1}, "`include_background` must be True or False"),
        ({"instance_loss": SegmentLoss("tversky", alpha="1")}, "`alpha` must be a number, got '1'"),
        ({"instance_loss": SegmentLoss(smooth="1")}, "`smooth` must be a number, got '1'"),
        ({"weights": [1, 2]}, r"`weights` must be a mapping of names of terms to numbers, got \[1, 2\]"),
        ({"weights": {"pixel": "1"}}, r"`weights\['pixel'\]` must be a number, got '1'"),
        ({"too_many": 0}, "`too_many` must be positive and finite, got 0"),
        ({"center_offset": -1}, "`center_offset` must be finite and not negative, got -1"),
        ({"over": "batch"}, "`over` must be one of"),
        ({"connectivity": 7}, "`connectivity` must be one of 4, 8, 6, 18, 26, got 7"),
        ({"connectivity": "8"}, "`connectivity` must be one of 4, 8, 6, 18, 26, got '8'"),
        ({"connectivity": 8.0}, "`connectivity` must be one of 4, 8, 6, 18, 26, got 8.0"),
        ({"reduction": "none"}, "`reduction` must be one of"),
        ({"weights": {"dice": 1}}, "`weights` must be one of"),
        ({"weights": {"pixel": -1}}, r"`weights\['pixel'\]` must be finite and not negative, got -1"),
        ({"weights": dict.fromkeys(InstanceTerms._fields, 0)}, "`weights` must leave at least one term"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        InstanceLoss(**options)


LOGITS, TARGET = torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4)


@pytest.mark.parametrize(
    ("prediction", "target", "more", "error", "message"),
    [
        (LOGITS.numpy(), TARGET, {}, DtypeError, "`prediction` must be a torch.Tensor, got ndarray"),
        (LOGITS.long(), TARGET, {}, DtypeError, "`prediction` must be floating point, got torch.int64"),
        (LOGITS[0], TARGET[0], {}, ShapeError, r"`prediction` must have shape \(n, c, y, x\)"),
        (LOGITS[:0], TARGET[:0], {}, ShapeError, "`prediction` must have shape .* and not be empty"),
        (
            LOGITS,
            TARGET[..., :3],
            {},
            ShapeError,
            "`target` must have the shape .*; every channel has its own",
        ),
        (LOGITS, TARGET + 0.5, {}, ArgumentError, "`target` must hold 0 and 1 only, got 0.5"),
        (LOGITS, TARGET.long() + 2, {}, ArgumentError, "`target` must hold 0 and 1 only, got 2"),
        (LOGITS, TARGET.cfloat(), {}, DtypeError, "`target` must be bool, integer or floating point"),
        (LOGITS * float("nan"), TARGET, {}, ArgumentError, "`prediction` must be finite, got nan"),
        (LOGITS, TARGET.to("meta"), {}, DeviceError, "`target` must be on the device of `prediction`"),
        (LOGITS, TARGET, {"instances": TARGET}, DtypeError, "`instances` must be a tensor of integer ids"),
        (LOGITS, TARGET, {"instances": TARGET.int()[..., 1:]}, ShapeError, "`instances` must have the shape"),
        (
            LOGITS,
            TARGET,
            {"instances": TARGET.int() + 1},
            ArgumentError,
            "`instances` must be positive exactly where",
        ),
        (LOGITS, TARGET, {"instances": -TARGET.int() - 1}, ArgumentError, "`instances` must not be negative"),
        (LOGITS, TARGET, {"ignore": TARGET}, DtypeError, "`ignore` must be a bool tensor"),
        (LOGITS, TARGET, {"ignore": TARGET.bool()[:, :, 1:]}, ShapeError, "`ignore` must have the shape"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(prediction, target, more, error, message):
    with pytest.raises(error, match=message):
        InstanceLoss()(prediction, target, **more)


def test_inputs_that_do_not_fit_the_options_are_refused():
    with pytest.raises(ArgumentError, match=r"`prediction` must be in 0..1 with activation 'none', got 2..2"):
        InstanceLoss(activation="none")(LOGITS + 2, TARGET)
    with pytest.raises(
        ShapeError, match="`prediction` must have at least 2 channels for activation 'softmax'"
    ):
        InstanceLoss(activation="softmax")(LOGITS, TARGET)
    with pytest.raises(ShapeError, match="`spacing` must have one number per spatial axis"):
        InstanceLoss(spacing=(1, 1, 1))(LOGITS, TARGET)
    with pytest.raises(ArgumentError, match="`connectivity` must be one of 4, 8 in 2-D, got 26"):
        InstanceLoss(connectivity=26)(LOGITS, TARGET)
    with pytest.raises(ArgumentError, match="a loss passed as a callable must return one number"):
        InstanceLoss(pixel_loss=lambda p, y: p - y)(LOGITS, TARGET)
