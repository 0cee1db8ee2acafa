"""Losses of sums over segments, and the sums themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.losses import DiceLoss, TverskyLoss

from objectwise.errors import ArgumentError
from objectwise.losses.instances import cell_sums as module
from objectwise.losses.instances.cell_sums import SLAB, cell_sums
from objectwise.losses.instances.segment_loss import SegmentLoss, SegmentSums, empty_loss


def sums_of(p, y):
    """The sums of one segment."""
    cross_entropy = torch.nn.functional.binary_cross_entropy(p, y, reduction="sum")
    voxels = torch.tensor(float(p.numel()), dtype=p.dtype)
    return SegmentSums(*(value[None] for value in ((p * y).sum(), p.sum(), y.sum(), voxels, cross_entropy)))


def segment(seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random((1, 1, 6, 7))), torch.from_numpy(
        (rng.random((1, 1, 6, 7)) < 0.4) * 1.0
    )


def test_ratios_are_those_of_monai():
    p, y = segment()
    for ours, theirs in (
        (SegmentLoss("dice"), DiceLoss()),
        (SegmentLoss("dice", smooth=0.5), DiceLoss(smooth_nr=0.5, smooth_dr=0.5)),
        (SegmentLoss("jaccard"), DiceLoss(jaccard=True, smooth_nr=2e-5, smooth_dr=2e-5)),
        (SegmentLoss("tversky"), TverskyLoss(alpha=0.3, beta=0.7)),
        (SegmentLoss("tversky", alpha=0.9, beta=0.2), TverskyLoss(alpha=0.9, beta=0.2)),
    ):
        torch.testing.assert_close(ours(sums_of(p, y))[0], theirs(p, y), rtol=1e-6, atol=0)


def test_cross_entropy_is_the_mean_over_the_segment():
    p, y = segment()
    truth = torch.nn.functional.binary_cross_entropy(p, y)
    torch.testing.assert_close(SegmentLoss("cross_entropy")(sums_of(p, y))[0], truth)
    both = SegmentLoss("dice_cross_entropy")(sums_of(p, y))[0]
    torch.testing.assert_close(both, truth + SegmentLoss("dice")(sums_of(p, y))[0])


def test_focal_tversky_is_a_power_of_tversky():
    p, y = segment()
    plain, focal = (SegmentLoss(kind)(sums_of(p, y)) for kind in ("tversky", "focal_tversky"))
    torch.testing.assert_close(focal, plain**0.75)
    torch.testing.assert_close(SegmentLoss("focal_tversky", gamma=1.0)(sums_of(p, y)), plain)


@pytest.mark.parametrize("kind", ["dice", "jaccard", "tversky", "focal_tversky"])
def test_a_right_prediction_costs_nothing_and_pulls_nowhere(kind):
    _, y = segment()
    p = y.clone().requires_grad_()
    loss = SegmentLoss(kind)(sums_of(p, y))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-11)
    assert torch.isfinite(p.grad).all()


def test_empty_losses_pull_down_where_dice_does_not():
    p = torch.full((1, 1, 5, 5), 0.9, dtype=torch.float64, requires_grad=True)
    y = torch.zeros_like(p)
    for loss, least in (
        (lambda s: empty_loss(s, "cross_entropy"), 0.1),
        (lambda s: empty_loss(s, "tversky"), 0.01),
    ):
        (gradient,) = torch.autograd.grad(loss(sums_of(p, y)), p)
        assert (gradient > least).all()
    (gradient,) = torch.autograd.grad(SegmentLoss("dice")(sums_of(p, y)), p)
    assert (gradient < 1e-6).all()
    np.testing.assert_allclose(empty_loss(sums_of(p, y), "tversky").item(), 0.9 / 1.9)
    np.testing.assert_allclose(empty_loss(sums_of(p, y), "cross_entropy").item(), -np.log(0.1))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (SegmentLoss("iou"), "`instance_loss` must be one of"),
        (SegmentLoss("dice", alpha=0.5), "`alpha` has no effect with `instance_loss` 'dice'"),
        (SegmentLoss("tversky", gamma=2.0), "`gamma` has no effect"),
        (SegmentLoss("tversky", beta=-0.1), "`beta` must be finite and at least 0"),
        (SegmentLoss("focal_tversky", gamma=0.5), "`gamma` must be finite and at least 1"),
        (SegmentLoss("cross_entropy", smooth=1.0), "`smooth` has no effect"),
        (SegmentLoss("dice", smooth=0.0), "`smooth` must be positive and finite"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(loss, message):
    with pytest.raises(ArgumentError, match=message):
        loss.check()


@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_cell_sums_are_sums_over_masks(seed, from_logits, logarithms):
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(
        rng.normal(0, 3, 40) if from_logits else rng.uniform(0.01, 0.99, 40)
    ).requires_grad_()
    cells = torch.from_numpy(rng.integers(-1, 4, 40).astype(np.int32))
    sums = cell_sums(values, cells, 5, from_logits=from_logits, logarithms=logarithms)
    p = values.sigmoid() if from_logits else values
    columns = [p, -p.log(), -(1 - p).log()] if logarithms else [p, p * p.detach(), 0 * p]
    truth = torch.stack(
        [torch.stack([column[cells == cell].sum() for column in columns]) for cell in range(5)]
    )
    torch.testing.assert_close(sums.table, truth)
    weights = torch.from_numpy(rng.normal(size=(5, 3)))
    gradients = [torch.autograd.grad((table * weights).sum(), values)[0] for table in (sums.table, truth)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


def test_cell_sums_of_many_slabs_are_exact_in_single_precision():
    n = 3 * SLAB + 17
    values = torch.full((n,), 0.1, dtype=torch.float32, requires_grad=True)
    cells = torch.zeros(n, dtype=torch.int32)
    cells[1::2] = 1
    sums = cell_sums(values, cells, 2, from_logits=False)
    exact = values[0].item() * torch.tensor([(n + 1) // 2, n // 2], dtype=torch.float64)
    torch.testing.assert_close(sums.probability, exact, rtol=1e-12, atol=0)
    sums.probability[1].backward()
    assert torch.equal(values.grad, cells.float())


@pytest.mark.parametrize("logarithms", [False, True])
@pytest.mark.parametrize("from_logits", [False, True])
def test_operations_of_other_devices_agree_with_the_kernels(from_logits, logarithms, monkeypatch):
    rng = np.random.default_rng(0)
    values = torch.from_numpy(
        rng.normal(0, 3, 400) if from_logits else rng.uniform(0, 1, 400)
    ).requires_grad_()
    cells = torch.from_numpy(rng.integers(-1, 9, 400).astype(np.int32))
    members, groups = (torch.from_numpy(rng.integers(0, n, 30)) for n in (9, 5))
    weights = torch.from_numpy(rng.normal(size=(6, 9)))
    answers = []
    for devices in ("cpu", "none"):
        monkeypatch.setattr(module, "WITH_KERNELS", devices)
        sums = cell_sums(values, cells, 9, from_logits=from_logits, logarithms=logarithms)
        columns = torch.cat([torch.stack(three) for three in sums.grouped(members, groups, (2, 3))], 1)
        total = (sums.table * weights[0, :, None]).sum() + (columns * weights[1:4, :5]).sum()
        answers.append((sums.table, columns, *torch.autograd.grad(total, values)))
    torch.testing.assert_close(*answers)


@pytest.mark.parametrize("level", [-200.0, 200.0])
def test_saturated_logits_have_finite_sums_and_gradients(level):
    values = torch.full((4,), level, requires_grad=True)
    sums = cell_sums(values, torch.zeros(4, dtype=torch.int32), 1, from_logits=True)
    sums.table.sum().backward()
    assert torch.isfinite(sums.table).all()
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_saturated_probabilities_have_finite_sums_and_gradients(level):
    values = torch.full((4,), level, requires_grad=True)
    sums = cell_sums(values, torch.zeros(4, dtype=torch.int32), 1, from_logits=False)
    sums.table.sum().backward()
    assert sums.table.max() == 400
    assert torch.isfinite(values.grad).all()
