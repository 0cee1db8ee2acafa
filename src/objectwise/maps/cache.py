"""Maps on disk, made once: one file for each label image and set of options."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import replaced_file
from objectwise.checks import check_options
from objectwise.errors import ArgumentError, VolumeError
from objectwise.maps.class_labels import as_array

FORMAT = 1  # of what a file promises: raise it when a map's definition changes


class MapCache:
    """Make the map of a label image once, and read it from disk after that.

    Call it like the map function: `cache(labels)`. A file is found by the content of the labels and by the
    options, never by a name or a date: changed labels get another file. Files are complete or not there, so
    the workers of a loader and several runs can share a folder. They are `.npy` files: `numpy.load` reads
    them too.

    Parameters
    ----------
    folder : path
        Made when the first map is written.
    function
        A map function of `objectwise.maps`, or another named function of labels that returns one array. What
        it does must depend on labels and options alone: a method, whose object holds more, is refused. A
        function of yours is known by its source text: edit it, and maps are made anew; what it calls is not
        looked at.
    **options
        Its keyword arguments, of plain data: `n_classes`, `spacing`, ...

    Raises
    ------
    ArgumentError
        If the function has no name or no source text, or an option is not one of its or not plain data; when
        called, whatever the function raises.
    VolumeError
        When called, if a file is damaged, or holds the map of other labels or options.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from objectwise.maps import rectified_region_wise_map
    >>> with TemporaryDirectory() as folder:
    ...     cache = MapCache(folder, rectified_region_wise_map, n_classes=2)
    ...     labels = np.array([[0, 0, 1, 1]])
    ...     _ = cache(labels)  # made and written
    ...     cache(labels)[1]  # read
    array([[ 1. ,  1. , -0.5, -1. ]], dtype=float32)
    """

    def __init__(self, folder: str | Path, function: Callable[..., Any], **options: Any) -> None:
        name = getattr(function, "__qualname__", "<unnamed>")
        if "<" in name or hasattr(function, "__self__"):  # nor a method: its object holds options too
            raise ArgumentError(f"`function` must be defined by name in a module, got {function!r}")
        check_options(options, function)
        self.folder = Path(folder)
        self.function = function
        self.options = options
        try:
            plain = json.dumps(options, sort_keys=True, default=_plain)
        except TypeError as error:
            raise ArgumentError(f"`options` must be plain data, got {options!r}") from error
        self._made_by = f"{FORMAT} {function.__module__}.{name} {plain}{_source(function)}"

    def __call__(self, labels: Any) -> Any:
        """Return the map of labels, in their framework, from disk if it is there.

        An array from disk is mapped into memory: only the parts that are used are read, and writing to it
        does not change the file.
        """
        array, into_framework = as_array(labels)
        facts = self._facts(array)
        path = self._path(facts)
        if not path.exists():
            _write(path, np.asarray(self.function(array, **self.options)), facts)
        return into_framework(_read(path, facts))

    def path(self, labels: Any) -> Path:
        """Return the file of a label image's map, whether or not it is there."""
        return self._path(self._facts(as_array(labels)[0]))

    def _path(self, facts: dict[str, Any]) -> Path:
        return self.folder / f"{_digest(facts['made_by'].encode())}-{facts['labels']}.npy"

    def read(self, path: str | Path, labels: Any) -> Any:
        """Return the map in a file, which must be that of `labels`.

        Raises
        ------
        VolumeError
            If the file is missing or damaged, or holds the map of other labels or options.
        """
        array, into_framework = as_array(labels)
        return into_framework(_read(Path(path), self._facts(array)))

    def _facts(self, labels: NDArray[Any]) -> dict[str, Any]:
        """Return what a file says about itself."""
        return {"made_by": self._made_by, "labels": labels_digest(labels), "shape": list(labels.shape)}


def _source(function: Callable[..., Any]) -> str:
    """Return the digest of a user's function; ours are known by name and `FORMAT`."""
    if function.__module__.startswith("objectwise."):
        return ""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise ArgumentError(f"`function` must have its source in a file, got {function!r}") from error
    return f" {hashlib.sha256(text.encode()).hexdigest()}"


def _write(path: Path, values: NDArray[Any], facts: dict[str, Any]) -> None:
    with replaced_file(path) as partial, partial.open("wb") as file:
        np.save(file, values, allow_pickle=False)
        # Behind the map, where NumPy does not look: a renamed file is still known for what it is.
        np.save(file, np.frombuffer(json.dumps(facts).encode(), np.uint8), allow_pickle=False)


def labels_digest(labels: NDArray[Any]) -> str:
    """Return a digest of the content of labels, whatever integers or booleans hold it."""
    if labels.dtype.kind in "iu":
        small = labels.astype(np.uint8, copy=False)  # most labels fit, and an eighth of the bytes is hashed
        labels = small if small is labels or np.array_equal(small, labels) else labels
    elif labels.dtype == np.bool_:
        labels = np.ascontiguousarray(labels).view(np.uint8)
    header = f"{labels.dtype.str} {labels.shape}".encode()
    return _digest(header, np.ascontiguousarray(labels).data)


def _digest(*parts: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _read(path: Path, expected: dict[str, Any]) -> NDArray[Any]:
    """Return a mapped array, if the file is whole and says of itself what is expected."""
    try:
        values = np.load(path, mmap_mode="c", allow_pickle=False)
        with path.open("rb") as file:
            file.seek(values.offset + values.nbytes)
            facts = json.loads(np.load(file, allow_pickle=False).tobytes())
    except FileNotFoundError as error:
        raise VolumeError(f"{path} must be a map, got no file; call the cache to make it") from error
    except (OSError, ValueError, AttributeError, EOFError) as error:
        raise VolumeError(f"{path} must be a whole map, got a damaged file ({error}); delete it") from error
    for key, what in (("shape", "labels of shape"), ("labels", "labels"), ("made_by", "")):
        if facts.get(key) != expected[key]:
            raise VolumeError(
                f"{path} must hold the map of {what} {expected[key]}, got that of {facts.get(key)}; "
                "delete it, or ask for the right file"
            )
    return np.asarray(values)


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(type(value).__name__)
