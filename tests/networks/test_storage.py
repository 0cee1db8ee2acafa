from __future__ import annotations

import os
import random

import pytest
import torch

from objectwise.errors import CheckpointError, ObjectwiseWarning
from objectwise.networks import AffinityUNet, NetworkRecord, load_network, save_network
from objectwise.networks.storage import copy_weights

RECORD = NetworkRecord(
    offsets=((-1, 0), (0, -3)),
    window_shape=(64, 32),
    voxel_size=(40.0, 4.0, 4.0),
    normalisation={"method": "percentiles", "low": 3.0, "high": 1e3},
)


@pytest.fixture
def network():
    network = AffinityUNet(2, 2, features=(4, 8))
    network.record = RECORD
    return network


@pytest.fixture
def path(tmp_path, network):
    save_network(tmp_path / "network.pt", network)
    return tmp_path / "network.pt"


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch hacked",))


def test_saved_network_predicts_the_same_when_loaded(tmp_path):
    network = AffinityUNet(3, 3, features=(4, 8), kernel_sizes=((1, 3, 3), (3, 3, 3)), strides=((1, 2, 2),))
    raw = torch.rand(1, 1, 3, 8, 8)
    save_network(tmp_path / "network.pt", network)
    loaded = load_network(tmp_path / "network.pt")
    assert loaded.architecture == network.architecture
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    torch.testing.assert_close(loaded(raw), network.eval()(raw), rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["network.pt"]


def test_saved_network_is_plain_data(path):
    content = torch.load(path, weights_only=True)
    assert content["format"] == 3
    assert content["architecture"]["features"] == [4, 8]
    assert {key: content[key] for key in ("dimensions", "offsets", "window_shape", "voxel_size")} == {
        "dimensions": 2,
        "offsets": [[-1, 0], [0, -3]],
        "window_shape": [64, 32],
        "voxel_size": [40.0, 4.0, 4.0],
    }


def test_network_knows_what_it_was_trained_on(path, network):
    assert load_network(path).record == network.record
    network.record = None
    save_network(path, network)
    assert load_network(path).record is None


def test_every_flipped_bit_is_found(path):
    whole = path.read_bytes()
    choose = random.Random(0)
    places = {choose.randrange(8 * len(whole)) for _ in range(300)} | {
        *range(64),
        *range(8 * len(whole) - 900, 8 * len(whole)),
    }
    for bit in places:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        with pytest.raises(
            CheckpointError, match=r"network\.pt must be a network file, but .*; take another copy"
        ):
            load_network(path)


def test_file_of_the_first_format_loads_with_what_is_assumed(path, network):
    torch.save({"architecture": network.architecture, "state_dict": network.state_dict()}, path)
    with pytest.warns(
        ObjectwiseWarning, match=r"network.pt is of the first format .* nearest neighbours, .* its own range"
    ):
        loaded = load_network(path)
    assert loaded.record is None
    other = AffinityUNet(2, 5, features=(4, 8))
    torch.save({"architecture": other.architecture, "state_dict": other.state_dict()}, path)
    with pytest.warns(ObjectwiseWarning, match="assumed, where nothing says otherwise: every volume"):
        load_network(path)


def test_missing_and_cut_files_are_named(path):
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"network.pt must be a network file, but it is damaged"):
        load_network(path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"network.pt must exist"):
        load_network(path)


@pytest.mark.parametrize(
    "content", [b"trash", b"", b"PK\x03\x04 and so on", bytes(range(256)) * 9, b"\x80\x04."]
)
def test_trash_is_no_network(path, content):
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"network.pt must be a network file, but it is damaged or something else"
    ):
        load_network(path)


def test_folder_is_no_network(tmp_path):
    with pytest.raises(CheckpointError, match="must be a network file, but it cannot be read"):
        load_network(tmp_path)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_run_and_not_recommended(path, monkeypatch, legacy):
    monkeypatch.chdir(path.parent)
    torch.save(
        {"architecture": {}, "state_dict": {"w": Hostile()}}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(CheckpointError, match="would run as code") as raised:
        load_network(path)
    assert "weights_only" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (path.parent / "hacked").exists()


def changed(network, **changes):
    return {"architecture": network.architecture, "state_dict": network.state_dict(), **changes}


def without_first(weights):
    return dict(list(weights.items())[1:])


def with_first(weights, tensor):
    return {**weights, next(iter(weights)): tensor}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: torch.zeros(2), "but it holds a Tensor"),
        (lambda _: {"weights": torch.zeros(2)}, "but it has no architecture"),
        (lambda n: {"architecture": n.architecture}, "but it has no state_dict"),
        (lambda n: changed(n, state_dict={}), "but it holds no weights"),
        (lambda n: changed(n, state_dict={"w": 3}), "its weights 'w' are no tensor"),
        (lambda n: changed(n, state_dict={"w": torch.eye(2).to_sparse()}), "its weights 'w' are no tensor"),
        (
            lambda n: changed(n, state_dict=without_first(n.state_dict())),
            "are missing where they must be torch.float32 of shape",
        ),
        (
            lambda n: changed(n, state_dict=with_first(n.state_dict(), torch.zeros(1, 2))),
            r"are torch.float32 of shape \(1, 2\) where",
        ),
        (
            lambda n: changed(n, state_dict=with_first(n.state_dict(), torch.tensor(float("nan")))),
            "are not finite: that training diverged",
        ),
        (
            lambda n: changed(n, state_dict=with_first(n.state_dict(), torch.zeros(1).expand(10**15))),
            "are larger than what it holds",
        ),
        (lambda n: changed(n, architecture={"dimensions": 2}), "but it has no 'out_channels'"),
        (lambda n: changed(n, architecture=3), "must hold a network"),
        (
            lambda n: changed(n, architecture=n.architecture | {"features": [10**12, 10**12]}),
            "fits into memory",
        ),
        (
            lambda n: changed(n, architecture=n.architecture | {"features": [10**6, 10**6]}),
            "where they must be torch.float32 of shape",
        ),
    ],
)
def test_foreign_content_is_refused_in_a_sentence(path, network, change, message):
    torch.save(change(network), path)
    with pytest.raises(CheckpointError, match=message) as raised:
        load_network(path)
    assert str(raised.value).startswith(f"{path} must ")
    assert "\n" not in str(raised.value)


def test_file_of_a_later_format_asks_for_a_newer_version(path, network, monkeypatch):
    monkeypatch.setattr("objectwise.networks.storage.FORMAT", 4)
    save_network(path, network)
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match="must be of format 3 or before, got 4; read it with a newer objectwise"
    ):
        load_network(path)


@pytest.mark.parametrize("written", [True, False, 0, -1, 2.0, "2", None])
def test_file_of_no_format_is_refused(path, network, monkeypatch, written):
    monkeypatch.setattr("objectwise.networks.storage.FORMAT", written)
    save_network(path, network)
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError,
        match=rf"network\.pt must be a network file, but its format is {written!r}; take another copy",
    ):
        load_network(path)


def test_file_saved_anew_by_other_hands_has_lost_its_checksum(path):
    torch.save(torch.load(path), path)
    with pytest.raises(CheckpointError, match="its checksum is gone"):
        load_network(path)


def test_diverged_network_is_not_saved(path, network):
    before = path.read_bytes()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        save_network(path, network)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("offsets", ((-1, 0), (1, 0)), "must not repeat an edge"),
        ("offsets", ((-1, 0, 0),), "`offsets` must have one column per spatial axis"),
        ("window_shape", (64,), "`window_shape` must be 2 or 3 numbers"),
        ("window_shape", (64, 0), "`window_shape` must be a whole number, at least 1, got 0"),
        ("voxel_size", (1.0, -1.0, 1.0), "`voxel_size` must be positive"),
        ("normalisation", 3, "`normalisation` must map names to values"),
    ],
)
def test_record_refuses_what_does_not_fit(part, value, message):
    parts = {
        "offsets": RECORD.offsets,
        "window_shape": RECORD.window_shape,
        "voxel_size": (1.0, 1.0, 1.0),
        "normalisation": {},
    }
    with pytest.raises(ValueError, match=message):
        NetworkRecord(**{**parts, part: value})


def test_weights_of_another_architecture_are_refused_by_the_part_that_differs():
    with pytest.raises(
        CheckpointError, match=r"start must have the architecture .* features \[4, 8\] .* \[4, 6\]"
    ):
        copy_weights(AffinityUNet(2, 2, features=(4, 8)), AffinityUNet(2, 2, features=(4, 6)), name="start")
