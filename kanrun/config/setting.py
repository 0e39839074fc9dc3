"""One setting: its default, a line of documentation and what is allowed."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its documentation and what is allowed: at least, at most, more than, or one of."""
    metadata = {"doc": doc, "low": low, "high": high, "above": above, "choices": choices}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def section(kind: type, doc: str) -> Any:
    """A nested group of settings."""
    return field(default_factory=kind, metadata={"doc": doc})
