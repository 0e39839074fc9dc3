"""Predictions as a table on the console, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kanrun.errors import counted
from kanrun.predictions.inputs import Array, Input, heads_of
from kanrun.predictions.predict import Predictions
from kanrun.report.standard_output import console_of

FIRST = 10  # rows that are shown


def columns_of(found: Predictions) -> list[tuple[str, Array | list[str]]]:
    """What is predicted, by the heads of its columns: values and their standard errors, or classes."""
    if found.classes:
        return [("class", found.labels), ("probability", found.probabilities)]
    columns: list[tuple[str, Array | list[str]]] = []
    for j, (head, of_error) in enumerate(found.heads or heads_of(found.outputs, [])):
        columns.append((head, found.values[:, j]))
        if (errors := found.errors[j]) is not None:
            columns.append((of_error, errors))
    return columns


def names_beyond(found: Predictions, inputs: Sequence[Input], row: int) -> str:
    """The inputs of a row that are beyond the range of the training rows."""
    return ", ".join(dict.fromkeys(inputs[i].name for i in np.flatnonzero(found.beyond[row]).tolist()))


def as_csv(found: Predictions, x: Array, inputs: Sequence[Input]) -> str:
    """All rows: the inputs `x` [rows, inputs] and what is predicted, under names with units, and what is beyond."""
    columns = [(one.head, x[:, i]) for i, one in enumerate(inputs)] + columns_of(found)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*(name for name, _ in columns), "beyond"])
    for row in range(len(x)):
        cells = [written(values[row]) for _, values in columns]
        table.writerow([*cells, names_beyond(found, inputs, row)])
    return text.getvalue()


def written(value: float | str) -> str:
    """A cell with all digits, empty where there is no value."""
    if isinstance(value, str):
        return value
    return repr(float(value)) if np.isfinite(value) else ""


def show_predictions(found: Predictions, inputs: Sequence[Input], out: Console | None = None) -> None:
    """The first rows as a table, and what there is to know about all of them."""
    out, columns = out or console_of(), columns_of(found)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("row", justify="right")
    for name, _ in columns:
        table.add_column(escape(name), justify="right", overflow="fold")
    flagged = bool(found.beyond.any())
    if flagged:
        table.add_column("beyond", overflow="fold")
    rows = len(found.values)
    for row in range(min(rows, FIRST)):
        cells = [escape(shown(values[row])) for _, values in columns]
        table.add_row(str(row + 1), *cells, *([escape(names_beyond(found, inputs, row))] * flagged))
    out.print(table)
    if rows > FIRST:
        out.print(f"... and {counted(rows - FIRST, 'row')} more; -o FILE writes all")
    for line in remarks(found, inputs):
        out.print(f"[yellow]note[/]: {escape(line)}")


def remarks(found: Predictions, inputs: Sequence[Input]) -> Iterator[str]:
    """What a reader of the predictions should know."""
    yield from found.notes
    rows = len(found.values)
    outside = int(found.beyond.any(1).sum())
    if outside:
        names = dict.fromkeys(inputs[i].name for i in np.flatnonzero(found.beyond.any(axis=0)).tolist())
        yield f"{outside} of {counted(rows, 'row')} beyond the training rows, in {', '.join(names)}"
    lost = int((~np.isfinite(found.values)).any(1).sum())
    if lost:
        yield f"{lost} of {counted(rows, 'row')} without a value"
    if not any(one.low is not None for one in inputs):
        yield "the run does not say in which range it was trained"


def shown(value: float | str) -> str:
    """A cell to six digits."""
    if isinstance(value, str):
        return value or "-"
    return f"{value:.6g}" if np.isfinite(value) else "-"
