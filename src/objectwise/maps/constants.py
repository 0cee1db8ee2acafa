"""The constants that the code of a function reads, of its module and of what modules and classes it names."""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, GenericAlias, ModuleType
from typing import Any

import numpy as np

from objectwise.errors import ArgumentError


def constants(code: CodeType, module: Mapping[str, Any]) -> str:
    """Return what is looked at of the globals that code reads, as text that is equal where all of it is.

    That is their value where they are plain data: numbers, words, bytes, None, NumPy arrays, and tuples,
    lists, dictionaries and sets of these. Of a module or class it is the plain data among those of its
    attributes whose names are in the code, such as `settings.FACTOR`. What a function does that is called is
    not looked at, nor what else a module or class holds.

    Raises
    ------
    ArgumentError
        If a global is neither plain data nor a function, class or module: what it holds would be in no key.
    """
    names, found = _names(code), {}
    for name in sorted(_globals(code) & module.keys()):
        value = module[name]
        if _is_code(value):
            found.update(_attributes(name, value, names, set()))
            continue
        try:
            found[name] = _text(value)
        except (TypeError, RecursionError) as error:
            raise ArgumentError(
                "`function` must read no globals but plain data (numbers, words, lists, sets, arrays), "
                f"functions, classes and modules, got {name}, which is a {type(value).__name__}; pass what "
                "it holds as an option, or make it in the function"
            ) from error
    return str(found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield code and that of the functions, lambdas and classes within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _names(code: CodeType) -> set[str]:
    return {name for inner in _codes(code) for name in inner.co_names}


def _globals(code: CodeType) -> set[str]:
    """Return names that are read as globals; `co_names` has those of attributes too."""
    reads = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    return {
        instruction.argval
        for inner in _codes(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname in reads
    }


def _is_code(value: object) -> bool:
    """Say whether something is a function, class or module, or wraps a function as Numba and caches do."""
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType | type):
        return False  # a bound method may do what its object holds
    return (
        isinstance(value, type | ModuleType | GenericAlias | np.ufunc)
        or inspect.isroutine(value)
        or isinstance(getattr(value, "__wrapped__", None), FunctionType)
    )


def _attributes(place: str, value: object, names: set[str], seen: set[int]) -> dict[str, str]:
    """Return the plain data in a module or class, and in the modules and classes in it, that are named."""
    if not isinstance(value, ModuleType | type) or id(value) in seen:
        return {}
    seen.add(id(value))
    held: dict[str, Any] = {}
    for space in reversed(value.__mro__) if isinstance(value, type) else [value]:
        held |= vars(space)  # not by `getattr`, which runs code and imports lazy modules
    found: dict[str, str] = {}
    for name in sorted(names & held.keys()):
        try:
            found[f"{place}.{name}"] = _text(held[name])
        except (TypeError, RecursionError):
            found.update(_attributes(f"{place}.{name}", held[name], names, seen))
    return found


def _text(value: object) -> str:
    """Return plain data as text, with their types: 1 and 1.0 make other maps."""
    kind = type(value).__name__
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return f"{kind} {value!r}"
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.ma.MaskedArray):
        if value.dtype.hasobject:
            raise TypeError("object")
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{kind} {value.dtype.descr} {value.shape} {digest}"
    if isinstance(value, list | tuple):
        return f"{kind} [{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{kind} {{{', '.join(f'{_text(key)}: {_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, set | frozenset):  # whose order changes from process to process
        return f"{kind} {{{', '.join(sorted(map(_text, value)))}}}"
    raise TypeError(kind)
