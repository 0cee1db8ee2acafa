"""The losses against the recorded ones of jmlipman/RegionWiseLoss.

Where a class is absent, the original's BoundaryLoss reuses the map of the class before, and where one fills the
patch, its maps are distances to a voxel outside the first corner, which SciPy gives where there is no border.
Neither is copied (`docs/regions.md` says what stands there instead), so in those files the losses are compared on
the original's map.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectwise.losses import (
    BoundaryLoss,
    CombinedLoss,
    Equal,
    Gradual,
    RegionWiseLoss,
    SoftDiceLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
)
from tests.conftest import golden_cases
from tests.oracles import region_wise as oracle

LOSSES = {
    "RWLoss": RegionWiseLoss,
    "BoundaryLoss": BoundaryLoss,
    "DiceLoss": SoftDiceLoss,
    "FocalLoss": SoftmaxFocalLoss,
    "CELoss": SoftmaxCrossEntropyLoss,
}
COMPOUNDS = {
    "BoundaryEqualDiceLoss": ("DiceLoss", "BoundaryLoss", Equal()),
    "BoundaryEqualCELoss": ("CELoss", "BoundaryLoss", Equal()),
    "RWEqualDiceLoss": ("DiceLoss", "RWLoss", Equal()),
    "RWEqualCELoss": ("CELoss", "RWLoss", Equal()),
    "BoundaryDiceLoss": ("DiceLoss", "BoundaryLoss", Gradual()),
    "BoundaryGradualCELoss": ("CELoss", "BoundaryLoss", Gradual()),
    "RWGradualCELoss": ("CELoss", "RWLoss", Gradual()),
    "RWGradualDiceLoss": ("DiceLoss", "RWLoss", Gradual()),
}
CASES = golden_cases("region_*")


def published_map(name: str, golden: dict[str, np.ndarray]) -> torch.Tensor | None:
    """Return the original's map where it is none of ours, None where both are the same."""
    labels, n_classes = golden["labels"][:, 0], golden["logits"].shape[1]
    masks = oracle.masks_of(labels, n_classes)
    axes = tuple(range(2, masks.ndim))
    filled, absent = masks.all(axes).any(), (~masks).all(axes).any()
    if name.startswith("RW"):
        return torch.tensor(oracle.published_rectified_map(masks)) if filled else None
    if name.startswith("Boundary"):
        return torch.tensor(oracle.published_boundary_map(masks)) if filled or absent else None
    return None


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_those_recorded(path, name, load_golden):
    golden = load_golden(path)
    weight_map = published_map(name, golden)
    options = {} if weight_map is None else {"weight_map": weight_map}
    logits, labels = torch.tensor(golden["logits"], requires_grad=True), torch.tensor(golden["labels"])
    loss = LOSSES[name]()(logits, labels, **options)
    assert loss.item() == pytest.approx(golden[name].item(), rel=1e-9, abs=1e-12)
    loss.backward()
    np.testing.assert_allclose(logits.grad, golden[f"{name}_grad"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", COMPOUNDS)
def test_compound_is_that_recorded(path, name, load_golden):
    golden = load_golden(path)
    weight_map = published_map(name, golden)
    first, second, schedule = COMPOUNDS[name]
    loss = CombinedLoss([LOSSES[first](), LOSSES[second]()], schedule)
    logits, labels = torch.tensor(golden["logits"]), torch.tensor(golden["labels"])
    for epoch in [0] if isinstance(schedule, Equal) else [0, 37, 150]:
        while loss.position < epoch:
            loss.step()
        key = name if isinstance(schedule, Equal) else f"{name}_epoch{epoch}"
        value = loss(logits, labels, weight_map=weight_map).item()
        assert value == pytest.approx(golden[key].item(), rel=1e-9, abs=1e-12)


def test_the_recorded_files_hold_absent_and_filling_classes(load_golden):
    odd = [name for path in CASES for name in LOSSES if published_map(name, load_golden(path)) is not None]
    assert sorted(odd) == ["BoundaryLoss", "BoundaryLoss", "RWLoss"]
