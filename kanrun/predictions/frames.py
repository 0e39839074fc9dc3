"""Rows in memory as numbers: arrays by position, columns and frames by the names of the inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from kanrun.data.table.cells import is_missing
from kanrun.data.table.columns import BOOLEAN, DATE, Column, cleaned
from kanrun.data.table.names import name_of
from kanrun.data.table.trained import scale_of, strangers
from kanrun.errors import KanrunError
from kanrun.predictions.inputs import Array, Input, Taken, taken_of


def rows_from(given: Any, inputs: Sequence[Input]) -> Taken:
    """The rows [rows, inputs] of an array or lists of rows, a mapping of columns, or a frame of pandas or Polars.

    Columns are found by the user's names, in any order, and converted where their names say other units than those of
    training; others are left out. Raises KanrunError for what is missing, is no number, has units that cannot agree or
    another number of columns.
    """
    if isinstance(given, Mapping):
        return by_name(given, list(given), inputs)
    if isinstance(given, (Tensor, np.ndarray, list, tuple)):
        return taken_of(by_position(given, inputs))
    import narwhals

    try:
        frame = narwhals.from_native(given, eager_only=True, pass_through=True)
        if not isinstance(frame, narwhals.DataFrame):
            needed = "rows as an array, a mapping of columns or a frame are needed"
            raise KanrunError(f"{needed}, not {type(given).__name__}")
        columns = {name: frame[name].to_numpy() for name in frame.columns}
    except (TypeError, narwhals.exceptions.NarwhalsError):  # of names in several levels, or one that is there twice
        raise KanrunError("the columns of a frame need a name each, and no two the same") from None
    return by_name(columns, frame.columns, inputs)


def by_position(given: Any, inputs: Sequence[Input]) -> Array:
    """The numbers of rows whose columns are in the order of the inputs; of one input [rows] will do."""
    values = as_floats(given.detach().cpu().numpy() if isinstance(given, Tensor) else given, "the rows")
    values = values[:, None] if values.ndim == 1 and len(inputs) == 1 else values
    if values.ndim != 2 or values.shape[1] != len(inputs):
        names = ", ".join(one.name for one in inputs)
        raise KanrunError(f"rows [rows, {len(inputs)}] of {names} are needed, not an array of shape {values.shape}")
    return values


def by_name(columns: Mapping[Any, Any], known: Iterable[Any], inputs: Sequence[Input]) -> Taken:
    """The columns that the inputs go by."""
    named = [name for name in known if isinstance(name, str)]
    names = [name_of(name) for name in named]
    found, unknown, notes = [], [], dict[str, None]()
    for one in inputs:
        number = one.number(names)
        column = np.atleast_1d(np.asarray(columns[named[number]]))
        strange = np.zeros(column.shape, dtype=bool)
        if one.value is None:
            column = as_kind(column, one, f"column {named[number]}")
            scale, note = scale_of(names[number].header, names[number].unit, one.trained)
            column = column if scale is None else column * scale[0] + scale[1]
        else:
            column, strange, note = as_text(column.ravel().tolist(), one)
        found.append(column)
        unknown.append(strange)
        notes |= {note: None} if note else {}
    if len({column.shape for column in found}) > 1 or any(column.ndim != 1 for column in found):
        raise KanrunError("all columns must have the same number of rows")
    return Taken(np.stack(found, axis=1), np.stack(unknown, axis=1), tuple(notes))


def as_text(cells: Sequence[Any], one: Input) -> tuple[Array, Array, str]:
    """Whether cells are the text of an input, NaN where they are missing; which training did not know, and a word."""
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    missing = np.array([is_missing(text) for text in texts], dtype=bool)
    values = np.where(missing, np.nan, [float(text == one.value) for text in texts])
    strange = ~missing & np.array([bool(one.seen) and text not in one.seen for text in texts], dtype=bool)
    counts = Counter(text for text, odd in zip(texts, strange.tolist(), strict=True) if odd)
    return values, strange, strangers(one.name, dict(sorted(counts.items())), one.seen) if counts else ""


def as_kind(cells: Array, one: Input, what: str) -> Array:
    """The numbers of an input; of truth values and days as the file of training wrote them, too.

    Raises KanrunError for anything else.
    """
    try:
        return as_floats(cells, what)
    except KanrunError:
        if one.kind not in (BOOLEAN, DATE) or cells.ndim != 1:
            raise
    import polars as pl

    plain = np.datetime_as_string(cells.astype("datetime64[ms]")) if cells.dtype.kind == "M" else cells
    texts = ["" if cell is None else str(cell) for cell in plain]
    column = Column("c0", name_of(one.name), one.kind, typed=False)
    numbers = cleaned(pl.LazyFrame({"c0": pl.Series(texts, dtype=pl.String)}), 1).select(column.number("."))
    values: Array = numbers.collect().to_series().fill_null(float("nan")).to_numpy().astype(np.float64)
    return values


def as_floats(values: Any, what: str) -> Array:
    """Numbers in float64, NaN for None. Raises KanrunError for anything else."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiubO":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise KanrunError(f"{what}: numbers are needed") from None
