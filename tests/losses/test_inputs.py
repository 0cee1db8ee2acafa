"""Checks that look at the values of tensors."""

from __future__ import annotations

import pytest
import torch

from objectwise.errors import ArgumentError, DtypeError
from objectwise.losses.inputs import FLOATS, check_finite_tensor, check_tensor, is_true, on_plain

BAD = (float("nan"), float("inf"), float("-inf"))


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_value_that_is_not_finite_is_named_with_its_place(value, dtype):
    values = torch.zeros(2, 3, dtype=dtype)
    check_finite_tensor(values, name="prediction")
    values[1, 2] = value
    with pytest.raises(ArgumentError, match=rf"`prediction` must be finite, got {value} at \(1, 2\)"):
        check_finite_tensor(values, name="prediction")


def test_values_that_do_not_count_may_be_anything():
    values = torch.zeros(2, 3)
    values[1] = float("nan")
    check_finite_tensor(values, name="prediction", counts=torch.tensor([[True], [False]]))
    with pytest.raises(ArgumentError, match=r"got nan at \(1, 0\)"):
        check_finite_tensor(values, name="prediction", counts=torch.tensor([[False], [True]]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_values_whose_sum_is_too_large_are_finite(dtype):
    check_finite_tensor(torch.full((10,), torch.finfo(dtype).max, dtype=dtype), name="prediction")
    check_finite_tensor(torch.full((10,), torch.finfo(dtype).min, dtype=dtype), name="prediction")


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_a_sparse_tensor_is_refused(layout):
    with pytest.raises(DtypeError, match=rf"`target` must be a dense .* {layout}; pass target\.to_dense\(\)"):
        check_tensor(torch.eye(3).to_sparse(layout=layout), name="target")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused():
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=torch.jagged)
    with pytest.raises(DtypeError, match="`target` must be a dense tensor, got a nested tensor; pass"):
        check_tensor(nested, name="target")


def doubled_on_the_host(values):
    return torch.from_numpy(values.numpy() * 2)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_work_on_values_is_a_constant_for_every_kind_of_gradient():
    values = torch.tensor([1.0, 2.0])

    def weighted(x):
        return (x * on_plain(doubled_on_the_host, x.detach())).sum()

    assert torch.func.grad(weighted)(values).tolist() == [2, 4]
    assert [one.item() for one in torch.func.jvp(weighted, (values,), (values,))] == [10, 10]
    leaf = values.clone().requires_grad_()
    weighted(leaf).backward()
    assert leaf.grad.tolist() == [2, 4]


@pytest.mark.parametrize("work", [lambda x: on_plain(torch.sum, x), lambda x: is_true(x.sum() > 0)])
def test_values_that_vmap_hides_are_refused(work):
    with pytest.raises(ArgumentError, match=r"`prediction` must have values .* torch\.func\.vmap; pass the"):
        torch.func.vmap(work)(torch.zeros(2, 3))
