"""Networks on disk: architecture and weights in one file that runs no code when loaded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from objectwise.atomic import replaced_file
from objectwise.errors import CheckpointError, ObjectwiseError
from objectwise.networks.affinity_unet import AffinityUNet


def save_network(path: Path | str, network: AffinityUNet) -> None:
    """Write architecture and weights to `path`, whole or not at all.

    The file holds `{"architecture": {...}, "state_dict": {...}}`, the architecture as plain numbers and
    lists, the weights on the CPU.
    """
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    # Into an open file: torch would write the name of a path into the archive, and this one is random.
    with replaced_file(Path(path)) as partial, partial.open("wb") as file:
        torch.save({"architecture": network.architecture, "state_dict": weights}, file)


def load_network(path: Path | str) -> AffinityUNet:
    """Read a network that `save_network` wrote, on the CPU and in evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not a network.
    """
    path = Path(path)
    content = _read(path)
    try:
        architecture = dict(content["architecture"])
        network = AffinityUNet(
            architecture.pop("dimensions"), architecture.pop("out_channels"), **architecture
        )
        network.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, ObjectwiseError) as error:
        raise CheckpointError(f"{path} must hold an affinity network, but it does not: {error}") from error
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


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} must exist to load a network from it, but it does not") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise CheckpointError(f"{path} must be a network file, but it is damaged: {reason}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold an architecture and weights, got a {type(content).__name__}")
    return content
