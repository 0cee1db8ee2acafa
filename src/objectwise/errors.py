"""The error tree: everything objectwise raises on purpose.

Each class is also the built-in a caller would expect, so `except ValueError` keeps working.
"""


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


class ConfigError(ArgumentError):
    """A configuration names an unknown key, a wrong type or an impossible combination."""


class CheckpointError(ObjectwiseError, OSError):
    """Saved weights or a saved training state are missing, damaged, or of another network or run."""
