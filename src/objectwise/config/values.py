"""Kinds of numbers that several sections share, and the words for an option that would do nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from objectwise.config.section import Section

Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Shape = tuple[PositiveInt, ...]


def default_of(section: Section, name: str) -> object:
    """Return the default of a key; an option at it changes nothing, so a complete dump loads again."""
    return type(section).model_fields[name].default


def without_effect(key: str, why: str) -> ValueError:
    """Return the error of an option that would be ignored."""
    return ValueError(f"{key} has no effect {why}; leave it out (--set {key}=null)")
