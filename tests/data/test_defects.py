"""Defects of sections."""

from __future__ import annotations

import numpy as np
import pytest

from objectwise.data.defects import PROBABILITIES, Defects
from objectwise.errors import ArgumentError


def patch(seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (2, 6, 24, 30)).astype(np.float32)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_certain_defect_changes_every_section_and_keeps_range_and_dtype(name):
    raw = patch()
    damaged = Defects(**{name: 1.0})(raw, np.random.default_rng(1))
    assert damaged.dtype == np.float32
    assert 0 <= damaged.min() <= damaged.max() <= 1
    assert all((damaged[:, z] != raw[:, z]).any() for z in range(raw.shape[1]))
    np.testing.assert_array_equal(raw, patch())


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_defect_of_no_probability_never_occurs(name):
    raw = patch()
    others = dict.fromkeys(PROBABILITIES, 0.0)
    np.testing.assert_array_equal(Defects(**others)(raw, np.random.default_rng(1)), raw)
    assert Defects(**others).are_none
    assert not Defects(**{name: 0.1}).are_none


def test_defects_do_what_their_names_say():
    raw = patch()

    def with_(**options):
        return Defects(**options)(raw, np.random.default_rng(3))

    low = with_(low_contrast=1.0, contrast=0.25)
    np.testing.assert_allclose(low.std((2, 3)), 0.25 * raw.std((2, 3)), rtol=1e-4)
    np.testing.assert_allclose(low.mean((2, 3)), raw.mean((2, 3)), rtol=1e-4)
    assert (with_(blurred=1.0).std((2, 3)) < 0.6 * raw.std((2, 3))).all()
    blot = with_(artefact=1.0)
    assert ((blot == 0) | (blot > 0.9) | (np.abs(blot - raw) < 0.8)).all()
    assert (np.abs(blot - raw).max((0, 2, 3)) > 0.1).all()


def test_a_larger_magnitude_has_more_effect():
    raw = patch()
    small, large = (Defects(blurred=1.0, blur=blur)(raw, np.random.default_rng(0)) for blur in (0.5, 4))
    assert large.std() < small.std()
    ramp = np.broadcast_to(np.linspace(0, 1, 30, dtype=np.float32), raw.shape).copy()
    near, far = (Defects(shifted=1.0, shift=s)(ramp, np.random.default_rng(0)) for s in (0.5, 6.0))
    assert np.abs(far - ramp).mean() > 3 * np.abs(near - ramp).mean()


def test_equal_generators_give_equal_defects_and_sections_do_not_depend_on_each_other():
    defects = Defects(artefact=0.3, blurred=0.3)
    raw = patch()
    first, second = (defects(raw, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    changed = raw.copy()
    changed[:, 0] = 0.5
    np.testing.assert_array_equal(defects(changed, np.random.default_rng(5))[:, 1:], first[:, 1:])


@pytest.mark.parametrize(
    "options",
    [
        {"artefact": 1.5},
        {"shifted": -0.1},
        {"blurred": "often"},
        {"contrast": 2},
        {"shift": 0},
        {"blur": -1.0},
    ],
)
def test_bad_options_are_refused_by_name(options):
    (name,) = options
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        Defects(**options)
