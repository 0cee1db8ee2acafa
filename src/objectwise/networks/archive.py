"""Weights on disk: sealed archives of tensors and plain data, which run no code when they are read."""

from __future__ import annotations

import errno
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from objectwise.atomic import replaced_file
from objectwise.errors import CheckpointError
from objectwise.seal import is_intact, seal


def write_archive(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain data to `path`, whole or not at all.

    The content has a `format` number: it says that the file has a seal.
    """
    assert "format" in content
    # Into an open file: torch would write the name of a path into the archive, and this one is random.
    with replaced_file(path) as partial, partial.open("w+b") as file:
        torch.save(content, file)
        seal(file)


def read_archive(path: Path, *, what: str, cure: str) -> dict[str, Any]:
    """Read what `write_archive` wrote, or a file without a format number from before there were seals.

    Parameters
    ----------
    path : Path
    what : str
        What the file must be, like "a network file".
    cure : str
        What to do where it is not, the end of every sentence.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, changed since it was written, or something else.
    """
    try:
        intact, content = _read(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} must exist and be {what}, but it does not; {cure}") from error
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign file makes of torch's reader
        raise _refused(path, what, _reason(error), cure) from error
    if intact is False:
        raise _refused(path, what, "its checksum says that it was damaged or changed", cure)
    if not isinstance(content, dict):
        raise _refused(path, what, f"it holds a {type(content).__name__}", cure)
    if intact is None and "format" in content:
        raise _refused(path, what, "its checksum is gone: it was damaged or changed", cure)
    return dict(content)


def _read(path: Path) -> tuple[bool | None, object]:
    """Return whether the file is as it was written, and its content; none where it is not."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # one would wait for it without end
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells of a foreign file what we say ourselves
        intact = is_intact(file)
        return intact, None if intact is False else torch.load(file, map_location="cpu", weights_only=True)


def check_weights(path: Path, weights: object, *, what: str, cure: str) -> dict[str, Tensor]:
    """Require finite dense tensors by name, each no larger than the file's bytes for it."""
    if not isinstance(weights, dict) or not weights:
        raise _refused(path, what, "it holds no weights", cure)
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor) or not _is_plain(tensor):
            raise _refused(path, what, f"its weights {name!r} are no tensor", cure)
        # A few bytes can claim to be any shape, by strides of zero.
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise _refused(path, what, f"its weights {name!r} are larger than what it holds", cure)
        if not torch.isfinite(tensor).all():
            raise _refused(path, what, f"its weights {name!r} are not finite: that training diverged", cure)
    return weights


def check_same_tensors(
    path: Path, weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, what: str, cure: str
) -> None:
    """Require weights of the names, shapes and dtypes of others."""
    for name in {**wanted, **weights}:
        was, shall = (_described(table.get(name)) for table in (weights, wanted))
        if was != shall:
            raise _refused(path, what, f"its weights {name!r} are {was} where they must be {shall}", cure)


def _described(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.dtype} of shape {tuple(tensor.shape)}"


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def _refused(path: Path, what: str, but: str, cure: str) -> CheckpointError:
    return CheckpointError(f"{path} must be {what}, but {but}; {cure}")


def _reason(error: Exception) -> str:
    """Say in our words what torch's reader met: its own advice is to run whatever code the file holds."""
    if isinstance(error, OSError) and error.filename:  # upon opening, not out of what torch reads
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
        return "it holds more than numbers and text, which would run as code if it were read"
    return "it is damaged or something else"
