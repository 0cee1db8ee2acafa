"""Windows as data, and their blend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.inferers.utils import sliding_window_inference

from objectwise.errors import ShapeError
from objectwise.pipeline.windows import WindowPlan, blend

CPU = torch.device("cpu")


@given(st.data())
def test_windows_cover_the_image_and_read_inside_its_padding(data):
    ndim = data.draw(st.sampled_from([2, 3]))
    spatial, writes = (data.draw(st.tuples(*[st.integers(1, 9)] * ndim)) for _ in range(2))
    reads = tuple(size + data.draw(st.integers(0, 6)) for size in writes)
    plan = WindowPlan.of(spatial, reads, writes, data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.9])))
    covered = np.zeros(plan.written, int)
    padded = [length + low + high for length, (low, high) in zip(spatial, plan.padding, strict=True)]
    for start in plan.starts:
        covered[plan.write_box(start)] += 1
        assert all(box.stop <= length for box, length in zip(plan.read_box(start), padded, strict=True))
    assert covered.min() >= 1
    assert len(set(plan.starts)) == len(plan.starts)
    assert covered[plan.inner].shape == spatial


@pytest.mark.parametrize(
    ("spatial", "window"), [((20, 23), (8, 8)), ((5, 17, 18), (5, 8, 9)), ((9, 9, 9), (9, 9, 9))]
)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_the_blend_is_that_of_monai_to_the_bit(spatial, window, overlap):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, 1, *spatial), generator=generator)
    ramp = torch.linspace(0, 1, int(np.prod(window))).reshape(window)

    def predict(windows):
        return torch.cat([windows * ramp, (windows - ramp).abs()], 1)

    plan = WindowPlan.of(spatial, window, window, overlap)
    ours = blend(predict, images, plan, batch_size=3, device=CPU)
    theirs = sliding_window_inference(images, window, 3, predict, overlap=overlap, mode="gaussian")
    np.testing.assert_array_equal(ours, theirs.clamp(0, 1).numpy())


def test_a_network_that_writes_less_than_it_reads_gives_the_whole_image():
    image = torch.rand((1, 1, 13, 16), generator=torch.Generator().manual_seed(1))
    mean = torch.nn.AvgPool2d(5, stride=1)
    plan = WindowPlan.of((13, 16), (10, 11), (6, 7), 0.25)
    blended = blend(mean, image, plan, batch_size=2, device=CPU)
    whole = mean(torch.nn.functional.pad(image, (2, 2, 2, 2), mode="reflect"))
    np.testing.assert_allclose(blended, whole.numpy(), atol=1e-6)


def test_an_image_smaller_than_a_window_is_mirrored_and_cut_again():
    image = torch.rand((1, 1, 3, 4), generator=torch.Generator().manual_seed(2))
    plan = WindowPlan.of((3, 4), (8, 8), (8, 8), 0.25)
    np.testing.assert_allclose(
        blend(lambda x: x, image, plan, batch_size=1, device=CPU), image.numpy(), atol=1e-6
    )


def test_the_result_does_not_depend_on_the_batch_size():
    images = torch.rand((3, 1, 12, 13), generator=torch.Generator().manual_seed(3))
    plan = WindowPlan.of((12, 13), (6, 6), (6, 6), 0.5)
    first, second = (blend(lambda x: x**2, images, plan, batch_size=n, device=CPU) for n in (1, 7))
    np.testing.assert_array_equal(first, second)


def test_windows_that_write_more_than_they_read_are_refused():
    with pytest.raises(ShapeError, match="`writes` must not be larger"):
        WindowPlan.of((9, 9), (4, 4), (6, 4), 0.0)
