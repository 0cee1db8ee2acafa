"""Maps on disk, made once: one file for each label image and set of options."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from objectwise.atomic import replaced_file
from objectwise.checks import check_options
from objectwise.errors import ArgumentError, VolumeError
from objectwise.maps.cache_key import check_function, made_by, without_partial
from objectwise.maps.class_labels import as_array

_whole: dict[str, tuple[int, ...]] = {}  # files whose checksum this process has seen, and their state then


class MapCache:
    """Make the map of a label image once, and read it from disk after that.

    Call it like the map function: `cache(labels)`. A file is found by the content of the labels and by the
    options, never by a name or a date: changed labels get another file. Files are complete or not there, so
    the workers of a loader and several runs can share a folder. They are `.npy` files: `numpy.load` reads
    them too. Each holds a checksum, which a process compares when it first reads the file.

    Parameters
    ----------
    folder : path
        Made when the first map is written.
    function
        A map function of `objectwise.maps`, or another function of labels that returns one array, defined by
        name in a module, or a partial of one. What it does must depend on its arguments and its module alone:
        methods, lambdas, nested and decorated functions, which may hold more, are refused. A function of
        yours is known by its text and code, its defaults, the plain data that it reads from its module
        (numbers, words, bytes, None, arrays, and tuples, lists, dictionaries and sets of these), and such
        attributes of modules and classes that it names (`settings.FACTOR`), as they are when the cache is
        made: edit them, and maps are made anew. Any other object of its module that it reads is refused.
        Functions that it calls are not looked at, nor what else a module or class holds.
    **options
        Its keyword arguments, of plain data: `n_classes`, `spacing`, ...

    Raises
    ------
    ArgumentError
        If the function is another or has no source text, or an option is not one of its or not plain data;
        when called, whatever the function raises.
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
        plain, options = without_partial(function, options)
        self.function: Callable[..., Any] = check_function(plain)
        check_options(options, self.function)
        self.folder = Path(folder)
        self.options = options
        self._made_by = made_by(self.function, options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be made anew in another process, whose function may be of another text."""
        return partial(type(self), self.folder, self.function, **self.options), ()

    def __call__(self, labels: Any) -> Any:
        """Return the map of labels, in their framework, from disk if it is there.

        An array from disk is mapped into memory: only the parts that are used are read, and writing to it
        does not change the file.
        """
        array, into_framework = as_array(labels)
        facts = self._facts(array)
        path = self._path(facts)
        if not path.exists():
            _write(path, _checked(self.function(array, **self.options)), facts)
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


def _checked(values: object) -> NDArray[Any]:
    """Return what a map function has returned, if a file can hold all of it."""
    array = np.asarray(values)
    if isinstance(values, np.ma.MaskedArray) or array.dtype.kind not in "biufc" or array.size == 0:
        came = "a masked array" if isinstance(values, np.ma.MaskedArray) else f"{array.dtype} {array.shape}"
        raise ArgumentError(f"`function` must return a plain array of numbers, not empty, got {came}")
    return array


def _write(path: Path, values: NDArray[Any], facts: dict[str, Any]) -> None:
    with replaced_file(path) as partial_file, partial_file.open("w+b") as file:
        np.save(file, values, allow_pickle=False)
        end = file.tell()
        # Behind the map, where NumPy does not look: a renamed file is still known for what it is.
        file.write(_footer({**facts, "crc32": _checksum(file, end, facts)}))


def _footer(facts: dict[str, Any]) -> bytes:
    footer = io.BytesIO()
    np.save(footer, np.frombuffer(json.dumps(facts).encode(), np.uint8), allow_pickle=False)
    return footer.getvalue()


def _checksum(file: BinaryIO, end: int, facts: dict[str, Any]) -> int:
    """Return the checksum of facts and of a file up to `end`, where it is left, without a copy of the map."""
    file.seek(0)
    checksum, buffer = zlib.crc32(json.dumps(facts).encode()), memoryview(bytearray(1 << 20))
    while file.tell() < end:
        n = file.readinto(buffer[: end - file.tell()])  # type: ignore[attr-defined]
        if not n:
            raise EOFError(f"{file.tell()} bytes of {end}")
        checksum = zlib.crc32(buffer[:n], checksum)
    return checksum


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
            end = file.seek(values.offset + values.nbytes)
            footer = file.read()
            facts = json.loads(np.load(io.BytesIO(footer), allow_pickle=False).tobytes())
            _check_whole(file, end, footer, facts)
    except FileNotFoundError as error:
        raise VolumeError(f"{path} must be a map, got no file; call the cache to make it") from error
    except Exception as error:  # a damaged header meets NumPy's parser, which has errors of many kinds
        raise VolumeError(f"{path} must be a whole map, got a damaged file ({error}); delete it") from error
    for key, what in (("shape", "labels of shape"), ("labels", "labels"), ("made_by", "")):
        if facts.get(key) != expected[key]:
            raise VolumeError(
                f"{path} must hold the map of {what} {expected[key]}, got that of {facts.get(key)}; "
                "delete it, or ask for the right file"
            )
    return np.asarray(values)


def _check_whole(file: BinaryIO, end: int, footer: bytes, facts: dict[str, Any]) -> None:
    """Require the checksum of a file; one that has not changed since this process did so passes at once.

    Mapped and known, a map costs nothing until it is used; its checksum costs more than reading the image.
    """
    status = os.fstat(file.fileno())
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if _whole.get(file.name) == state:
        return
    rest = {name: fact for name, fact in facts.items() if name != "crc32"}
    # The footer's own bytes too: a header may be spelt in more ways than one.
    if footer != _footer(facts) or _checksum(file, end, rest) != facts.get("crc32"):
        raise ValueError("its checksum is another")
    _whole[file.name] = state
