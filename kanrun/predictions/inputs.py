"""What a model takes and gives: inputs with all the names that they go by, outputs, and the rows that trained it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanrun.data.table.names import Name, name_of, numbers_called
from kanrun.data.table.trained import Trained
from kanrun.errors import KanrunError

Array = NDArray[Any]


@dataclass(frozen=True)
class Input:
    """One input: `names` are those that its column may have, the user's own first.

    `low` and `high` are the range of the training rows, None where it is not known. An input that says whether a column
    has a certain `value` is 1 where it has, and 0 elsewhere; `seen` are the texts that training knew, empty where that
    is not known. `unit` is the one that its numbers have, `written` the one that the file of training said, and `kind`
    what its column held.
    """

    identifier: str
    names: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    value: str | None = None
    seen: tuple[str, ...] = ()
    unit: str | None = None
    written: str | None = None
    kind: str | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.names[0]

    @property
    def head(self) -> str:
        """What stands above its numbers in a table: as training had it, with the unit, or which text it is about."""
        return f"{self.name} = {self.value}" if self.value is not None else headed(self.names, self.unit)

    @property
    def trained(self) -> Trained:
        """Its column as training had it."""
        return Trained(name_of(self.name), self.unit, self.written, self.kind, self.seen, self.seen)

    def number(self, known: Sequence[Name]) -> int:
        """Which of the columns `known` is its own, by a name with or without a unit.

        Raises KanrunError where none is, with the nearest, or where several are.
        """
        found = numbers_called(self.names, known)
        if len(found) == 1:
            return found[0]
        headers = [one.header for one in known]
        if found:
            several = ", ".join(repr(headers[i]) for i in found)
            raise KanrunError(f"several columns are called {self.name}: {several}; one of them is needed")
        close = difflib.get_close_matches(self.name, headers, n=1, cutoff=0.5)
        listed = ", ".join(headers[:8]) + (", ..." if len(headers) > 8 else "")
        meant = f"did you mean {close[0]}? " if close else ""
        raise KanrunError(f"no column {self.name}; {meant}there are {listed or 'none'}")


@dataclass(frozen=True)
class Taken:
    """Rows as a model takes them: numbers `x` [rows, inputs], in the units of training.

    `unknown` [rows, inputs] says where a text is none that training knew; `notes` is what there is to say.
    """

    x: Array
    unknown: Array
    notes: tuple[str, ...] = ()


def taken_of(x: Array) -> Taken:
    """Numbers of which there is nothing to say."""
    return Taken(x, np.zeros(x.shape, dtype=bool))


def headed(names: Sequence[str], unit: str | None) -> str:
    """A column's head: of its names the one that says the unit, or its name with the unit."""
    if unit is None:
        return names[0]
    return next((name for name in names if name_of(name).unit == unit), f"{names[0]} ({unit})")


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
        unit, seen = about.get("unit"), tuple(map(str, about.get("values") or ())) if value is not None else ()
        written = about.get("unit_in_file", unit)
        low, high = (float(v) if isinstance(v := about.get(key), (int, float)) else None for key in ("low", "high"))
        plain = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
        found.append(
            Input(identifier, plain or (identifier,), low, high, value, seen, unit, written, about.get("type"))
        )
    return found


def heads_of(outputs: Sequence[str], columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What stands above the values of each output in a table, and above their errors: as training had it."""
    known = {one.get("symbol"): one for one in columns if one.get("role") == "target"}
    found = []
    for output in outputs:
        about = known.get(output, {})
        header, unit = str(about.get("name", output)), about.get("unit")
        of_it = name_of(header).name == output
        errors = f"{output} error" + (f" ({unit})" if unit else "")
        found.append((headed([output, header] if of_it else [output], unit), errors))
    return found


def beyond(x: Array, inputs: Sequence[Input]) -> Array:
    """Which inputs of the rows `x` [rows, inputs] lie outside the range of the training rows: [rows, inputs]."""
    low = np.array([-np.inf if one.low is None else one.low for one in inputs])
    high = np.array([np.inf if one.high is None else one.high for one in inputs])
    return (x < low) | (x > high)
