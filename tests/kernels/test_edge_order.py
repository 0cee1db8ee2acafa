"""Keys that order affinities, and the sort by them, against Python's stable sort."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from objectwise.kernels.edge_order import KEY_BITS, order_keys, sort_by_key, strongest_first

EXTREMES = {
    dtype: [0.0, -0.0, 1.0, float(np.nextafter(dtype(1), dtype(0))), *(s * float(v) for s in (1, -1) for v in (
        np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal))]
    for dtype in (np.float32, np.float64)
}  # fmt: skip


def values(dtype):
    width = np.finfo(dtype).bits
    any_finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return npst.arrays(dtype, st.integers(0, 30), elements=st.sampled_from(EXTREMES[dtype]) | any_finite)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_keys_ascend_where_affinities_descend_and_tie_where_they_tie(dtype, data):
    affinities = data.draw(values(dtype))
    keys = order_keys(affinities)
    assert keys.dtype == np.uint32
    assert (keys > 0).all()
    np.testing.assert_array_equal(keys[:, None] < keys, affinities[:, None] > affinities)
    np.testing.assert_array_equal(keys[:, None] == keys, affinities[:, None] == affinities)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keys_of_a_view_keep_its_shape_and_order(dtype):
    affinities = (
        np.random.default_rng(0).normal(size=(3, 4, 5)).astype(dtype)[:, ::-1, ::2].transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(order_keys(affinities), order_keys(np.ascontiguousarray(affinities)))
    assert order_keys(affinities).flags.c_contiguous


keys = (
    st.integers(0, 3) | st.integers(0, 2**32 - 1) | st.integers(0, 2**10 - 1).map(lambda digit: digit << 22)
)


@given(st.lists(keys, max_size=60), st.integers(0, 2**32 - 61))
def test_sort_is_the_stable_sort_by_the_upper_bits(upper, payload):
    # Payloads descend, so a sort by the whole word would not do.
    words = [(key << KEY_BITS) | (payload + 60 - i) for i, key in enumerate(upper)]
    ordered = sort_by_key(np.array(words, np.uint64))
    assert ordered.tolist() == sorted(words, key=lambda word: word >> KEY_BITS)


@pytest.mark.parametrize("shared", [0, 11, 22])
def test_sort_of_many_words_that_share_a_digit(shared):
    rng = np.random.default_rng(shared)
    upper = rng.integers(0, 2**32, 5000, np.uint64) & ~np.uint64(2047 << shared) | np.uint64(5 << shared)
    words = (upper << np.uint64(KEY_BITS)) | np.arange(5000, dtype=np.uint64)
    np.testing.assert_array_equal(sort_by_key(words.copy()), words[np.argsort(upper, kind="stable")])


@pytest.mark.parametrize("most_packed", [0, 2**KEY_BITS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_places_are_sorted_alike_whether_they_fit_beside_a_key_or_not(dtype, most_packed, data):
    strengths = data.draw(values(dtype))
    expected = sorted(range(strengths.size), key=lambda i: -strengths[i])
    assert strongest_first(strengths, most_packed).tolist() == expected


def test_a_place_beyond_32_bits_would_change_the_key_beside_it():
    # Why `strongest_first` stops packing there.
    assert (np.uint64(4) << np.uint64(KEY_BITS)) | np.uint64(2**KEY_BITS + 7) == (5 << KEY_BITS) | 7
    assert inspect.signature(strongest_first).parameters["most_packed"].default == 2**KEY_BITS
