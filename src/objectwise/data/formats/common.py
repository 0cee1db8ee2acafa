"""What every format shares: the location, the header, and how a library's error becomes one sentence."""

from __future__ import annotations

import logging
import math
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectwise.errors import ArgumentError, ObjectwiseError, VolumeError, VolumeWriteError

AnyArray = NDArray[Any]
Floats = tuple[float, ...]
Sections = tuple[int, int]
T = TypeVar("T")

CONTAINERS = {".h5": "HDF5", ".hdf5": "HDF5", ".hdf": "HDF5", ".zarr": "Zarr"}
FILES = {".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".nii": "NIfTI", ".nii.gz": "NIfTI"}
KNOWN = "file.h5:path/in/file, .tif, .png, a folder of PNGs, .nii, .nii.gz or volume.zarr:path"

_FIRST_BYTES = {
    b"\x89HDF": "HDF5", b"\x89PNG": "PNG", b"\x1f\x8b": "gzip",
    b"\x5c\x01\0\0": "NIfTI", b"\0\0\x01\x5c": "NIfTI",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip

_IN_CONTAINER = re.compile(
    r"^(?P<path>.+?(?P<suffix>\.h5|\.hdf5|\.hdf|\.zarr))/?(:(?P<inner>.*))?$", re.IGNORECASE | re.DOTALL
)
_MOST_LISTED = 20


@dataclass(frozen=True)
class Location:
    """Where a volume lies: the format, the file or folder, and the path inside a container."""

    text: str
    format: str
    path: Path
    inner: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Header:
    """What a format knows without the voxels.

    Parameters
    ----------
    shape : of the array as it is read, with the channels where there are any
    dtype : numpy.dtype
    voxel_size, offset : one float per axis but the channels'; empty where nothing is stated
    depth : int
        Sections that are stored, and so read, together; 0 for all.
    channel_axis : int, optional
        Position of the channels in `shape`; also where nobody asked for it, if the file says colours.
    has_opacity : bool
        Whether the last channel says how opaque the others are.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    voxel_size: Floats = ()
    offset: Floats = ()
    depth: int = 1
    channel_axis: int | None = None
    has_opacity: bool = False

    @property
    def spatial(self) -> tuple[int, ...]:
        """The shape without the channels."""
        return without_axis(self.shape, self.channel_axis)

    @property
    def channels(self) -> int | None:
        """Number of channels, without opacity; None where there is no axis of channels."""
        return None if self.channel_axis is None else self.shape[self.channel_axis] - self.has_opacity

    def cut(self, sections: Sections | None) -> tuple[slice, ...]:
        """Return the index of some sections; of all voxels for None."""
        if sections is None:
            return ()
        before = 1 if self.channel_axis == 0 else 0
        return (*(slice(None),) * before, slice(*sections))


@dataclass(frozen=True)
class Opened:
    """A volume whose header was read, and how to read its voxels.

    Parameters
    ----------
    header : Header
    read : called with the sections [first, stop) of a 3-D volume, or None for all voxels
    """

    header: Header
    read: Callable[[Sections | None], AnyArray]


class Format(Protocol):
    """What each module here offers. A library's own errors may pass: the door words them."""

    def opened(self, location: Location, channel_axis: int | None = None) -> AbstractContextManager[Opened]:
        """Open the volume and read its header; `channel_axis` is that of the array as it is read."""

    def files(self, location: Location) -> Sequence[Path]:
        """Return the files and folders whose size or time tells that the volume was changed."""

    def exists(self, location: Location) -> bool:
        """Say whether a volume lies there that writing would replace; refuse what must never be replaced."""

    def check_holds(self, location: Location, array: AnyArray, header: Header) -> None:
        """Refuse what the format cannot hold exactly."""

    def write(self, location: Location, array: AnyArray, header: Header) -> None:
        """Write under a temporary name, then rename; `header` holds voxel size and offset."""


def parse_location(location: str | Path) -> Location:
    """Split a location into file and path inside, and choose the format by its name."""
    text = str(location)
    if not isinstance(location, str | Path) or not text.strip():
        raise ArgumentError(f"`location` must be {KNOWN}, got {location!r}")
    match = _IN_CONTAINER.match(text)
    if match is not None:
        inner = (match["inner"] or "").strip("/")
        if inner and any(part in ("", ".", "..") for part in inner.split("/")):
            raise ArgumentError(f"`{text}` must name a plain path after the colon, got {match['inner']!r}")
        _require_ordinary(text, Path(match["path"]))
        return Location(text, CONTAINERS[match["suffix"].lower()], Path(match["path"]), inner)
    if re.search(r"\.zarr/.", text, re.IGNORECASE):
        raise ArgumentError(f"`{text}` must name an array after a colon (volume.zarr:raw), got a slash")
    path = Path(text)
    _require_ordinary(text, path)
    for suffix, kind in FILES.items():
        if path.name.lower().endswith(suffix) and not path.is_dir():
            return Location(text, kind, path)
    if path.is_dir() or not path.suffix or text.endswith("/"):
        return Location(text, "PNG folder", path)
    raise ArgumentError(f"`{text}` must be {KNOWN}, got the unknown extension {path.suffix!r}")


def _require_ordinary(text: str, path: Path) -> None:
    """Refuse what could be waited for without end, such as a pipe, and a path that no file can have."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise VolumeError(
            f"`{text}` must be in a folder that may be entered, got one of which permission is denied"
        ) from error
    except (OSError, ValueError) as error:  # a name too long, links in a circle; a NUL
        raise VolumeError(
            f"`{text}` must be a path, got {getattr(error, 'strerror', None) or error}"
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise VolumeError(f"`{text}` must be a file or a folder, got a pipe or a device")


@contextmanager
def one_sentence(location: Location, doing: Literal["read", "look", "write"]) -> Iterator[None]:
    """Turn any error of a format's library into one VolumeError that names the location.

    `look` is for what lies where something is to be written; an error of `write` is a VolumeWriteError.
    """
    try:
        yield
    except ObjectwiseError:
        raise
    except ImportError as error:
        raise VolumeError(
            f"`{location}` needs the package {error.name}; install objectwise[pipeline]"
        ) from error
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0].rstrip(".") if lines else type(error).__name__
        kind = VolumeWriteError if doing == "write" else VolumeError
        if isinstance(error, MemoryError):
            advice = "name fewer sections, or use a machine with more memory"
            raise kind(f"`{location}` must fit into memory, got {reason!r}; {advice}") from error
        if doing == "read":
            rule, hint = f"a readable {location.format}", f"; the file is {_content(location)}"
        else:
            rule, hint = f"a place where a {location.format} can be written", ""
        if isinstance(error, PermissionError):  # libraries have longer words for it, and other ones
            raise kind(
                f"`{location}` must be {rule}, got a file or folder of which permission is denied"
            ) from error
        raise kind(f"`{location}` must be {rule}, got {reason!r}{hint}") from error


def _content(location: Location) -> str:
    """Say what a file that cannot be read is, by its first bytes."""
    try:
        with location.path.open("rb") as file:
            start = file.read(8)
    except OSError:
        start = b""
    found = next((kind for first, kind in _FIRST_BYTES.items() if start.startswith(first)), location.format)
    if found == location.format or (found == "gzip" and location.path.suffix == ".gz"):
        return "damaged, truncated or of another format"
    return f"of another format, {found}: name it so"


@contextmanager
def captured_log(name: str) -> Iterator[list[str]]:
    """Collect what a library logs instead of raising; without this it would reach the terminal as well."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    propagate, others = logger.propagate, logger.handlers
    logger.propagate, logger.handlers = False, [handler]
    try:
        yield messages
    finally:
        logger.propagate, logger.handlers = propagate, others


def axis_of_channels(location: Location, shape: Sequence[int], channel_axis: int | None) -> int | None:
    """Return an axis that channels were said to lie along, counted from the front."""
    if channel_axis is None:
        return None
    ndim = len(shape)
    if not -ndim <= channel_axis < ndim:
        raise ArgumentError(
            f"`channel_axis` must be an axis of `{location}`, which has {ndim} (shape {tuple(shape)}), "
            f"got {channel_axis}"
        )
    return channel_axis % ndim


def without_axis(values: tuple[T, ...], axis: int | None) -> tuple[T, ...]:
    """Return what belongs to the other axes."""
    return values if axis is None else (*values[:axis], *values[axis + 1 :])


def require_file(location: Location) -> None:
    """Require a file at the location's path."""
    if location.path.is_dir():
        raise VolumeError(f"`{location}` must be a {location.format} file, got a folder")
    if not location.path.exists():
        raise VolumeError(f"`{location}` must exist, got no such file: {location.path}")
    location.path.open("rb").close()  # some libraries take a lack of permission for a wrong format


def listed(names: Sequence[str]) -> str:
    """Return names for a message, not more than a reader wants."""
    if not names:
        return "nothing"
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def attribute_floats(location: Location, name: str, value: object) -> Floats:
    """Return an attribute (z, y, x numbers) as a tuple of floats, empty where it is absent."""
    if value is None:
        return ()
    try:
        return tuple(float(number) for number in np.asarray(value, dtype=np.float64).reshape(-1))
    except (TypeError, ValueError) as error:
        raise VolumeError(
            f"`{location}` must have numbers in its attribute {name!r}, got {value!r}"
        ) from error


def shortest(value: float) -> float:
    """Return the shortest decimal that a float32 on disk stands for: 0.1, not 0.10000000149."""
    return float(str(np.float32(value)))


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of a few sections and at most about a million voxels."""
    most = (16, 256, 256)[-len(shape) :]
    return tuple(min(size, limit) for size, limit in zip(shape, most, strict=True))


def is_default(values: Floats, default: float) -> bool:
    """Say whether nothing was stated, or nothing but the default."""
    return all(math.isclose(value, default) for value in values)
