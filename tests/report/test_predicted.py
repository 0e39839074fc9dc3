from __future__ import annotations

import csv
import io

import numpy as np
from rich.console import Console

from kanrun.predictions.inputs import Array, Input
from kanrun.predictions.predict import Predictions, of_formulas
from kanrun.report.predicted import as_csv, show_predictions

INPUTS = [Input("x_1", ("time, s",), 0.0, 1.0), Input("x_2", ("=dose",), 0.0, 1.0)]
X = np.random.default_rng(0).uniform(0, 1, (14, 2))
X[3], X[5, 0] = (2.0, -1.0), np.nan


def predicted(x: Array = X) -> Predictions:
    return of_formulas([{"output": "y", "expression": "2.5*x_1 + x_2", "covariance": [[0.04]]}], x, INPUTS)


def shown(found: Predictions, inputs: list[Input] = INPUTS) -> list[str]:
    text = io.StringIO()
    show_predictions(found, inputs, Console(file=text, width=60, highlight=False))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_the_first_rows_are_shown_with_what_there_is_to_know() -> None:
    lines = shown(predicted())
    assert lines[0].split() == ["row", "y", "y", "error", "beyond"]
    assert lines[1].split()[:2] == ["1", f"{2.5 * X[0, 0] + X[0, 1]:.6g}"]
    assert lines[4].split() == ["4", "4", "0.4", "time,", "s,", "=dose"]
    assert lines[6].split() == ["6", "-", "-"]
    assert lines[11] == "... and 4 rows more; -o FILE writes all"
    assert " ".join(lines[12:]) == (
        "note: 1 of 14 rows beyond the range of the training rows, in time, s, =dose note: 1 of 14 rows without a value"
    )


def test_all_rows_are_in_the_file_with_all_digits() -> None:
    table = list(csv.reader(io.StringIO(as_csv(predicted(), X, INPUTS))))
    assert table[0] == ["time, s", "=dose", "y", "y error", "beyond"]
    assert len(table) == 15
    assert [float(cell) for cell in table[1][:3]] == [*X[0], 2.5 * X[0, 0] + X[0, 1]]
    assert table[4][-1] == "time, s, =dose"
    assert table[6][2:4] == ["", ""]


def test_a_run_without_a_range_is_said() -> None:
    assert shown(predicted(X[:1]), [Input("x_1", ("a",)), Input("x_2", ("b",))])[-1] == (
        "note: the run does not say in which range it was trained"
    )
