"""How many threads the loops take, and what they leave to others."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from torch.utils.data import DataLoader

from objectwise import threads
from objectwise.data import MapDataset
from objectwise.threads import in_threads, thread_count


def test_results_come_in_order_whatever_the_number_of_threads(monkeypatch):
    for number in (1, 2, 5):
        monkeypatch.setattr(threads.numba.config, "NUMBA_NUM_THREADS", number)
        assert in_threads(lambda x: x * x, range(7)) == [0, 1, 4, 9, 16, 25, 36]
    assert in_threads(abs, []) == []


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(threads.numba.config, "NUMBA_NUM_THREADS", 2)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda x: 1 // x, [1, 0])


def test_threads_within_threads_are_one_each(monkeypatch):
    monkeypatch.setattr(threads.numba.config, "NUMBA_NUM_THREADS", 3)
    assert in_threads(lambda _: thread_count(), range(4)) == [1] * 4
    assert thread_count() == 3


def thread_counts(labels):
    """Make a map of how many threads there are."""
    return np.full(labels.shape, thread_count())


def test_a_worker_of_a_loader_has_one_thread(monkeypatch):
    monkeypatch.setattr(threads.numba.config, "NUMBA_NUM_THREADS", 3)
    pairs = [(np.zeros((2, 2)), np.eye(2, dtype=int))]
    loader = DataLoader(MapDataset(pairs, thread_counts), num_workers=1)
    assert (next(iter(loader))[2] == 1).all()
    assert (thread_counts(pairs[0][1]) == 3).all()


def test_the_number_is_that_of_numba():
    code = "from objectwise.threads import thread_count; print(thread_count())"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3"}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert shown.stdout.split() == ["3"]


@pytest.mark.parametrize(
    "call",
    [
        "maps.rectified_region_wise_map(labels[None], 2, spatial_dims=2)",
        "maps.signed_distance_map(labels[None], 2, spatial_dims=2)",
        "maps.voronoi_regions(labels)",
        "losses.CCDiceLoss()(torch.zeros(1, 1, 8, 8), torch.from_numpy(labels)[None, None])",
        "losses.malis_loss(torch.zeros(2, 2, 8, 8), torch.ones(2, 8, 8, dtype=int), graph.Neighborhood.nearest(2))",
    ],
)
def test_the_threads_of_torch_stay_what_they_are(call):
    # In a new process, for Numba's threads begin once. PyTorch heeds its own number again when first asked.
    code = (
        "import numpy as np, torch\nfrom objectwise import graph, losses, maps\ntorch.set_num_threads(1)\n"
        f"print(torch.get_num_threads())\nlabels = np.eye(8, dtype=int)\n{call}\nprint(torch.get_num_threads())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": "4"}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True
    )
    assert shown.stdout.split() == ["1", "1"], shown.stderr
