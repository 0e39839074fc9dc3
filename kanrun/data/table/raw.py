"""A file's rows as the engine reads them, whatever kind of file it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanrun.data.table.layout import Layout
from kanrun.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

ROW = "row number"  # the column that counts records, which no user's column can be called: those are c0, c1, ...
MORE = 3  # fields beyond those of the header that are looked at


@dataclass(frozen=True)
class Told:
    """What the user has said of a file: how it is written, and what its columns are called by."""

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    called: Sequence[str] = ()


@dataclass(frozen=True)
class Raw:
    """A file's rows as the engine reads them: columns c0, c1, ... and `row number`, below names and units.

    Text files have texts in all columns, of which the last `MORE` have no name: what is there is too much. `records`
    gives (number, line, cells) of a text's records; `aside` names what in the file is no column, with why, `doubt`
    says what may be wrong where a name is not found, and `mark` is the decimal mark of texts in a file of values.
    """

    frame: pl.LazyFrame
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    layout: Layout | None = None
    kind: str = ""
    records: Callable[[], Iterator[tuple[int, int, list[str]]]] | None = field(default=None, repr=False)
    aside: tuple[str, ...] = ()
    doubt: str = ""
    mark: str = "."

    @property
    def decimal(self) -> str:
        """The decimal mark of texts."""
        return self.layout.decimal if self.layout else self.mark


Reader = Callable[[Path, Path, Told], Raw]  # from a file and a folder for what has to be written on the way


def of_columns(names: Sequence[str], columns: Sequence[Any], kind: str, aside: Sequence[str] = ()) -> Raw:
    """Columns in memory. Raises ConfigError where there is none."""
    import polars as pl

    if not columns:
        raise ConfigError("it has no columns")
    series = [pl.Series(f"c{i}", plain(c)) for i, c in enumerate(columns)]
    return Raw(
        pl.DataFrame(series).lazy().with_row_index(ROW), tuple(map(str, names)), kind=kind, aside=tuple(aside)
    )  # fmt: skip


def plain(column: Any) -> Any:
    """An array of a type that the engine has, in the order of this machine."""
    if not isinstance(column, np.ndarray):
        return column
    if column.dtype.kind == "S":
        return np.char.decode(column, "utf-8", "replace")
    if column.dtype.kind == "f" and column.dtype.itemsize not in (4, 8):
        return np.ascontiguousarray(column, dtype=float)
    return np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("="))


def renamed(frame: pl.LazyFrame, kind: str) -> Raw:
    """A frame of the engine's with plain names."""
    import polars as pl

    names = frame.collect_schema().names()
    if not names:
        raise ConfigError("it has no columns")
    columns = [pl.col(name).alias(f"c{i}") for i, name in enumerate(names)]
    return Raw(frame.select(columns).with_row_index(ROW), tuple(names), kind=kind)
