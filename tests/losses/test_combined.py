from __future__ import annotations

import io

import pytest
import torch

from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood
from objectwise.losses import (
    BoundaryLoss,
    CombinedLoss,
    Constant,
    Equal,
    Gradual,
    MalisLoss,
    MaximinPairLoss,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
)


def example():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 6, generator=generator, requires_grad=True)
    return logits, torch.randint(0, 3, (2, 1, 5, 6), generator=generator)


def compound(weights=None):
    return CombinedLoss({"dice": SoftDiceLoss(), "boundary": BoundaryLoss()}, weights)


def test_gradual_is_the_schedule_of_the_paper():
    alphas = {epoch: Gradual()(epoch)[0] for epoch in (0, 1, 37, 98, 99, 100, 150)}
    assert alphas == {0: 1, 1: 0.99, 37: 0.63, 98: 0.02, 99: 0.01, 100: 0.01, 150: 0.01}
    assert all(sum(Gradual()(epoch)) == pytest.approx(1) for epoch in range(150))
    assert Gradual(length=10, floor=0.2)(7) == pytest.approx((0.3, 0.7))
    assert Gradual(length=10, floor=0.2)(9) == pytest.approx((0.2, 0.8))


def test_loss_is_the_weighted_sum_of_its_terms():
    logits, labels = example()
    terms = compound().terms(logits, labels)
    assert list(terms) == ["dice", "boundary"]
    torch.testing.assert_close(terms["dice"], SoftDiceLoss()(logits, labels))
    for weights, expected in (
        (None, terms["dice"] + terms["boundary"]),
        ((0.25, 3), 0.25 * terms["dice"] + 3 * terms["boundary"]),
        (Gradual(), terms["dice"]),
        (lambda position: (0, 2 + position), 2 * terms["boundary"]),
    ):
        torch.testing.assert_close(compound(weights)(logits, labels), expected)


def test_step_moves_the_schedule_and_a_checkpoint_restores_it():
    logits, labels = example()
    loss = compound(Gradual())
    for _ in range(37):
        loss.step()
    assert loss.weights == {"dice": pytest.approx(0.63), "boundary": pytest.approx(0.37)}
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    restored = compound(Gradual())
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert restored.position == 37
    assert torch.equal(restored(logits, labels), loss(logits, labels))


def test_it_is_restored_as_part_of_a_training_module():
    class Training(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = torch.nn.Conv2d(1, 3, 1)
            self.loss = compound(Gradual())

    first, second = Training(), Training()
    first.loss.step()
    second.load_state_dict(first.state_dict())
    assert second.loss.position == 1


def test_a_term_of_weight_0_is_not_computed():
    class Broken(torch.nn.Module):
        def forward(self, prediction, target):
            raise AssertionError("called")

    logits, labels = example()
    loss = CombinedLoss([SoftDiceLoss(), Broken()], [1, 0])
    torch.testing.assert_close(loss(logits, labels), SoftDiceLoss()(logits, labels))


class Recorder(torch.nn.Module):
    """A loss that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.given = None


class EdgeRecorder(Recorder):
    def forward(self, prediction, target, *, edge_mask=None, unlabelled=None):
        self.given = {"edge_mask": edge_mask, "unlabelled": unlabelled}
        return prediction.mean()


class InstanceRecorder(Recorder):
    def forward(self, prediction, target, instances=None, *, ignore=None):
        self.given = {"instances": instances, "ignore": ignore}
        return prediction.mean()


MASKS = {name: torch.ones(1) for name in ("edge_mask", "unlabelled", "ignore", "instances")}


@pytest.mark.parametrize("method", ["forward", "terms"])
def test_masks_reach_all_terms_that_take_them_and_no_others(method):
    logits, labels = example()
    first, second, third = EdgeRecorder(), EdgeRecorder(), InstanceRecorder()
    loss = CombinedLoss([first, second, third, torch.nn.CrossEntropyLoss()], (1, 1, 1, 0.5))
    getattr(loss, method)(logits, labels[:, 0], **MASKS)
    for recorder in (first, second, third):
        for name, mask in recorder.given.items():
            assert mask is MASKS[name]
    getattr(loss, method)(logits, labels[:, 0])
    for recorder in (first, second, third):
        assert set(recorder.given.values()) == {None}


class Blind(torch.nn.Module):
    """A loss that takes no masks."""

    def forward(self, prediction, target):
        return prediction.mean()


def test_masks_reach_the_terms_of_a_compound_in_a_compound():
    logits, labels = example()
    inner, other = EdgeRecorder(), EdgeRecorder()
    loss = CombinedLoss([CombinedLoss([inner]), CombinedLoss([Blind()]), other])
    loss(logits, labels, edge_mask=MASKS["edge_mask"])
    assert inner.given["edge_mask"] is other.given["edge_mask"] is MASKS["edge_mask"]
    with pytest.raises(ArgumentError, match="`ignore` must be None where no loss takes it, got a mask"):
        loss(logits, labels, ignore=MASKS["ignore"])
    with pytest.raises(ArgumentError, match="`weight_map` must be None where no loss takes a map"):
        loss(logits, labels, weight_map=logits)


def test_an_unknown_edge_has_no_gradient_in_a_compound():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 4, 5, generator=generator, requires_grad=True)
    labels = torch.randint(0, 3, (1, 4, 5), generator=generator)
    known = torch.ones(1, 2, 4, 5, dtype=torch.bool)
    known[:, :, 2] = False
    neighborhood = Neighborhood.nearest(2)
    loss = CombinedLoss([MalisLoss(neighborhood), MaximinPairLoss(neighborhood)])
    loss(logits, labels, edge_mask=known).backward()
    assert not logits.grad[:, :, 2].any()
    assert logits.grad.any()


@pytest.mark.parametrize("argument", ["edge_mask", "unlabelled", "ignore", "instances"])
@pytest.mark.parametrize("weights", [None, (1, 0)])
def test_a_mask_that_no_term_takes_is_an_error(argument, weights):
    logits, labels = example()
    with pytest.raises(ArgumentError, match=f"`{argument}` must be None where no loss takes it, got a mask"):
        CombinedLoss([Blind(), Blind()], weights)(logits, labels, **{argument: labels == 1})
    with pytest.raises(ArgumentError, match=f"`{argument}` must be None where no loss takes it, got a mask"):
        CombinedLoss([Blind(), Blind()], weights).terms(logits, labels, **{argument: labels == 1})


def test_weights_that_leave_no_term_are_refused_at_their_position():
    with pytest.raises(ArgumentError, match=r"`weights` must leave .*, got \[0\.0, 0\.0\] at position 0"):
        compound((0, 0))
    logits, labels = example()
    loss = compound(lambda position: (1 - position, 0))
    loss(logits, labels)
    loss.step()
    with pytest.raises(ArgumentError, match=r"`weights` must leave .*, got \[0\.0, 0\.0\] at position 1"):
        loss(logits, labels)


@pytest.mark.parametrize("name", ["keys", "forward", "items", "training", "_modules", "", "a.b", 3])
def test_a_name_that_a_module_dict_cannot_hold_is_refused(name):
    with pytest.raises(ArgumentError, match=rf"`losses` must have names without '\.' .*, got {name!r}"):
        CombinedLoss({name: SoftDiceLoss()})


def test_a_position_that_no_training_has_is_refused():
    loss = compound()
    with pytest.raises(ArgumentError, match="`position` must be a whole number, at least 0, got -1"):
        loss.set_extra_state(torch.tensor(-1))
    assert loss.position == 0


def test_maps_go_to_the_terms_that_take_them():
    logits, labels = example()
    loss = CombinedLoss(
        {"ce": SoftmaxCrossEntropyLoss(), "region": RegionWiseLoss(), "boundary": BoundaryLoss()}
    )
    expected = loss(logits, labels)
    made = {name: loss.losses[name].weight_map(labels, 3) for name in ("region", "boundary")}
    assert torch.equal(loss(logits, labels, weight_map=made), expected)
    assert torch.equal(loss(logits, labels, weight_map={"region": made["region"]}), expected)
    one_taker = CombinedLoss([SoftmaxCrossEntropyLoss(), RegionWiseLoss()])
    zero = one_taker(logits, labels, weight_map=torch.zeros(logits.shape))
    torch.testing.assert_close(zero, SoftmaxCrossEntropyLoss()(logits, labels))


def test_any_module_serves_as_a_term():
    logits, labels = example()
    plain = CombinedLoss([torch.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()], Constant((1, 1)))
    value = plain(logits, labels[:, 0])
    torch.testing.assert_close(value, 2 * torch.nn.functional.cross_entropy(logits, labels[:, 0]))


def test_it_shows_where_it_is():
    loss = compound(Gradual())
    loss.step()
    assert "weights=Gradual(length=100, floor=0.01), position=1" in repr(loss)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CombinedLoss([]), "`losses` must hold a loss, got none"),
        (
            lambda: CombinedLoss(SoftDiceLoss()),
            "`losses` must be a sequence or a mapping of modules, got Soft",
        ),
        (lambda: CombinedLoss([len]), "`losses` must be a sequence or a mapping of modules, got .* in '0'"),
        (
            lambda: CombinedLoss({"a.b": SoftDiceLoss()}),
            r"`losses` must have names without '\.' .*, got 'a\.b'",
        ),
        (lambda: compound(2.0), "`weights` must be a sequence of numbers or a schedule, got 2.0"),
        (lambda: compound({"dice": 1}), r"`weights` must be a sequence of numbers or a schedule, got \{"),
        (lambda: compound((1, 2, 3)), r"`weights` must have one number per loss \(2\), got 3"),
        (lambda: compound(Equal(3)), r"`weights` must have one number per loss \(2\), got 3"),
        (lambda: compound((1, float("nan"))), "`weights` must be finite"),
        (lambda: Gradual(length=0), "`length` must be 1 or more, got 0"),
        (lambda: Gradual(length=2.5), "`length` must be a whole number, at least 1, got 2.5"),
        (lambda: Gradual(length="2"), "`length` must be a number, got '2'"),
        (lambda: Gradual(floor="0"), "`floor` must be a number, got '0'"),
        (lambda: Equal(0), "`n_terms` must be a whole number, at least 1, got 0"),
        (lambda: Gradual(floor=2), r"`floor` must be in 0\.\.1, got 2"),
    ],
)
def test_bad_options_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_maps_that_no_term_takes_are_named():
    logits, labels = example()
    with pytest.raises(
        ArgumentError, match=r"`weight_map` must name losses that take a map \['boundary'\], got \['dice'\]"
    ):
        compound()(logits, labels, weight_map={"dice": logits})
    with pytest.raises(ArgumentError, match="`weight_map` must be None where no loss takes a map"):
        CombinedLoss([SoftDiceLoss()])(logits, labels, weight_map=logits)
    with pytest.raises(
        ArgumentError,
        match=r"`weight_map` must be a mapping by name where several losses take one \['0', '1'",
    ):
        CombinedLoss([RegionWiseLoss(), BoundaryLoss()])(logits, labels, weight_map=logits)
