"""What is wrong with a configuration, one line each: "path: rule, got value"."""

from __future__ import annotations

import difflib
import inspect
import json
import typing
from collections.abc import Iterator, Sequence, Set
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]

_NOT_GIVEN = "must be given, it has no default"
_RULES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "path_type": "must be a path",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} item(s)",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "model_type": "must be a mapping of keys to values",
}


def dotted(path: Sequence[str | int]) -> str:
    """Return the path as `--set` takes it: data.train.0.raw."""
    return ".".join(str(part) for part in path)


def shown(value: Any) -> str:
    """Return a value as YAML would have it, in one short line."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(value)
    return shortened(text)


def shortened(text: str) -> str:
    """Return a text, or its beginning, so that it fits into a line."""
    return text if len(text) <= 80 else text[:77] + "..."


def problems_of(error: ValidationError, tree: Any, model: type[BaseModel]) -> list[str]:
    """Word every problem pydantic found, with the names of `model` and the values of `tree`.

    The alternatives of one value (`threshold: auto`, or a number) are one problem, not two.
    """
    rules: dict[Path, list[str]] = {}
    names = _names_in(model)
    for item in error.errors(include_url=False):
        if item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # pydantic counts only the valid items; the invalid ones speak for themselves
        path = _path_in_tree(item["loc"], tree, names)
        rule = _rule(item, path, model)
        if rule not in rules.setdefault(path, []):
            rules[path].append(rule)
    return [_line(path, alternatives) for path, alternatives in rules.items()]


def _line(path: Path, alternatives: list[str]) -> str:
    """Join 'must be a number, got "x"' and 'must be "auto", got "x"'."""
    first, *others = alternatives
    if others and ", got " in first:
        rule, _, got = first.rpartition(", got ")
        choices = [other.rpartition(", got ")[0].removeprefix("must be ") for other in others]
        first = f"{' or '.join([rule, *choices])}, got {got}"
    return f"{dotted(path)}: {first}" if path else first


def _path_in_tree(location: Sequence[str | int], tree: Any, names: Set[str]) -> Path:
    """Drop the parts that name a type and not a place: pydantic adds one for each choice of a union."""
    path: list[str | int] = []
    for part in location:
        if isinstance(part, str) and not (isinstance(tree, dict) and (part in tree or part in names)):
            continue
        if isinstance(tree, dict) and isinstance(part, str):
            path.append(part)
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            path.append(part)
            tree = tree[part]
        else:
            break
    return tuple(path)


@cache
def _names_in(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of all keys of a model and of the sections inside it, as a file has them."""
    schema = model.model_json_schema(by_alias=True)
    sections = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for section in sections for name in section.get("properties", ()))


def _rule(item: Any, path: Path, model: type[BaseModel]) -> str:
    kind, got = item["type"], shown(item["input"])
    if kind == "extra_forbidden":
        return f"unknown key; {_suggestion(path, model)}"
    if kind == "missing":
        at = item["loc"][-1]
        return f"must have more than {at} item(s), got {got}" if isinstance(at, int) else _NOT_GIVEN
    if kind == "value_error":
        return str(item["ctx"]["error"])
    rule = _RULES.get(kind, f"must {item['msg'].removeprefix('Input should ')}").format(**item.get("ctx", {}))
    return f"{rule}, got {got}"


def _suggestion(path: Path, model: type[BaseModel]) -> str:
    """Name the known key that an unknown one probably means: here, or elsewhere in the configuration."""
    section = _model_at(path[:-1], model)
    known = [*section.model_fields, *getattr(section, "written_out", ())]
    name = str(path[-1])
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    elsewhere = [place for place in _all_keys(model) if place.split(".")[-1] == name]
    if elsewhere:
        return f"did you mean `{elsewhere[0]}`?"
    return "known keys here: " + ", ".join(known)


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section inside an annotation such as `tuple[VolumeConfig, ...]`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _all_keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield above + name
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from _all_keys(inner, f"{above}{name}.")
