"""Networks on disk: architecture, weights and what they were trained on, in one file that runs no code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objectwise.errors import ArgumentError, CheckpointError, ObjectwiseError, ObjectwiseWarning
from objectwise.networks.affinity_unet import AffinityUNet
from objectwise.networks.archive import (
    check_same_tensors,
    check_weights,
    read_archive,
    write_archive,
)
from objectwise.networks.record import NetworkRecord

FORMAT = 2
"""Format of the file. 1, without a number, had architecture and weights only, and no checksum."""

WHAT, CURE = "a network file", "take another copy of it, or delete it and train again"


def save_network(path: Path | str, network: AffinityUNet) -> None:
    """Write architecture, weights and record to `path`, whole or not at all.

    The file is what `torch.save` makes of `{"format": 2, "architecture": {...}, "state_dict": {...},
    "dimensions": ..., "offsets": ..., "window_shape": ..., "voxel_size": ..., "normalisation": {...}}`, all
    plain numbers, text and lists but the weights, which are on the CPU; the last five are those of
    `network.record`, and missing where it is None. A checksum over all bytes lies in the archive's comment.

    Raises
    ------
    CheckpointError
        If a weight is not finite.
    """
    if not isinstance(network, nn.Module) or not hasattr(network, "architecture"):
        raise ArgumentError(f"`network` must be one of objectwise.networks, got {type(network).__name__}")
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    check_weights(Path(path), weights, what="written from finite weights", cure="train again")
    record = {} if network.record is None else network.record.as_plain()
    content = {"format": FORMAT, "architecture": network.architecture, "state_dict": weights, **record}
    write_archive(Path(path), content)


def load_network(path: Path | str) -> AffinityUNet:
    """Read a network that `save_network` wrote, on the CPU and in evaluation mode.

    Its `record` says what it was trained on; of a file of the first format it is None, and a warning says
    what is assumed instead.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not a network.
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
    for key in ("architecture", "state_dict"):
        if key not in content:
            raise CheckpointError(f"{path} must be {WHAT}, but it has no {key}; {CURE}")
    try:
        weights = check_weights(path, content["state_dict"], what=WHAT, cure=CURE)
        network = _rebuilt(path, dict(content["architecture"]), weights)
        if "offsets" in content:
            network.record = NetworkRecord.from_plain(content)
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{path} must be {WHAT}, but it has no {error}; {CURE}") from error
    except (TypeError, ValueError, AttributeError, RuntimeError, ObjectwiseError) as error:
        reason = (str(error).splitlines() or ["nothing"])[0]
        raise CheckpointError(
            f"{path} must hold an affinity network, but it does not ({reason}); {CURE}"
        ) from error
    if known == 1:
        warnings.warn(
            f"{path} is of the first format and knows nothing of its training; {_assumed(network)}",
            ObjectwiseWarning,
            stacklevel=2,
        )
    return network.eval()


def copy_weights(source: AffinityUNet, target: nn.Module, *, name: str) -> None:
    """Load the weights of `source` into `target`, or name the first part in which they differ.

    Raises
    ------
    CheckpointError
        If the two architectures differ.
    """
    check_same_architecture(source, target, name=name)
    target.load_state_dict(source.state_dict())


def check_same_architecture(source: AffinityUNet, target: nn.Module, *, name: str) -> None:
    """Name the first part in which two architectures differ; weights are not looked at.

    Raises
    ------
    CheckpointError
        If they differ.
    """
    wanted: dict[str, Any] = getattr(target, "architecture", {})
    for key, value in source.architecture.items():
        if wanted.get(key) != value:
            raise CheckpointError(
                f"{name} must have the architecture of this run, got {key} {value} where it asks for "
                f"{wanted.get(key)}; change the configuration or start from other weights"
            )


def _rebuilt(path: Path, architecture: dict[str, Any], weights: dict[str, Tensor]) -> AffinityUNet:
    """Return the network of an architecture with these weights; nothing larger than they are is made."""
    with torch.device("meta"):
        network = AffinityUNet(
            architecture.pop("dimensions"), architecture.pop("out_channels"), **architecture
        )
    check_same_tensors(path, weights, network.state_dict(), what=WHAT, cure=CURE)
    network.load_state_dict(weights, assign=True)
    return network


def _assumed(network: AffinityUNet) -> str:
    """Say what becomes of a network without a record."""
    nearest = network.architecture["out_channels"] == network.dimensions
    channels = "its channels are the nearest neighbours, and " if nearest else ""
    return (
        f"assumed, where nothing says otherwise: {channels}every volume is normalised by its own range of "
        "intensities; train again to have offsets, window, voxel size and range in the file"
    )
