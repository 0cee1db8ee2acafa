"""YAML text to a validated `RunConfig`, and back.

The stages are separate so that each can say what is wrong in the user's own terms:
text -> tree (no key twice) -> overrides -> environment variables -> volumes of the source -> typed
configuration.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from objectwise.config.models import RunConfig
from objectwise.config.problems import dotted, problems_of, shortened, shown
from objectwise.config.sources import with_sources
from objectwise.errors import ConfigError

# PyYAML follows YAML 1.1, where `1e-3` is a string, `1:30` is 90 and `017` is 15. Here a number is what every
# reader takes for one; all else is a string, and refused where a number is meant.
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9_]{0,40})$")
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
    r"|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
)
_MOST_WRITTEN_OUT = 1_000_000
"""Characters that a short text may grow to with its aliases written out."""
_DEEPEST = 100
"""Lists and mappings within each other."""
_MOST_PROBLEMS = 20
"""Shown in one message."""
_LARGEST_FILE = 2**24
"""Bytes; a volume given for the configuration is not read to its end."""
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip
_VARIABLE = re.compile(
    r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-[^}]*)?\}|(?P<damaged>\$\{[^}]*\}?)"
)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> RunConfig:
    """Read the configuration of a run from a YAML file.

    Parameters
    ----------
    path : path of a UTF-8 YAML file
        A regular file: no pipe, device or folder.
    overrides : texts like `training.steps=200` or `data.train.0.sections=[0, 16]`
        Applied in order before anything is checked. The value is YAML; the key may name any key of the
        configuration, whether or not the file sets it, and an existing position of a list. `key=null` takes
        out a key that the file sets: its default holds again.

    Returns
    -------
    RunConfig
        In every string, `${NAME}` was replaced by the environment variable, `${NAME:-default}` by the
        default where the variable is unset or empty, and `$$` by `$`.

    Raises
    ------
    ConfigError
        If it is no regular file, or cannot be read; and with one line per problem, each with its path, the
        rule and the value.

    Notes
    -----
    Nothing is converted in silence: `steps: "200"` and `steps: 200.0` are errors, not 200.
    """
    file = Path(path)
    text = _text_of(file)
    return parse_config(text, overrides, source=str(file))


def _text_of(file: Path) -> str:
    """Return what a configuration holds, from a regular file alone: a pipe may be waited for without end."""
    try:
        kind = stat.S_IFMT(file.stat().st_mode)  # of what lies behind: `/dev/stdin` may be a file
        if kind != stat.S_IFREG:
            raise ConfigError(
                f"the configuration {file} must be a regular file, got {_KINDS[kind]}; "
                "save the text in a file first"
            )
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ConfigError(
                f"the configuration {file} must be YAML of at most {_LARGEST_FILE} bytes, got more"
            )
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"the configuration {file} cannot be read: {reason}") from error


def parse_config(text: str, overrides: Sequence[str] = (), *, source: str = "configuration") -> RunConfig:
    """Do as `load_config` does, from the text itself; `source` names it in messages."""
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{source} must hold a mapping like `data:` and `training:` at the top, got {shown(tree)}"
        )
    for override in overrides:
        _apply_override(tree, override)
    problems = [*_values_without_meaning(tree)]
    tree = _expand(tree, (), problems)
    _refuse(problems, source)
    if isinstance(tree.get("data"), dict):
        tree["data"] = _written_out(tree["data"], tree.get("seed"), source)
    if isinstance(tree.get("network"), str):
        tree["network"] = {"name": tree["network"]}
    try:
        # Through JSON, strict mode takes a list where a tuple is meant, and still converts nothing else.
        return RunConfig.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        _refuse(problems_of(error, tree, RunConfig), source)
        raise  # not reached: a validation error holds at least one problem


def _written_out(data: dict[str, Any], seed: Any, source: str) -> dict[str, Any]:
    """Return the section `data` with the volumes of its source; a seed that is none is another problem."""
    known = isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0
    try:
        return with_sources(data, seed=seed if known else 0)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def dump_config(config: RunConfig) -> str:
    """Return the complete configuration, defaults included, as YAML that loads back equal."""
    tree = _escape(config.model_dump(mode="json", by_alias=True))
    return yaml.dump(
        tree, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )


class _Loader(yaml.SafeLoader):
    """Safe YAML, without a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in seen:
                raise ConfigError(
                    f"a key must be given once, got `{key_node.value}` "
                    f"in lines {seen[key_node.value]} and {line}"
                )
            seen[key_node.value] = line
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Name the line of a value that PyYAML cannot make, such as the date 2024-13-45 or a bare `!!int`."""
        try:
            return super().construct_object(node, deep)
        except (ConfigError, yaml.YAMLError):
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            kind, text = node.tag.rpartition(":")[2], shortened(str(node.value))
            line = node.start_mark.line + 1
            raise ConfigError(f"line {line} must hold a readable {kind}, got {text!r}") from error

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take in the keys of `<<: *other`; keys of keys multiply, as values of aliases do."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST_WRITTEN_OUT // 100:
            raise _grows_too_large()


class _Dumper(yaml.SafeDumper):
    """Safe YAML that quotes what `_Loader` would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _kind.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(text: str, source: str) -> Any:
    """Return what a YAML text holds, as plain data of its own; `source` names the text in messages.

    Raises
    ------
    ConfigError
        If it is no YAML, gives a key twice, or grows without bound when its aliases are written out.
    """
    try:
        tree = yaml.load(text, _Loader)
        _check_size(tree, max(len(text), _MOST_WRITTEN_OUT))
        return _unshared(tree)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {_in_one_line(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{source} must not nest without end") from error


def _check_size(tree: Any, most: int) -> None:
    """Refuse a tree whose aliases multiply: nine aliases of nine aliases of nine fill any memory."""
    size, left = 0, [(tree, 0)]
    while left:
        part, depth = left.pop()
        if depth > _DEEPEST:
            raise RecursionError
        size += 1 + (len(part) if isinstance(part, str) else 0)
        if size + len(left) > most:
            raise _grows_too_large()
        inner = [*part.keys(), *part.values()] if isinstance(part, dict) else part
        if isinstance(inner, list):
            left += [(each, depth + 1) for each in inner]


def _grows_too_large() -> ConfigError:
    return ConfigError(
        f"the aliases (*name) must stand for at most {_MOST_WRITTEN_OUT} characters written out, got more"
    )


def _unshared(tree: Any) -> Any:
    """Copy the tree, so that an override of one YAML alias does not change the others."""
    if isinstance(tree, dict):
        return {key: _unshared(value) for key, value in tree.items()}
    return [_unshared(value) for value in tree] if isinstance(tree, list) else tree


def _in_one_line(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).replace("\n", " ")
    mark = getattr(error, "problem_mark", None)
    return f"{problem}, in line {mark.line + 1}, column {mark.column + 1}" if mark else problem


def _refuse(problems: Sequence[str], source: str) -> None:
    if len(problems) == 1:
        raise ConfigError(f"{source}: {problems[0]}")
    if problems:
        first = [*problems[:_MOST_PROBLEMS], *(["..."] if len(problems) > _MOST_PROBLEMS else [])]
        raise ConfigError(f"{source} has {len(problems)} problems:\n  " + "\n  ".join(first))


def _apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one value in the tree; parts that the file leaves out are made, and checked with all others."""
    path, equals, text = override.partition("=")
    short = shortened(override)
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"an override must read key=value, like training.steps=200, got {shortened(override)!r}"
        )
    value = read_yaml(text, f"the value of the override {short!r}")
    at: Any = tree
    for depth, key in enumerate(keys[:-1]):
        nearer = _position(at, key, keys[:depth], short)
        if isinstance(at, dict) and at.get(key) is None:
            at[key] = {}
        at = at[nearer]
    last = _position(at, keys[-1], keys[:-1], short)
    if value is None and isinstance(at, dict) and last in at:
        del at[last]
    else:
        at[last] = value


def _position(at: Any, key: str, above: Sequence[str], override: str) -> Any:
    """Return `key` as a key or index of `at`, or say why the override leads nowhere."""
    where = ".".join(above) or "the configuration"
    if isinstance(at, dict):
        return key
    if not isinstance(at, list):
        raise ConfigError(
            f"the override {override!r} leads nowhere: {where} is no mapping or list, but {shown(at)}"
        )
    if not key.isdecimal() or int(key) >= len(at):
        raise ConfigError(
            f"the override {override!r} leads nowhere: {where} is a list with positions 0 to {len(at) - 1}"
        )
    return int(key)


def _values_without_meaning(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Yield a problem for each value that YAML knows and a configuration does not, such as a date."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if not isinstance(key, str):
                yield f"{dotted((*path, str(key)))}: a key must be a string, got {shown(key)}"
            elif not _is_text(key):
                yield f"{dotted(path) or 'the configuration'}: a key must be text, got {key!r}"
            yield from _values_without_meaning(value, (*path, str(key)))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _values_without_meaning(value, (*path, index))
    elif isinstance(tree, int) and tree.bit_length() > 63:
        yield f"{dotted(path)}: must fit into 64 bits, got a number of {tree.bit_length()}"
    elif not isinstance(tree, str | bool | int | float | None):
        kind = type(tree).__name__
        yield f'{dotted(path)}: must be a plain value, got the {kind} {tree}; write "{tree}" for a string'


def _expand(tree: Any, path: tuple[str | int, ...], problems: list[str]) -> Any:
    """Return the tree with environment variables filled in; what is missing is added to `problems`."""
    if isinstance(tree, dict):
        return {key: _expand(value, (*path, str(key)), problems) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_expand(value, (*path, index), problems) for index, value in enumerate(tree)]
    if not isinstance(tree, str):
        return tree

    def replacement(match: re.Match[str]) -> str:
        if match["damaged"]:
            problems.append(
                f"{dotted(path)}: a variable must read ${{NAME}} or ${{NAME:-default}}, "
                f"got {match['damaged']!r}"
            )
            return ""
        if match["name"] is None:
            return "$"
        value = os.environ.get(match["name"])
        if match["fallback"] is not None:
            return value or match["fallback"][2:]
        if value is None:
            problems.append(
                f"{dotted(path)}: the environment variable {match['name']} must be set, or have a default: "
                f"${{{match['name']}:-default}}"
            )
        return value or ""

    filled = _VARIABLE.sub(replacement, tree)
    if not _is_text(filled):
        problems.append(f"{dotted(path)}: must be text, got {shortened(filled)!r}")
    return filled


def _is_text(value: str) -> bool:
    """Say whether a string can be written to a file and name one: no NUL, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _escape(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _escape(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_escape(value) for value in tree]
    return tree.replace("$", "$$") if isinstance(tree, str) else tree
