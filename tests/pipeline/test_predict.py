"""Whole-volume prediction: the same as the network on the whole image, whatever the windows and batches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from objectwise.data import fit_normalisation
from objectwise.errors import ArgumentError, DeviceError, ObjectwiseWarning, ShapeError
from objectwise.graph import known_edges
from objectwise.graph.turns import turns
from objectwise.networks import NetworkRecord
from objectwise.pipeline import find_device, predict_affinities, predict_probabilities


class Pointwise(nn.Module):
    """Logits that depend on one voxel only, so windows cannot matter."""

    def __init__(self, channels: int):
        super().__init__()
        self.scales = torch.arange(1, channels + 1).float()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        self.batches.append(tuple(raw.shape))
        scales = self.scales.reshape(1, -1, *[1] * (raw.ndim - 2))
        return scales * (4 * raw - 2)


def raw_volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((5, 33, 40), (16, 16)),
        ((4, 16, 16), (16, 16)),
        ((3, 9, 40), (16, 16)),
        ((1, 1, 3), (16, 16)),
        ((10, 33, 20), (8, 16, 16)),
        ((3, 5, 40), (8, 16, 16)),
        ((1, 1, 1), (8, 16, 16)),
    ],
)
def test_prediction_equals_the_network_on_the_whole_image(shape, window):
    raw = raw_volume(*shape)
    predicted = predict_affinities(Pointwise(3), raw, window_shape=window, accelerator="cpu")
    logits = np.arange(1, 4).reshape(3, 1, 1, 1) * (raw / 255.0 * 4 - 2)
    assert predicted.shape == (3, *shape)
    assert predicted.dtype == np.float32
    assert predicted.flags.c_contiguous
    np.testing.assert_allclose(predicted, 1 / (1 + np.exp(-logits)), atol=1e-5)


@pytest.mark.parametrize("window", [(8, 8), (4, 8, 8)])
def test_batch_size_changes_nothing(window):
    torch.manual_seed(0)
    dimensions = len(window)
    convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
    network = nn.Sequential(
        convolution(1, 4, 3, padding=1), nn.ReLU(), convolution(4, dimensions, 3, padding=1)
    )
    raw = raw_volume(7, 19, 21)
    one, *others = (
        predict_affinities(network, raw, window_shape=window, batch_size=n, overlap=0.5, accelerator="cpu")
        for n in (1, 2, 3, 64)
    )
    for other in others:
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_windows_are_blended_by_a_gaussian():
    class Place(nn.Module):
        def forward(self, raw):  # the logit grows along x, so windows disagree where they overlap
            return torch.arange(raw.shape[-1]).float().expand(raw.shape) / 4 - 2

    row = predict_affinities(
        Place(), raw_volume(1, 8, 12), window_shape=(8, 8), overlap=0.5, accelerator="cpu"
    )[0, 0, 0]
    alone = 1 / (1 + np.exp(-(np.arange(8) / 4 - 2)))
    np.testing.assert_allclose(row[:4], alone[:4], atol=1e-6)
    np.testing.assert_allclose(row[8:], alone[4:], atol=1e-6)
    assert np.all(row[4:8] < alone[4:])
    assert np.all(row[4:8] > alone[:4])
    # Near its own centre the left window decides, near its border the right one.
    assert row[4] - alone[0] > alone[4] - row[4]
    assert row[7] - alone[3] < alone[7] - row[7]


@pytest.mark.parametrize(
    ("shape", "window", "overlap"),
    [((5, 33, 40), (16, 16), 0.25), ((10, 33, 20), (8, 16, 16), 0.5), ((3, 9, 40), (16, 16), 0.0)],
)
def test_progress_counts_every_window_once(shape, window, overlap):
    calls = []
    predict_affinities(
        Pointwise(2),
        raw_volume(*shape),
        window_shape=window,
        overlap=overlap,
        batch_size=3,
        accelerator="cpu",
        progress=lambda done, total: calls.append((done, total)),
    )
    done, totals = zip(*calls, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]


def test_network_sees_no_more_than_a_batch_of_windows():
    network = Pointwise(2)
    predict_affinities(network, raw_volume(9, 40, 40), window_shape=(16, 16), batch_size=4, accelerator="cpu")
    assert max(batch[0] for batch in network.batches) == 4
    assert {batch[1:] for batch in network.batches} == {(1, 16, 16)}


def test_network_without_a_record_gets_a_volume_by_its_own_range():
    raw = raw_volume(4, 20, 20).astype(np.uint16) * 100
    raw[0] //= 2
    predicted = predict_affinities(Pointwise(1), raw, window_shape=(8, 8), accelerator="cpu")
    assert predicted[0, 0].mean() < predicted[0, 1].mean()


def recorded(trained_on, **options):
    network = Pointwise(2)
    network.record = NetworkRecord(
        offsets=((-1, 0), (0, -1)),
        window_shape=(16, 8),
        voxel_size=(1.0, 1.0, 1.0),
        normalisation=fit_normalisation([trained_on], **options).as_plain(),
    )
    return network


@pytest.mark.parametrize("method", ["auto", "zscore"])
def test_prediction_of_a_voxel_does_not_depend_on_the_sections_read(method):
    raw = raw_volume(8, 20, 20).astype(np.uint16) * 100
    raw[4:] += 2000
    network = recorded(raw, method=method)
    whole, part = (predict_affinities(network, array, accelerator="cpu") for array in (raw, raw[5:]))
    np.testing.assert_array_equal(whole[:, 5:], part)
    assert network.batches[0][2:] == (16, 8)


@pytest.mark.parametrize("window", [(16, 8), (4, 16, 8)])
def test_each_channel_goes_by_its_own_range(window):
    raw = raw_volume(2, 8, 20, 20).astype(np.uint16)
    raw[1] = 20_000 + 100 * raw[1]
    network = recorded(raw)
    predicted = predict_affinities(network, raw, window_shape=window, batch_size=3, accelerator="cpu")
    for channel, factor in ((0, 1), (1, 2)):
        unit = fit_normalisation([raw[channel]])(raw[channel])
        expected = 1 / (1 + np.exp(-factor * (4 * unit - 2)))
        np.testing.assert_allclose(predicted[channel], expected, atol=1e-5)
    with pytest.warns(ObjectwiseWarning, match=r"not learnt from volumes like .*: in channel 0, 100%"):
        predict_affinities(network, raw[::-1], window_shape=window, accelerator="cpu")


def test_what_is_given_goes_before_what_the_network_knows():
    raw = raw_volume(2, 20, 20).astype(np.uint16)
    network = recorded(raw * 7)
    chosen = fit_normalisation([raw], method="range", limits=(0, 255))
    given = predict_affinities(network, raw, normalisation=chosen, window_shape=(8, 8), accelerator="cpu")
    expected = predict_affinities(Pointwise(2), raw.astype(np.uint8), window_shape=(8, 8), accelerator="cpu")
    np.testing.assert_array_equal(given, expected)


def test_volume_far_from_the_training_is_warned_of():
    network = recorded(raw_volume(2, 20, 20))
    with pytest.warns(
        ObjectwiseWarning, match="has not learnt from volumes like brain: .* lie outside those of"
    ):
        predict_affinities(network, raw_volume(2, 20, 20) * 100.0, name="brain", accelerator="cpu")


def test_threads_are_those_asked_for_and_given_back():
    class Threads(Pointwise):
        def forward(self, raw):
            self.threads = torch.get_num_threads()
            return super().forward(raw)

    before, network = torch.get_num_threads(), Threads(1)
    threads = before + 1
    predict_affinities(network, raw_volume(1, 8, 8), window_shape=(8, 8), accelerator="cpu", threads=threads)
    assert network.threads == threads
    assert torch.get_num_threads() == before


MEASURED = """
import sys
import numpy as np, torch
from objectwise.pipeline import predict_affinities

class Four(torch.nn.Module):
    def forward(self, raw):
        return raw.expand(-1, 4, *raw.shape[2:])

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

window = tuple(map(int, sys.argv[1].split(",")))
torch.set_num_threads(1)
raw = np.random.default_rng(0).integers(0, 256, (32, 512, 512)).astype(np.uint8)
predict = lambda raw: predict_affinities(Four(), raw, window_shape=window, overlap=0, accelerator="cpu")
predict(raw[:16, :64, :64])
before = peak()
predicted = predict(raw)
assert predicted.shape == (4, *raw.shape)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(("window", "float_volumes"), [("256,256", 0), ("16,128,128", 2)])
def test_memory_is_the_output_and_what_the_notes_say(window: str, float_volumes: int):
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, window], capture_output=True, text=True, timeout=120, check=True
    )
    volume = 4 * 32 * 512 * 512
    # Some sections and windows of 1 MiB come on top; a second copy of the output would be 128 MiB.
    assert int(ended.stdout) < (4 + float_volumes) * volume + 110 * 2**20


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_network_on_the_cpu_stays_there_and_predicts_on_the_gpu():
    network = nn.Conv2d(1, 2, 3, padding=1)
    raw = raw_volume(3, 20, 20)
    on_gpu = predict_affinities(network, raw, window_shape=(8, 8), accelerator="cuda")
    assert network.weight.device == torch.device("cpu")
    on_cpu = predict_affinities(network, raw, window_shape=(8, 8), accelerator="cpu")
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)


def test_network_comes_back_to_its_device(monkeypatch: pytest.MonkeyPatch):
    class Lent(nn.Conv2d):
        moves: ClassVar[list[str]] = []

        def to(self, device):
            self.moves.append(str(device))
            return self

    # A stand-in for an accelerator, that nothing moves to.
    monkeypatch.setattr("objectwise.pipeline.predict.find_device", lambda _: torch.device("cpu:0"))
    predict_affinities(Lent(1, 1, 1), raw_volume(1, 8, 8), window_shape=(8, 8))
    assert [device for device in Lent.moves if device != "meta"] == ["cpu:0", "cpu"]


class Likeness(nn.Module):
    """The affinity of an edge is how alike its ends are; what leaves the window is low."""

    def __init__(self, offsets):
        super().__init__()
        self.offsets = offsets

    def forward(self, raw):
        rolled = [torch.roll(raw[:, 0], [-step for step in row], dims=(-2, -1)) for row in self.offsets]
        return torch.stack([4 - 9 * (raw[:, 0] - other).abs() for other in rolled], 1)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 24)])
def test_flips_change_nothing_for_a_network_that_turns_along(shape):
    offsets, raw = [[-1, 0], [0, -1], [0, 3], [3, 0]], raw_volume(*shape)
    options = {"window_shape": shape[1:], "accelerator": "cpu", "offsets": offsets}
    plain, flipped = (predict_affinities(Likeness(offsets), raw, flips=f, **options) for f in (False, True))
    inside = known_edges(raw.shape, [[0, *row] for row in offsets])
    np.testing.assert_allclose(flipped[inside], plain[inside], atol=1e-6)
    assert not flipped[~inside].any()


def test_flips_are_the_mean_of_the_predictions_of_turned_volumes():
    raw = raw_volume(4, 6, 6)
    network = nn.Conv3d(1, 2, 3, padding=1)
    options = {"window_shape": (4, 6, 6), "accelerator": "cpu"}
    turned = [
        turn.back(predict_probabilities(network, np.ascontiguousarray(turn(raw)), **options))
        for turn in turns(3, square=True)
    ]
    flipped = predict_probabilities(network, raw, turned_back=lambda turn, one: turn.back(one), **options)
    np.testing.assert_allclose(flipped, np.mean(turned, axis=0), atol=1e-6)


def test_flips_need_offsets_that_turn_into_each_other():
    with pytest.raises(ArgumentError, match="must be given to average over flips"):
        predict_affinities(Pointwise(1), raw_volume(1, 8, 8), window_shape=(8, 8), flips=True)
    with pytest.raises(ArgumentError, match="or its negative to be turned along"):
        predict_affinities(
            Pointwise(1), raw_volume(1, 8, 8), window_shape=(8, 8), flips=True, offsets=[[-1, -2]]
        )


def test_a_network_of_valid_convolutions_predicts_whole_volumes_of_several_channels():
    raw = np.random.default_rng(0).integers(0, 256, (2, 9, 10, 11)).astype(np.uint8)
    network = nn.Conv3d(2, 3, 3)
    predicted = predict_probabilities(network, raw, window_shape=(7, 8, 9), accelerator="cpu")
    padded = np.pad(raw / np.float32(255), [(0, 0), (1, 1), (1, 1), (1, 1)], mode="reflect")
    with torch.no_grad():
        whole = network(torch.from_numpy(padded.astype(np.float32))[None]).sigmoid()[0]
    np.testing.assert_allclose(predicted, whole.numpy(), atol=1e-5)


def test_an_activation_of_classes_keeps_their_sum():
    raw = raw_volume(2, 8, 8)
    classes = predict_probabilities(
        Pointwise(3), raw, activation=lambda logits: logits.softmax(1), window_shape=(8, 8), accelerator="cpu"
    )
    np.testing.assert_allclose(classes.sum(0), 1, atol=1e-5)


def test_network_keeps_its_mode():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(0.9)).train()
    first = predict_affinities(network, raw_volume(1, 8, 8), window_shape=(8, 8), accelerator="cpu")
    second = predict_affinities(network, raw_volume(1, 8, 8), window_shape=(8, 8), accelerator="cpu")
    np.testing.assert_array_equal(first, second)
    assert network.training


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (
            {"raw": raw_volume(8, 8)},
            ShapeError,
            r"`raw` must have shape \(z, y, x\) or \(channels, z, y, x\), got \(8, 8\)",
        ),
        ({"raw": raw_volume(0, 8, 8)}, ShapeError, "`raw` must not be empty"),
        (
            {"window_shape": None},
            ArgumentError,
            "`window_shape` must be given for a network without a record",
        ),
        ({"window_shape": (8,)}, ShapeError, "`window_shape` must be 2 or 3 positive numbers"),
        ({"window_shape": (0, 8)}, ShapeError, "`window_shape` must be 2 or 3 positive numbers"),
        ({"overlap": 1.0}, ArgumentError, "`overlap` must be in 0..1, 1 excluded, got 1.0"),
        ({"batch_size": 0}, ArgumentError, "`batch_size` must be a whole number, at least 1, got 0"),
        ({"accelerator": "abacus"}, ArgumentError, "`accelerator` must be one of 'auto', 'cpu'"),
    ],
)
def test_wrong_arguments_are_named(keys, error, message):
    arguments = {"raw": raw_volume(2, 8, 8), "window_shape": (8, 8)} | keys
    with pytest.raises(error, match=message):
        predict_affinities(Pointwise(1), arguments.pop("raw"), **arguments)


def test_absent_accelerator_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for word in ("cuda", "gpu", "mps"):
        with pytest.raises(DeviceError, match=f"`accelerator` must be present, got '{word}'"):
            find_device(word)
    assert find_device("auto") == torch.device("cpu")
