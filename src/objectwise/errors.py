"""The error tree: everything objectwise raises on purpose, and what it warns of.

Each class is also the built-in a caller would expect, so `except ValueError` keeps working.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ObjectwiseError(Exception):
    """Base of every error that objectwise raises on purpose."""


class ArgumentError(ObjectwiseError, ValueError):
    """An argument has the right type and shape but a value that the function does not accept."""


class ShapeError(ArgumentError):
    """Arrays do not fit each other, or have the wrong number of axes."""


class DtypeError(ObjectwiseError, TypeError):
    """An array has the wrong dtype; nothing is converted in silence."""


class DeviceError(ArgumentError):
    """Tensors lie on devices that do not fit; nothing is moved in silence."""


class VolumeError(ObjectwiseError, OSError):
    """A volume on disk is missing, damaged, or not what its name says."""


class VolumeWriteError(VolumeError):
    """A volume could not be written for a reason outside: a full disk, a permission, a lost connection."""


class ConfigError(ArgumentError):
    """A configuration names an unknown key, a wrong type or an impossible combination."""


class CheckpointError(ObjectwiseError, OSError):
    """Saved weights or a saved training state are missing, damaged, or of another network or run."""


class MissingPackageError(ObjectwiseError, ImportError):
    """Something needs a package that comes with an extra of the install."""


class DivergenceError(ObjectwiseError, ArithmeticError):
    """A training left the finite numbers: its loss or its weights are NaN or infinite."""


class ObjectwiseWarning(UserWarning):
    """Something that goes on, but that whoever started it should know; the command line prints it."""


@contextmanager
def needs_extra(subject: str, extra: str = "pipeline") -> Iterator[None]:
    """Say which extra to install where an import fails for want of a package of others."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "objectwise").partition(".")[0]
        if package == "objectwise":
            raise
        raise MissingPackageError(
            f"`{subject}` needs the package {package}; install objectwise[{extra}]"
        ) from error
