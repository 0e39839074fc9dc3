from __future__ import annotations

import csv
import io
from dataclasses import replace

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
        "note: 1 of 14 rows beyond the training rows, in time, s, =dose note: 1 of 14 rows without a value"
    )


def test_all_rows_are_in_the_file_with_all_digits() -> None:
    table = list(csv.reader(io.StringIO(as_csv(predicted(), X, INPUTS))))
    assert table[0] == ["time, s", "=dose", "y", "y error", "beyond"]
    assert len(table) == 15
    assert [float(cell) for cell in table[1][:3]] == [*X[0], 2.5 * X[0, 0] + X[0, 1]]
    assert table[4][-1] == "time, s, =dose"
    assert table[6][2:4] == ["", ""]


def test_texts_and_units_stand_in_the_heads() -> None:
    gases = [Input(f"g_{v}", ("gas",), 0.0, 1.0, v, ("He", "N2", "O2")) for v in ("N2", "O2")]
    inputs = [*gases, Input("T", ("T", "T (K)"), unit="K")]
    found = of_formulas([{"output": "V", "expression": "g_N2 + T"}], np.array([[1.0, 0.0, 2.0]]), inputs)
    found = replace(found, heads=[("V (m^3)", "V error (m^3)")], beyond=np.array([[True, True, False]]))
    header, row = as_csv(found, np.array([[1.0, 0.0, 2.0]]), inputs).splitlines()
    assert header == "gas = N2,gas = O2,T (K),V (m^3),beyond"
    assert row == "1.0,0.0,2.0,3.0,gas"
    lines = shown(replace(found, notes=("gas is 'Ar'",)), inputs)
    assert lines[0].split() == ["row", "V", "(m^3)", "beyond"]
    assert lines[2:4] == ["note: gas is 'Ar'", "note: 1 of 1 row beyond the training rows, in gas"]


def test_a_run_without_a_range_is_said() -> None:
    assert shown(predicted(X[:1]), [Input("x_1", ("a",)), Input("x_2", ("b",))])[-1] == (
        "note: the run does not say in which range it was trained"
    )


def test_of_classes_the_likeliest_is_told_with_its_probability() -> None:
    x = np.array([[0.5, 0.5], [0.25, 0.5], [np.nan, 0.5]])
    entries = [{"output": "logit_cat", "expression": "log(3)"}, {"output": "logit_dog", "expression": "4*x_1 - 2"}]
    found = of_formulas(entries, x, INPUTS, classes=True)
    assert [line.split() for line in shown(found)[:4]] == [
        ["row", "class", "probability"], ["1", "cat", "0.75"], ["2", "cat", f"{3 / (3 + np.exp(-1)):.6g}"],
        ["3", "-", "-"],
    ]  # fmt: skip
    header, first, _, last = csv.reader(io.StringIO(as_csv(found, x, INPUTS)))
    assert header == ["time, s", "=dose", "class", "probability", "beyond"]
    assert first[2] == "cat" and abs(float(first[3]) - 0.75) < 1e-12
    assert last[2:4] == ["", ""]
