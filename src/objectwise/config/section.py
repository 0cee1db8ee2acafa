"""What every part of the configuration is."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every part of the configuration: strict, frozen, no unknown keys.

    The docstring of each field is its meaning in `docs/configuration.md`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    written_out: ClassVar[tuple[str, ...]] = ()
    """Keys that a file may have and this has no longer: they became others as it was read."""
