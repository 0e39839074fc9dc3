"""Rows of a file for the inputs of a run, by the reader of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kanrun.data.table.raw import Told
from kanrun.data.table.trained import strangers
from kanrun.errors import ConfigError, KanrunError
from kanrun.predictions.inputs import Array, Input, Taken

if TYPE_CHECKING:
    import polars as pl

    from kanrun.data.table.columns import Column
    from kanrun.data.table.raw import Raw


def rows_of(path: str | Path, inputs: Sequence[Input], told: Told | None = None) -> Taken:
    """The rows of a file in any format of tables; NaN where a cell is empty or holds no number.

    Columns are found by name, in any order; others are left out. Numbers in other units than those of training are
    converted. How the file of training was `told` to be written, this one is, unless its columns are not found so.
    Raises KanrunError, in one line that names the file, for what cannot be read, a column that is not there and units
    that cannot agree.
    """
    called = tuple(name for one in inputs for name in one.names)
    plain, as_there = Told(called=called), replace(told or Told(), called=called)
    if as_there == plain:
        return rows_told(path, inputs, plain)
    try:
        return rows_told(path, inputs, as_there)
    except KanrunError as error:
        try:
            return rows_told(path, inputs, plain)
        except KanrunError:
            raise error from None


def rows_told(path: str | Path, inputs: Sequence[Input], told: Told) -> Taken:
    """The same of a file that is written as it is told."""
    from kanrun.data.table.columns import FILLED, cleaned, columns_of
    from kanrun.data.table.files import opened
    from kanrun.data.table.trained import Likeness

    try:
        with opened(Path(path), told) as raw:
            columns, _ = columns_of(raw)
            names, likeness = [c.name for c in columns], Likeness()
            own = [likeness.read_as(columns[one.number(names)], one.trained) for one in inputs]
            wanted = [cells.alias(f"{kind}{k}") for k, (one, column) in enumerate(zip(inputs, own, strict=True))
                      for kind, cells in cells_of(one, column, raw.decimal).items()]  # fmt: skip
            frame = cleaned(raw.frame, len(columns)).filter(FILLED).select(wanted).collect(engine="streaming")
            values = as_array(frame.select([f"x{k}" for k in range(len(inputs))]), float("nan"))
    except ConfigError as error:
        raise KanrunError(f"{path}: {'; '.join(error.problems)}") from None
    except KanrunError as error:
        raise KanrunError(f"{path}: {error}") from None
    if not len(values):
        raise KanrunError(f"{path}: there are no rows")
    unknown = np.zeros(values.shape, dtype=bool)
    texts = dict[str, str]()
    for k, one in enumerate(inputs):
        if f"t{k}" in frame.columns:
            strange = frame[f"t{k}"]
            unknown[:, k] = strange.is_not_null().to_numpy()
            if counts := dict(strange.drop_nulls().value_counts().sort(f"t{k}").iter_rows()):
                texts[one.name] = strangers(one.name, counts, one.seen)
    return Taken(values, unknown, (*as_told(path, told, raw), *likeness.notes, *texts.values()))


def as_told(path: str | Path, told: Told, raw: Raw) -> list[str]:
    """That a text is read as the run was told of its own file: 1,234 is another number with another decimal mark."""
    settings = {"separator": told.separator, "decimal": told.decimal, "encoding": told.encoding}
    given = ", ".join(f"{name}={value!r}" for name, value in settings.items() if value is not None)
    return [f"{Path(path).name} is read with {given}, as in training"] if given and raw.records else []


def cells_of(one: Input, column: Column, decimal: str) -> dict[str, pl.Expr]:
    """The cells of an input as numbers `x`, and as texts `t` where these are none that training knew."""
    import polars as pl

    if one.value is None:
        return {"x": column.number(decimal)}
    text = column.text()
    cells = {"x": (text == one.value).cast(pl.Float64)}
    return cells | ({"t": pl.when(~text.is_in(list(one.seen))).then(text)} if one.seen else {})


def as_array(frame: pl.DataFrame, missing: float) -> Array:
    """Numbers in float64, with a number for what is missing."""
    import polars as pl

    values: Array = frame.cast(pl.Float64).fill_null(missing).to_numpy().astype(np.float64)
    return values
