"""Rows of a file for the inputs of a run, by the reader of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kanrun.data.table.trained import strangers
from kanrun.errors import ConfigError, KanrunError
from kanrun.predictions.inputs import Array, Input, Taken

if TYPE_CHECKING:
    import polars as pl

    from kanrun.data.table.columns import Column


def rows_of(path: str | Path, inputs: Sequence[Input]) -> Taken:
    """The rows of a file in any format of tables; NaN where a cell is empty or holds no number.

    Columns are found by name, in any order; others are left out. Numbers in other units than those of training are
    converted. Raises KanrunError, in one line that names the file, for what cannot be read, a column that is not there
    and units that cannot agree.
    """
    from kanrun.data.table.columns import FILLED, cleaned, columns_of
    from kanrun.data.table.files import opened
    from kanrun.data.table.raw import Told
    from kanrun.data.table.trained import Likeness

    try:
        with opened(Path(path), Told()) as raw:
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
    told = dict[str, str]()
    for k, one in enumerate(inputs):
        if f"t{k}" in frame.columns:
            strange = frame[f"t{k}"]
            unknown[:, k] = strange.is_not_null().to_numpy()
            if counts := dict(strange.drop_nulls().value_counts().sort(f"t{k}").iter_rows()):
                told[one.name] = strangers(one.name, counts, one.seen)
    return Taken(values, unknown, (*likeness.notes, *told.values()))


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
