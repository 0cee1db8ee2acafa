"""The task of affinities: how its objects are scored."""

from __future__ import annotations

import numpy as np

from objectwise.tasks import AffinityTask, Comparison, Truth


def test_objects_are_counted_beside_the_pairs():
    ids = np.zeros((2, 4, 9), int)
    ids[:, :, :3], ids[:, :, 4:] = 1, 2
    cut = ids.copy()
    cut[:, :, 6:] = 3
    task = AffinityTask([[-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    scored = task.compare(Truth(ids), cut, Comparison(3, (1.0, 1.0, 1.0)))
    # Of two true and three predicted objects two pairs have an IoU above 1/2, and a Dice above 0.7.
    assert scored.content["detection"] == {"f1": 0.8, "object_score": 0.8}
    assert scored.units[0]["f1"] == 0.8
    assert set(scored.units[0]) == set(task.scores)
    pairs = task.compare(Truth(ids), cut, Comparison(3, (1.0, 1.0, 1.0), only="voi_split"))
    assert pairs.units[0] == scored.content["scores"]
