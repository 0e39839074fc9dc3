"""Rows in memory as numbers: arrays by position, columns and frames by the names of the inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from kanrun.errors import KanrunError
from kanrun.predictions.inputs import Array, Input


def rows_from(given: Any, inputs: Sequence[Input]) -> Array:
    """The numbers [rows, inputs] of an array or lists of rows, a mapping of columns, or a frame of pandas or Polars.

    Columns are found by the user's names, in any order; others are left out. Raises KanrunError for what is missing,
    is no number, or has another number of columns.
    """
    if isinstance(given, Mapping):
        return by_name(given, list(given), inputs)
    if isinstance(given, (Tensor, np.ndarray, list, tuple)):
        return by_position(given, inputs)
    import narwhals

    try:
        frame = narwhals.from_native(given, eager_only=True)
    except TypeError:
        needed = "rows as an array, a mapping of columns or a frame are needed"
        raise KanrunError(f"{needed}, not {type(given).__name__}") from None
    return by_name({name: frame[name].to_numpy() for name in frame.columns}, frame.columns, inputs)


def by_position(given: Any, inputs: Sequence[Input]) -> Array:
    """The numbers of rows whose columns are in the order of the inputs; of one input [rows] will do."""
    values = as_floats(given.detach().cpu().numpy() if isinstance(given, Tensor) else given, "the rows")
    values = values[:, None] if values.ndim == 1 and len(inputs) == 1 else values
    if values.ndim != 2 or values.shape[1] != len(inputs):
        names = ", ".join(one.name for one in inputs)
        raise KanrunError(f"rows [rows, {len(inputs)}] of {names} are needed, not an array of shape {values.shape}")
    return values


def by_name(columns: Mapping[Any, Any], known: Iterable[Any], inputs: Sequence[Input]) -> Array:
    """The numbers of the columns that the inputs go by."""
    named = [name for name in known if isinstance(name, str)]
    found = []
    for one in inputs:
        name = one.column(named)
        column = np.atleast_1d(np.asarray(columns[name]))
        if one.value is not None:
            column = np.array([float(str(cell) == one.value) for cell in column])
        found.append(as_floats(column, f"column {name}"))
    if len({column.shape for column in found}) > 1 or any(column.ndim != 1 for column in found):
        raise KanrunError("all columns must have the same number of rows")
    return np.stack(found, axis=1)


def as_floats(values: Any, what: str) -> Array:
    """Numbers in float64, NaN for None. Raises KanrunError for anything else."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiubO":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise KanrunError(f"{what}: numbers are needed") from None
