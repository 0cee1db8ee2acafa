"""Options that are numbers, of all losses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from objectwise import losses, maps
from objectwise.errors import ArgumentError
from objectwise.graph import Neighborhood

NEIGHBORHOOD = Neighborhood.nearest(2)
OPTIONS = [
    (losses.ActiveContourLoss, "length_weight"),
    (losses.HausdorffDTLoss, "alpha"),
    (losses.SoftDiceLoss, "smooth"),
    (losses.SoftmaxFocalLoss, "gamma"),
    (partial(losses.MalisLoss, NEIGHBORHOOD), "positive_weight"),
    (partial(losses.MaximinPairLoss, NEIGHBORHOOD), "same_fraction"),
    (partial(maps.hausdorff_map, np.eye(3, dtype=int), 2), "alpha"),
    (partial(losses.MalisLoss, NEIGHBORHOOD, edge_loss="squared_hinge"), "margin"),
    (losses.InstanceLoss, "threshold"),
]


@pytest.mark.parametrize("value", ["2", [1], True, b"1"])
@pytest.mark.parametrize(("make", "option"), OPTIONS)
def test_a_number_must_be_one(make, option, value):
    with pytest.raises(ArgumentError, match=rf"`{option}` must be a number, got "):
        make(**{option: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
@pytest.mark.parametrize(("make", "option"), OPTIONS)
def test_a_number_must_lie_in_its_range(make, option, value):
    with pytest.raises(ArgumentError, match=f"`{option}` must .*, got "):
        make(**{option: value})
