"""Scores during a training, the best network, and that a kill changes neither."""

from __future__ import annotations

import math

import pytest
import torch

from objectwise.curves import read_metrics
from objectwise.errors import ArgumentError, CheckpointError, DivergenceError
from objectwise.networks import load_network
from objectwise.training import Validation, train
from objectwise.training.checkpoints import AtomicCheckpointIO
from tests.training.test_options import Watch
from tests.training.test_train import InterruptAt, SpoilAt, weights
from tests.training.toys import toy_config, two_objects


def head_bias(network):
    """A score that rises and falls in a training of the toy, and follows from the weights alone."""
    assert not network.training
    with torch.no_grad():
        logits = network(torch.linspace(0, 1, 64).reshape(1, 1, 8, 8))
    return {"error": float((logits.mean() * 1000 - 40).abs()), "logit": float(logits.mean())}


LEAST = Validation(head_bias, "error", higher_is_better=False)
MOST = Validation(head_bias, "logit", higher_is_better=True)


def config(**options):
    one = {"raw": "toy.h5:raw", "labels": "toy.h5:labels"}
    data = {"train": [{"name": "toy", **one}], "tune": [{"name": "tune", **one}]}
    return toy_config(top={"data": data}, **{"validation": {"every": 1}, "learning_rate": 0.02, **options})


@pytest.mark.parametrize("validate", [LEAST, MOST], ids=["least", "most"])
def test_best_network_is_the_one_of_the_best_row(tmp_path, validate):
    watch = Watch()
    train(config(), [two_objects()], tmp_path, validate=validate, callbacks=[watch])
    rows = read_metrics(tmp_path / "validation.csv")
    assert [row["step"] for row in rows] == list(range(1, 8))
    assert set(rows[0]) == {"step", "error", "logit"}
    scores = [row[validate.score] for row in rows]
    best = scores.index(max(scores) if validate.higher_is_better else min(scores))
    kept = weights(tmp_path / "best.pt")
    assert all(torch.equal(kept[name], watch.weights[best][name]) for name in kept)
    network = load_network(tmp_path / "best.pt")
    assert network.record == load_network(tmp_path / "network.pt").record
    assert head_bias(network)[validate.score] == pytest.approx(scores[best], rel=1e-6)


@pytest.mark.parametrize(("every", "steps"), [(3, [3, 6, 7]), (7, [7])])
def test_the_last_step_is_validated_too(tmp_path, every, steps):
    train(config(validation={"every": every}), [two_objects()], tmp_path, validate=LEAST)
    assert [row["step"] for row in read_metrics(tmp_path / "validation.csv")] == steps


@pytest.mark.parametrize("options", [{}, {"average_weights": 0.5, "accumulate": 2}], ids=["plain", "mean"])
def test_killed_and_resumed_training_has_the_same_rows_and_the_same_best(tmp_path, options):
    for name, kills in (("whole", ()), ("killed", (2, 5, 6, 7))):
        for step in kills:
            with pytest.raises(KeyboardInterrupt):
                train(
                    config(**options), [two_objects()], tmp_path / name,
                    validate=LEAST, callbacks=[InterruptAt(step)],
                )  # fmt: skip
        train(config(**options), [two_objects()], tmp_path / name, validate=LEAST)
    for file in ("validation.csv", "best.pt", "network.pt"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_best_of_a_life_that_was_lost_is_put_back(tmp_path):
    train(config(), [two_objects()], tmp_path / "whole", validate=LEAST)
    with pytest.raises(KeyboardInterrupt):  # after the checkpoint of step 3
        train(config(), [two_objects()], tmp_path, validate=LEAST, callbacks=[InterruptAt(5)])
    (tmp_path / "best.pt").write_bytes(b"of a step that is trained again")
    train(config(), [two_objects()], tmp_path, validate=LEAST)
    assert (tmp_path / "best.pt").read_bytes() == (tmp_path / "whole" / "best.pt").read_bytes()
    # Nothing is left to train, and both networks are lost.
    for name in ("best.pt", "network.pt"):
        (tmp_path / name).unlink()
    train(config(), [two_objects()], tmp_path, validate=LEAST)
    for name in ("best.pt", "network.pt"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_validation_does_not_change_the_training(tmp_path):
    plain = train(config(validation=None), [two_objects()], tmp_path / "plain")
    scored = train(config(), [two_objects()], tmp_path / "scored", validate=LEAST)
    assert plain.read_bytes() == scored.read_bytes()


def test_the_mean_of_the_weights_is_what_is_scored(tmp_path):
    train(config(average_weights=0.9), [two_objects()], tmp_path, validate=LEAST)
    last = read_metrics(tmp_path / "validation.csv")[-1]
    assert head_bias(load_network(tmp_path / "network.pt"))["error"] == pytest.approx(last["error"], rel=1e-6)


def test_scores_that_are_undefined_are_worse_than_any():
    nan = math.nan
    assert LEAST.prefers(1.0, nan)
    assert MOST.prefers(-1.0, nan)
    for validation in (LEAST, MOST):
        assert not validation.prefers(nan, 1.0)
        assert not validation.prefers(nan, nan)
        assert not validation.prefers(1.0, 1.0)
    assert LEAST.prefers(1.0, 2.0)
    assert MOST.prefers(2.0, 1.0)


def test_training_whose_scores_are_all_undefined_keeps_its_first_network(tmp_path):
    undefined = Validation(lambda network: {"f1": math.nan}, "f1", higher_is_better=True)
    train(config(), [two_objects()], tmp_path, validate=undefined)
    assert (tmp_path / "best.pt").is_file()
    assert (tmp_path / "validation.csv").read_text().splitlines()[:2] == ["step,f1", "1,"]


def test_validation_and_its_key_come_together(tmp_path):
    for options, validate in (({}, None), ({"validation": None}, LEAST)):
        with pytest.raises(ArgumentError, match=r"`validate` must be given with training\.validation"):
            train(config(**options), [two_objects()], tmp_path / "train", validate=validate)
    assert not (tmp_path / "train").exists()


def test_missing_score_is_named(tmp_path):
    other = Validation(head_bias, "f1", higher_is_better=True)
    with pytest.raises(
        ArgumentError, match=r"`validate` must return the score 'f1', got \['error', 'logit'\]"
    ):
        train(config(), [two_objects()], tmp_path, validate=other)


def test_diverged_weights_are_not_scored(tmp_path):
    with pytest.raises(DivergenceError, match="the weights are not finite"):
        train(config(), [two_objects()], tmp_path, validate=LEAST, callbacks=[SpoilAt(2)])
    assert [row["step"] for row in read_metrics(tmp_path / "validation.csv")] == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (3, "must hold step and score of the best network, got None and None"),
        ({"step": 99}, "must hold step and score of the best network, got 99"),
        ({"step": True}, "must hold step and score of the best network, got True"),
        ({"score": "high"}, "must hold step and score of the best network, got 1 and 'high'"),
        ({"weights": {}}, "it holds no weights"),
        ({"weights": {"w": torch.ones(1)}}, "are missing where they must be"),
    ],
)
def test_checkpoint_with_another_best_is_refused(tmp_path, change, message):
    with pytest.raises(KeyboardInterrupt):
        train(config(), [two_objects()], tmp_path, validate=LEAST, callbacks=[InterruptAt(5)])
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    best = content["objectwise_best"] | {"step": 1}
    content["objectwise_best"] = best | change if isinstance(change, dict) else change
    AtomicCheckpointIO().save_checkpoint(content, last)
    with pytest.raises(CheckpointError, match=message):
        train(config(), [two_objects()], tmp_path, validate=LEAST)
