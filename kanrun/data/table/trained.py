"""A column of another file as training had it: its unit, what it holds, and the texts that it may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kanrun.data.table.columns import EMPTY, NUMBER, Column
from kanrun.data.table.names import Name, numbers_called
from kanrun.data.units import conversion
from kanrun.errors import ConfigError, KanrunError, counted, shorten

MOST_TOLD = 4  # texts that a message names


@dataclass(frozen=True)
class Trained:
    """What training knows of a column: `unit` is that of its numbers, `written` the one that its file said.

    `seen` are the texts in its rows, of the `values` from which it has columns of 0 and 1.
    """

    name: Name
    unit: str | None = None
    written: str | None = None
    kind: str | None = None
    values: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def scale_of(header: str, given: str | None, trained: Trained) -> tuple[tuple[float, float] | None, str]:
    """Factor and shift that lead from the unit of a file to that of training, None for none, and what there is to say.

    The same unit as training's file wrote means what it meant there, and none as well. Raises KanrunError where the
    units cannot agree.
    """
    unit = trained.unit
    if given is None or given in (trained.written, unit):
        return None, ""
    label = shorten(header, 60)
    if unit is None:
        return None, f"{label}: in training it had no unit, so its numbers in {given} are taken as they are"
    found = conversion(given, unit)
    if found is None:
        raise KanrunError(f"{label}: numbers in {shorten(given, 60)} cannot be had in {unit}, the unit of training")
    return (None, "") if found == (1.0, 0.0) else (found, f"{label}: {given} is converted to {unit}, as in training")


def as_trained(column: Column, trained: Trained) -> tuple[Column, str]:
    """The column with training's name, unit and kind, and what there is to say.

    Raises KanrunError as `scale_of` does.
    """
    kind = column.kind if column.typed or column.kind == EMPTY else trained.kind or column.kind
    scale, note = scale_of(column.header, column.unit, trained) if kind == NUMBER else (None, "")
    own = replace(
        column, name=trained.name, kind=kind, unit=trained.written, values=trained.values or column.values,
        seen=trained.seen, scale=scale,
    )  # fmt: skip
    return own, note


class Likeness:
    """The columns of training as which those of another file are read; `notes` say what that meant."""

    def __init__(self, trained: Sequence[Trained] = ()) -> None:
        self.trained = trained
        self.notes: list[str] = []
        self.done: dict[str, Column] = {}

    def of(self, asked: str) -> Trained | None:
        """The column of training that is called so."""
        found = numbers_called([asked], [t.name for t in self.trained])
        return self.trained[found[0]] if len(found) == 1 else None

    def read_as(self, column: Column, trained: Trained) -> Column:
        """The column as training had it. Raises ConfigError where the units cannot agree."""
        if column.key not in self.done:
            try:
                self.done[column.key], note = as_trained(column, trained)
            except KanrunError as error:
                raise ConfigError(str(error)) from None
            self.notes += [note] if note else []
        return self.done[column.key]


def strangers(label: str, counts: Mapping[str, int], seen: Sequence[str]) -> str:
    """Which texts of a column training did not know, in how many rows, and which it did."""
    told = [f"{shorten(text, 30)!r} in {counted(n, 'row')}" for text, n in list(counts.items())[:MOST_TOLD]]
    more = f" and {len(counts) - MOST_TOLD} more" if len(counts) > MOST_TOLD else ""
    known = ", ".join(repr(shorten(text, 30)) for text in seen)
    return f"{shorten(label, 60)} is {', '.join(told)}{more}, which training did not know; it had {known}"
