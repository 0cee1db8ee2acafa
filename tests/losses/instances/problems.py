"""Predictions and targets for tests of losses on instances."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

KINDS = ("dice", "jaccard", "tversky", "focal_tversky", "cross_entropy", "dice_cross_entropy")


@st.composite
def problems(draw, max_side=6):
    """Probabilities (n, c, *spatial), none of them 0, 0.5 or 1, and a bool target."""
    ndim = draw(st.integers(2, 3))
    spatial = draw(st.lists(st.integers(1, max_side), min_size=ndim, max_size=ndim))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *spatial)
    levels = draw(npst.arrays(np.int64, shape, elements=st.integers(0, 9)))
    target = draw(npst.arrays(np.bool_, shape))
    return torch.from_numpy((levels + 0.5) / 10.3), torch.from_numpy(target)


def values_of(terms):
    """The terms as an array."""
    return np.array([term.item() for term in terms])


def gradients_of(terms, prediction):
    """The gradient of every term, zeros where it has none."""
    zeros = np.zeros(prediction.shape)
    return np.stack(
        [
            torch.autograd.grad(term, prediction, retain_graph=True)[0].numpy()
            if term.requires_grad
            else zeros
            for term in terms
        ]
    )


def scene(dtype=torch.float64):
    """Logits (1, 1, 12, 16) and a target with a true object, a missed and a false one, and a merge of two.

    Objects 1 and 2 are found, partly, by one predicted component; object 3 is missed; one predicted
    component is false.
    """
    target = torch.zeros(1, 1, 12, 16, dtype=torch.bool)
    target[0, 0, 1:4, 1:4] = True
    target[0, 0, 1:4, 6:9] = True
    target[0, 0, 8:10, 2:5] = True
    logits = torch.full(target.shape, -3.0, dtype=dtype)
    logits[0, 0, 2:5, 1:8] = 2.0
    logits[0, 0, 7:10, 11:14] = 1.5
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-0.4, 0.4, tuple(target.shape)))
    return logits + noise.to(dtype), target


def rows(ids):
    """A (1, 1, *spatial) tensor from a nested list."""
    return torch.tensor(ids)[None, None]


def busy():
    """Logits and target of two volumes with two channels, with corners that touch and objects of many sizes."""
    rng = np.random.default_rng(3)
    target = torch.from_numpy(rng.random((2, 2, 14, 14)) < 0.2)
    return torch.from_numpy(rng.normal(-0.5, 2, target.shape)), target
