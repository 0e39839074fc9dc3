"""What a model takes: its inputs with all the names that they go by and the range of the rows that trained it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanrun.errors import KanrunError

Array = NDArray[Any]


@dataclass(frozen=True)
class Input:
    """One input: `names` are those that its column may have, the user's own first.

    `low` and `high` are the range of the training rows, None where it is not known. An input that says whether a column
    has a certain `value` is 1 where it has, and 0 elsewhere.
    """

    identifier: str
    names: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    value: str | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.names[0]

    def column(self, known: Iterable[str]) -> str:
        """Its column among those `known`. Raises KanrunError where it is not there, with the nearest."""
        known = list(known)
        for name in self.names:
            if name in known:
                return name
        plain = {" ".join(one.split()).lower(): one for one in known}
        for name in self.names:
            if name.lower() in plain:
                return plain[name.lower()]
        close = difflib.get_close_matches(self.name, known, n=1, cutoff=0.5)
        listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        meant = f"did you mean {close[0]}? " if close else ""
        raise KanrunError(f"no column {self.name}; {meant}there are {listed or 'none'}")


def inputs_of(
    identifiers: Sequence[str], symbols: Mapping[str, str], columns: Sequence[Mapping[str, Any]]
) -> list[Input]:
    """The inputs of a run, from what formula.json and metrics.json say of them; either may say nothing."""
    known = {one.get("symbol"): one for one in columns if one.get("role", "input") == "input"}
    found = []
    for identifier in identifiers:
        about = known.get(identifier, {})
        value = None if about.get("value") is None else str(about["value"])
        header = about.get("name")
        names = [header] if value is not None else [symbols.get(identifier), header, identifier]
        low, high = (float(v) if isinstance(v := about.get(key), (int, float)) else None for key in ("low", "high"))
        plain = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
        found.append(Input(identifier, plain or (identifier,), low, high, value))
    return found


def beyond(x: Array, inputs: Sequence[Input]) -> Array:
    """Which inputs of the rows `x` [rows, inputs] lie outside the range of the training rows: [rows, inputs]."""
    low = np.array([-np.inf if one.low is None else one.low for one in inputs])
    high = np.array([np.inf if one.high is None else one.high for one in inputs])
    return (x < low) | (x > high)
