"""Values at chosen places against PyTorch's own, and their gradients."""

from __future__ import annotations

import pytest
import torch

from objectwise.losses.edges.gather import values_of_edges

PLACES = torch.tensor([5, 0, 11, 5, 7])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradient_are_those_of_index_select(dtype):
    values = torch.arange(12, dtype=dtype).reshape(3, 4).requires_grad_()
    chosen = values_of_edges(values, PLACES)
    assert torch.equal(chosen, values.flatten().index_select(0, PLACES))
    (ours,) = torch.autograd.grad((chosen**2).sum(), values)
    (theirs,) = torch.autograd.grad((values.flatten().index_select(0, PLACES) ** 2).sum(), values)
    assert torch.equal(ours, theirs)


def test_chosen_values_pass_gradcheck_twice():
    values = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    function = lambda v: values_of_edges(v, PLACES) ** 3  # noqa: E731
    assert torch.autograd.gradcheck(function, values)
    assert torch.autograd.gradgradcheck(function, values)


def test_values_in_another_memory_order_are_chosen_by_their_index():
    values = torch.arange(12.0).reshape(4, 3).T.requires_grad_()
    chosen = values_of_edges(values, PLACES)
    assert torch.equal(chosen, values.reshape(-1)[PLACES])


def test_no_places_have_no_values_and_a_zero_gradient():
    values = torch.rand(2, 3, requires_grad=True)
    values_of_edges(values, torch.empty(0, dtype=torch.int64)).sum().backward()
    assert torch.equal(values.grad, torch.zeros(2, 3))
