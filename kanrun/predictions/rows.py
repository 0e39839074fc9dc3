"""Rows of a file for the inputs of a run, by the reader of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kanrun.errors import ConfigError, KanrunError
from kanrun.predictions.inputs import Array, Input


def rows_of(path: str | Path, inputs: Sequence[Input]) -> Array:
    """The numbers [rows, inputs] of a file in any format of tables; NaN where a cell is empty or holds no number.

    Columns are found by name, in any order; others are left out. Raises KanrunError, in one line that names the file,
    for what cannot be read and for a column that is not there.
    """
    from kanrun.data.table.columns import FILLED, Column, cleaned, columns_of
    from kanrun.data.table.files import opened
    from kanrun.data.table.raw import Told

    try:
        with opened(Path(path), Told()) as raw:
            columns, _ = columns_of(raw)
            by_name: dict[str, Column] = {c.name.name: c for c in columns} | {c.header: c for c in columns}
            import polars as pl

            wanted = []
            for number, one in enumerate(inputs):
                column = by_name[one.column(by_name)]
                cells = column.number(raw.decimal)
                if one.value is not None:
                    cells = (column.text() == one.value).cast(pl.Float64)
                wanted.append(cells.alias(f"x{number}"))
            rows = cleaned(raw.frame, len(columns)).filter(FILLED)
            frame = rows.select(wanted).collect(engine="streaming")
            values: Array = frame.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    except ConfigError as error:
        raise KanrunError(f"{path}: {'; '.join(error.problems)}") from None
    except KanrunError as error:
        raise KanrunError(f"{path}: {error}") from None
    if not len(values):
        raise KanrunError(f"{path}: there are no rows")
    return values
