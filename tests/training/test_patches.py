from __future__ import annotations

from itertools import chain

import pytest

from objectwise.training.patches import StepSampler


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_every_patch_number_without_overlap(world_size):
    shares = [
        list(StepSampler(steps=5, batch_size=2, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert sorted(chain(*shares)) == list(range(5 * 2 * world_size))
    # The ranks of one step have the step's numbers between them.
    assert sorted(chain(*(share[2:4] for share in shares))) == list(range(2 * world_size, 4 * world_size))


def test_resumed_sampler_goes_on_with_the_next_number():
    whole = list(StepSampler(steps=7, batch_size=3, rank=1, world_size=2))
    resumed = StepSampler(steps=7, batch_size=3, first_step=4, rank=1, world_size=2)
    assert list(resumed) == whole[12:]
    assert len(resumed) == 9


@pytest.mark.parametrize("accumulate", [1, 3])
def test_steps_of_several_batches_use_every_number_once(accumulate):
    shares = [
        list(StepSampler(steps=4, batch_size=2, accumulate=accumulate, rank=rank, world_size=2))
        for rank in range(2)
    ]
    assert sorted(chain(*shares)) == list(range(4 * 2 * 2 * accumulate))
    # Those of a step are its own, in whatever batches they come.
    first = 2 * accumulate
    assert sorted(chain(*(share[:first] for share in shares))) == list(range(2 * first))


def test_resumed_sampler_of_several_batches_goes_on_at_a_whole_step():
    options = {"steps": 5, "batch_size": 2, "accumulate": 3, "rank": 1, "world_size": 2}
    resumed = StepSampler(first_step=2, **options)
    assert list(resumed) == list(StepSampler(**options))[12:]
    assert len(resumed) == 18
