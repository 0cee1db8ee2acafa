"""The losses against the recorded ones of jmlipman/RegionWiseLoss.

Not compared: where a class is absent or fills the patch, the original's BoundaryLoss reuses the map of the class
before; where one fills it, its maps are distances to a voxel outside the first corner, which SciPy gives where
there is no border. Both depend on what they should not; `docs/regions.md` says what stands there instead.
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


def comparable(name: str, golden: dict[str, np.ndarray]) -> bool:
    """Whether the original's map is one: see above."""
    classes = range(golden["logits"].shape[1])
    samples = golden["labels"]
    if "RWLoss" in name or name.startswith("RW"):
        return not any((sample == c).all() for sample in samples for c in classes)
    if name.startswith("Boundary"):
        return all((sample == c).any() and (sample != c).any() for sample in samples for c in classes)
    return True


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_those_recorded(path, name, load_golden):
    golden = load_golden(path)
    if not comparable(name, golden):
        pytest.skip("a class is absent or fills the patch: the original has no map of its own there")
    logits = torch.tensor(golden["logits"], requires_grad=True)
    loss = LOSSES[name]()(logits, torch.tensor(golden["labels"]))
    assert loss.item() == pytest.approx(golden[name].item(), rel=1e-9, abs=1e-12)
    loss.backward()
    np.testing.assert_allclose(logits.grad, golden[f"{name}_grad"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", COMPOUNDS)
def test_compound_is_that_recorded(path, name, load_golden):
    golden = load_golden(path)
    if not comparable(name, golden):
        pytest.skip("a class is absent or fills the patch: the original has no map of its own there")
    first, second, schedule = COMPOUNDS[name]
    loss = CombinedLoss([LOSSES[first](), LOSSES[second]()], schedule)
    logits, labels = torch.tensor(golden["logits"]), torch.tensor(golden["labels"])
    for epoch in [0] if isinstance(schedule, Equal) else [0, 37, 150]:
        while loss.position < epoch:
            loss.step()
        key = name if isinstance(schedule, Equal) else f"{name}_epoch{epoch}"
        assert loss(logits, labels).item() == pytest.approx(golden[key].item(), rel=1e-9, abs=1e-12)
