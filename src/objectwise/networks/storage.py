"""Networks on disk: what they are made of, weights, and what they were trained on, in a file without code."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from objectwise.errors import ArgumentError, CheckpointError, ObjectwiseError, ObjectwiseWarning
from objectwise.networks.archive import (
    check_same_tensors,
    check_weights,
    read_archive,
    write_archive,
)
from objectwise.networks.foreign import ForeignNetwork, class_of, is_monai
from objectwise.networks.network import OF_THE_RUN, Network, plain_options
from objectwise.networks.record import NetworkRecord
from objectwise.networks.registry import NETWORKS, build

FORMAT = 3
"""Format of the file. 2 knew the U-Net alone, and affinities alone. 1, without a number, had architecture and
weights only, and no checksum."""

WHAT, CURE = "a network file", "take another copy of it, or delete it and train again"

FETCHED = {"pretrained": False, "weights": None}
"""Options by which a network of MONAI fetches weights, which those of a file would take the place of."""
FETCHES = "path_or_repo_id"
"""An option of those that fetch, whatever it says."""


def save_network(path: Path | str, network: Network) -> None:
    """Write what a network is made of, weights and record to `path`, whole or not at all.

    The file is what `torch.save` makes of `{"format": 3, "name": ..., "architecture": {...}, "state_dict":
    {...}, "dimensions": ..., "window_shape": ..., "voxel_size": ..., "normalisation": {...}, "task": {...},
    "channels": [...], "offsets": ...}`, all plain numbers, text and lists but the weights, which are on the
    CPU. The last seven are those of `network.record`, and missing where it is None; offsets are of affinities
    only. A checksum over all bytes lies in the archive's comment.

    Parameters
    ----------
    path : Path or str
    network : one of objectwise.networks, or what `objectwise.networks.registry.build` returns

    Raises
    ------
    ArgumentError
        If it is another module, which does not say what it is made of.
    CheckpointError
        If a weight is not finite.
    """
    if not isinstance(network, Network):
        raise ArgumentError(
            f"`network` must be one of objectwise.networks, or made by objectwise.networks.registry.build, "
            f"got {type(network).__name__}"
        )
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    check_weights(Path(path), weights, what="written from finite weights", cure="train again")
    record = {} if network.record is None else network.record.as_plain()
    content = {
        "format": FORMAT,
        "name": network.name,
        "architecture": plain_options(network.architecture),
        "state_dict": weights,
        **record,
    }
    write_archive(Path(path), content)


def load_network(path: Path | str, *, python: str | None = None) -> Network:
    """Read a network that `save_network` wrote, on the CPU and in evaluation mode.

    Its `record` says what it was trained on; of a file of the first format it is None, and a warning says
    what is assumed instead.

    Parameters
    ----------
    path : Path or str
    python : "package.module:Class", optional
        The one class outside objectwise and MONAI that may be imported, which runs code of that module. A
        file can name any module, so none is imported because a file says so.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not a network, or of a class that `python` does not name.
    """
    path = Path(path)
    content = read_archive(path, what=WHAT, cure=CURE)
    known = content.get("format", 1)
    if type(known) is not int or known < 1:  # True is an int
        raise CheckpointError(f"{path} must be {WHAT}, but its format is {known!r}; {CURE}")
    if known > FORMAT:
        raise CheckpointError(
            f"{path} must be of format {FORMAT} or before, got {known!r}; read it with a newer objectwise"
        )
    for key in ("architecture", "state_dict", *(["name"] if known > 2 else [])):
        if key not in content:
            raise CheckpointError(f"{path} must be {WHAT}, but it has no {key}; {CURE}")
    try:
        name = _name_of(path, content, known, python)
        weights = check_weights(path, content["state_dict"], what=WHAT, cure=CURE)
        network = _rebuilt(path, name, dict(content["architecture"]), weights)
        if {"offsets", "window_shape"} & set(content):
            network.record = NetworkRecord.from_plain(content)
            _check_record(path, network, network.record)
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{path} must be {WHAT}, but it has no {error}; {CURE}") from error
    except (TypeError, ValueError, AttributeError, RuntimeError, ObjectwiseError) as error:
        reason = (str(error).splitlines() or ["nothing"])[0]
        raise CheckpointError(f"{path} must hold a network, but it does not ({reason}); {CURE}") from error
    if known == 1:
        warnings.warn(
            f"{path} is of the first format and knows nothing of its training; {_assumed(network)}",
            ObjectwiseWarning,
            stacklevel=2,
        )
    return network.eval()


def copy_weights(source: Network, target: Network, *, name: str) -> None:
    """Load the weights of `source` into `target`, or name the first part in which they differ.

    Raises
    ------
    CheckpointError
        If the two are made of other parts, or their channels mean something else.
    """
    check_same_architecture(source, target, name=name)
    if target.record is not None:
        check_same_channels(source, target.record.task_name, target.record.channels, name=name)
    target.load_state_dict(source.state_dict())


def check_same_architecture(source: Network, target: Network, *, name: str) -> None:
    """Name the first part in which two networks differ; weights are not looked at.

    Raises
    ------
    CheckpointError
        If they differ.
    """
    mine, wanted = ({"name": one.name, **one.architecture} for one in (source, target))
    for key in {**mine, **wanted}:
        if mine.get(key) != wanted.get(key):
            raise CheckpointError(
                f"{name} must have the architecture of this run, got {key} {mine.get(key)} where it asks for "
                f"{wanted.get(key)}; change the configuration or start from other weights"
            )


def check_same_channels(source: Network, task: str, channels: Sequence[str], *, name: str) -> None:
    """Require that the channels of a network mean what they shall; one without a record may mean anything.

    Raises
    ------
    CheckpointError
        If they do not.
    """
    record = source.record
    if record is None:
        return
    for what, mine, wanted in (
        ("task", record.task_name, task),
        ("channels", list(record.channels), list(channels)),
    ):
        if mine != wanted:
            raise CheckpointError(
                f"{name} must have the {what} of this run ({wanted}), got {mine}; change the configuration "
                "or start from other weights"
            )


def _name_of(path: Path, content: dict[str, Any], known: int, python: str | None) -> str:
    """Return the name of a file's network, which imports nothing that its reader did not name."""
    name = "unet" if known < 3 else content["name"]
    if not isinstance(name, str):
        raise CheckpointError(f"{path} must be {WHAT}, but its name is {name!r}; {CURE}")
    if name in NETWORKS or is_monai(name):
        return name
    if name != python:
        raise CheckpointError(
            f"{path} must be of a network of objectwise or MONAI, or of the one that may be imported "
            f"({python or 'none'}), got {name!r}; where you trust that module, load it with python={name!r}, "
            f"or on the command line with --python {name}"
        )
    return name


def _rebuilt(path: Path, name: str, architecture: dict[str, Any], weights: dict[str, Tensor]) -> Network:
    """Return the network of an architecture with these weights; nothing larger than they are is made.

    Only a network of others that needs values to be made can be larger.
    """
    sizes = {
        "dimensions": architecture["dimensions"],
        "out_channels": architecture["out_channels"],
        "in_channels": architecture.get("in_channels", 1),
    }
    options = {key: value for key, value in architecture.items() if key not in OF_THE_RUN}
    if name in NETWORKS:
        network = build(name, **sizes, options=options, weights=False)
        check_same_tensors(path, weights, network.state_dict(), what=WHAT, cure=CURE)
        network.load_state_dict(weights, assign=True)
        return network
    overrides = _without_fetching(path, name) if is_monai(name) else {}
    with torch.random.fork_rng(devices=[]):
        for device in (
            "meta",
            "cpu",
        ):  # the first one to compare, the second for what it holds beside weights
            try:
                with torch.device(device):
                    network = ForeignNetwork(name, **sizes, options=options, overrides=overrides)
            except ArgumentError as error:
                if device == "meta" and error.__cause__ is not None:
                    continue
                raise
            check_same_tensors(path, weights, network.state_dict(), what=WHAT, cure=CURE)
    network.load_state_dict(weights)
    return network


def _without_fetching(path: Path, name: str) -> dict[str, Any]:
    """Return arguments with which a network of MONAI fetches nothing: a file must not make it do so."""
    parameters = inspect.signature(class_of(name)).parameters
    if FETCHES in parameters:
        raise CheckpointError(
            f"{path} must be of a network that fetches nothing to be made, got {name!r}; build it by hand"
        )
    return {option: value for option, value in FETCHED.items() if option in parameters}


def _check_record(path: Path, network: Network, record: NetworkRecord) -> None:
    if (record.dimensions, len(record.channels)) != (network.dimensions, network.out_channels):
        raise CheckpointError(
            f"{path} must be {WHAT}, but it tells of {len(record.channels)} channels in {record.dimensions} "
            f"dimensions where the network has {network.out_channels} in {network.dimensions}; {CURE}"
        )


def _assumed(network: Network) -> str:
    """Say what becomes of a network without a record."""
    nearest = network.out_channels == network.dimensions
    channels = "its channels are the nearest neighbours, and " if nearest else ""
    return (
        f"assumed, where nothing says otherwise: {channels}every volume is normalised by its own range of "
        "intensities; train again to have offsets, window, voxel size and range in the file"
    )
