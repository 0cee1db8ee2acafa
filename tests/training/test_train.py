from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from objectwise.data import Normalisation, fit_normalisation
from objectwise.errors import ArgumentError, CheckpointError, DivergenceError, ShapeError
from objectwise.networks import load_network
from objectwise.training import read_metrics, train
from objectwise.training.checkpoints import AtomicCheckpointIO
from tests.training.toys import toy_config, two_objects


class InterruptAt(Callback):
    """Ctrl-C at the end of a step, before its checkpoint."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if pl_module.step == self.step:
            raise KeyboardInterrupt


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def assert_same_weights(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    directory = tmp_path_factory.mktemp("unbroken")
    train(toy_config(), [two_objects()], directory)
    return directory


def test_training_writes_its_files_and_nothing_to_the_console(tmp_path, capfd):
    path = train(toy_config(), [two_objects()], tmp_path / "train")
    assert path == tmp_path / "train" / "network.pt"
    assert (tmp_path / "train" / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "train" / "tensorboard").glob("events.*"))
    assert load_network(path).architecture["features"] == [4, 8]
    assert capfd.readouterr() == ("", "")


def test_network_carries_what_a_prediction_needs(tmp_path):
    volume = two_objects()._replace(voxel_size=(40.0, 4.0, 4.0))
    volume = volume._replace(raw=volume.raw.astype(np.uint16) * 100)
    path = train(toy_config(steps=5), [volume], tmp_path / "patch")
    record = load_network(path).record
    assert record.offsets == ((-1, 0), (0, -1))
    assert record.window_shape == (8, 8)
    assert record.voxel_size == (40.0, 4.0, 4.0)
    assert record.dimensions == 2
    fitted = fit_normalisation([volume.raw])
    assert Normalisation.from_plain(record.normalisation) == fitted
    top = {"normalisation": {"method": "zscore"}, "prediction": {"window_shape": [16, 16]}}
    record = load_network(train(toy_config(steps=5, top=top), [volume], tmp_path / "window")).record
    assert record.window_shape == (16, 16)
    assert Normalisation.from_plain(record.normalisation) == fit_normalisation([volume.raw], method="zscore")


def test_resumed_training_ends_with_the_same_bytes(tmp_path, unbroken):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    train(toy_config(), [two_objects()], tmp_path)
    assert (tmp_path / "network.pt").read_bytes() == (unbroken / "network.pt").read_bytes()


def test_another_normalisation_is_another_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    other = toy_config(top={"normalisation": {"method": "percentiles"}})
    with pytest.raises(CheckpointError, match=r"normalisation\.method"):
        train(other, [two_objects()], tmp_path)


def test_training_twice_gives_the_same_weights(tmp_path, unbroken):
    path = train(toy_config(), [two_objects()], tmp_path)
    assert_same_weights(weights(path), weights(unbroken / "network.pt"))


def test_seed_changes_the_weights(tmp_path, unbroken):
    config = toy_config().model_copy(update={"seed": 8})
    path = train(config, [two_objects()], tmp_path)
    first, second = weights(path), weights(unbroken / "network.pt")
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("step", [1, 3, 4, 6, 7])
def test_killed_and_resumed_training_ends_with_the_same_weights(tmp_path, unbroken, step):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(step)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "network.pt").exists()
    path = train(toy_config(), [two_objects()], tmp_path)
    assert_same_weights(weights(path), weights(unbroken / "network.pt"))


def test_resumed_training_logs_every_step_once(tmp_path, unbroken):
    for step in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(step)])
    train(toy_config(), [two_objects()], tmp_path)
    resumed, whole = (read_metrics(directory / "metrics.csv") for directory in (tmp_path, unbroken))
    assert [row["step"] for row in resumed] == list(range(1, 8))
    for name in ("loss", "bce", "malis", "learning_rate"):
        np.testing.assert_array_equal([row[name] for row in resumed], [row[name] for row in whole])


def test_malis_starts_after_the_warmup(unbroken):
    rows = read_metrics(unbroken / "metrics.csv")
    assert [bool(np.isnan(row["malis"])) for row in rows] == [True] * 4 + [False] * 3
    for row in rows[4:]:
        assert row["loss"] == pytest.approx(row["bce"] + row["malis"], rel=1e-5)


def test_training_killed_before_its_network_was_written_is_completed(tmp_path):
    path = train(toy_config(), [two_objects()], tmp_path)
    before = weights(path)
    path.unlink()
    assert_same_weights(before, weights(train(toy_config(), [two_objects()], tmp_path)))


def test_loading_processes_change_no_weight_even_across_a_resume(tmp_path, unbroken):
    config = toy_config(workers=1)
    with pytest.raises(KeyboardInterrupt):
        train(config, [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    assert_same_weights(weights(train(config, [two_objects()], tmp_path)), weights(unbroken / "network.pt"))


def test_damaged_checkpoint_stops_the_training_before_it_writes(tmp_path):
    train(toy_config(), [two_objects()], tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"last.ckpt must be a checkpoint"):
        train(toy_config(), [two_objects()], tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer_states": []}, "it holds no optimizer_states"),
        ({"state_dict": {"w": torch.ones(1)}}, "are missing where they must be"),
    ],
)
def test_checkpoint_that_lacks_a_part_stops_the_training_before_it_writes(tmp_path, change, message):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True) | change
    AtomicCheckpointIO().save_checkpoint(content, last)
    before = (tmp_path / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError, match=message):
        train(toy_config(), [two_objects()], tmp_path)
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_resuming_with_another_configuration_is_refused(tmp_path, unbroken):
    with pytest.raises(CheckpointError, match=r"training.learning_rate 0.001 where this has .* 0.002"):
        train(toy_config(learning_rate=0.002), [two_objects()], unbroken)


def test_fingerprint_decides_what_may_be_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, run="abc", callbacks=[InterruptAt(5)])
    with pytest.raises(CheckpointError, match="it has abc where this has def"):
        train(toy_config(), [two_objects()], tmp_path, run="def")
    train(toy_config(), [two_objects()], tmp_path, run="abc")


def test_moved_volumes_and_other_speed_are_the_same_training(tmp_path, unbroken):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    config = toy_config(checkpoint_every=2, workers=1)
    moved = config.data.train[0].model_copy(update={"raw": "moved.h5:raw"})
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": (moved,)})})
    assert_same_weights(weights(train(config, [two_objects()], tmp_path)), weights(unbroken / "network.pt"))


def test_more_devices_or_fewer_bits_are_another_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[InterruptAt(5)])
    for change in ({"precision": "bf16-mixed"}, {"devices": 2}):
        with pytest.raises(CheckpointError, match=next(iter(change))):
            train(toy_config(**change), [two_objects()], tmp_path)


def test_initial_weights_are_where_training_starts(tmp_path, unbroken):
    start = unbroken / "network.pt"
    config = toy_config(initial_weights=str(start), learning_rate=1e-12, weight_decay=0.0)
    for name, tensor in weights(train(config, [two_objects()], tmp_path)).items():
        torch.testing.assert_close(tensor, weights(start)[name], rtol=0, atol=1e-6)


def test_initial_weights_of_another_architecture_are_named(tmp_path, unbroken):
    config = toy_config(dimensions=3, initial_weights=str(unbroken / "network.pt"))
    with pytest.raises(
        CheckpointError, match=r"training.initial_weights .*network.pt must have the architecture"
    ):
        train(config, [two_objects()], tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_impossible_training_writes_nothing(tmp_path):
    with pytest.raises(ShapeError, match=r"`training.patch_shape` must have .* multiples .*\(2, 2\)"):
        train(toy_config(patch_shape=[7, 8]), [two_objects()], tmp_path / "train")
    empty = two_objects()._replace(labels=np.zeros((4, 16, 16), np.uint8))
    with pytest.raises(ArgumentError, match=r"`minimum_foreground`"):
        train(toy_config(), [empty], tmp_path / "train")
    assert not (tmp_path / "train").exists()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_loss_falls_on_two_objects(tmp_path, dimensions):
    config = toy_config(
        dimensions=dimensions,
        steps=50,
        checkpoint_every=50,
        learning_rate=0.02,
        patch_shape=[4, 16, 16][-dimensions:],
        augmentation=dict.fromkeys(("flip", "rotate", "elastic", "intensity"), 0.0),
    )
    train(config, [two_objects()], tmp_path)
    rows = read_metrics(tmp_path / "metrics.csv")[4:]
    for name, factor in (("bce", 0.8), ("malis", 0.6)):
        first, last = ([row[name] for row in rows[part]] for part in (slice(5), slice(-5, None)))
        assert np.mean(last) < factor * np.mean(first), name


def test_mixed_precision_is_a_matter_of_configuration(tmp_path):
    path = train(toy_config(precision="bf16-mixed"), [two_objects()], tmp_path)
    assert all(tensor.dtype == torch.float32 for tensor in weights(path).values())
    assert np.isfinite([row["loss"] for row in read_metrics(tmp_path / "metrics.csv")]).all()


class SpoilAt(Callback):
    """What a diverging training does to its weights."""

    def __init__(self, step, value=float("nan")):
        self.step, self.value = step, value

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if pl_module.step == self.step:
            with torch.no_grad():
                pl_module.network.head.conv.conv.bias.fill_(self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("step", "term"), [(2, "bce"), (5, "malis")])
def test_training_that_diverges_stops_with_step_term_and_advice(tmp_path, step, term, value):
    with pytest.raises(DivergenceError) as raised:
        train(toy_config(checkpoint_every=100), [two_objects()], tmp_path, callbacks=[SpoilAt(step, value)])
    assert str(raised.value) == (
        f"the training must stay finite, but it diverged in step {step + 1}: `{term}` is nan; lower "
        "training.learning_rate (0.001 with 32-true), and train again with --overwrite"
    )
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == list(range(1, step + 1))
    assert not (tmp_path / "network.pt").exists()


def test_weights_that_diverged_are_no_checkpoint(tmp_path, unbroken):
    with pytest.raises(DivergenceError, match=r"diverged in step 6: the weights are not finite; lower"):
        train(toy_config(), [two_objects()], tmp_path, callbacks=[SpoilAt(6)])
    # The checkpoint before is there to go on from.
    assert_same_weights(
        weights(train(toy_config(), [two_objects()], tmp_path)), weights(unbroken / "network.pt")
    )


def test_divergence_in_few_bits_advises_more(tmp_path):
    config = toy_config(precision="bf16-mixed")
    with pytest.raises(
        DivergenceError, match=r"with bf16-mixed\) or train with training.precision 32-true, and"
    ):
        train(config, [two_objects()], tmp_path, callbacks=[SpoilAt(2)])


def test_far_too_large_steps_diverge_in_a_sentence(tmp_path):
    config = toy_config(learning_rate=1e30, steps=50, loss={"name": "bce"})
    with pytest.raises(DivergenceError, match=r"lower training.learning_rate \(1e\+30"):
        train(config, [two_objects()], tmp_path)


def test_training_leaves_torch_as_it_was(tmp_path):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train(toy_config(steps=1, threads=2, loss={"name": "bce"}), [two_objects()], tmp_path)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_progress_bar_counts_all_steps(tmp_path, capfd):
    train(toy_config(), [two_objects()], tmp_path, progress=True)
    assert "7/7" in capfd.readouterr().err
