from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.errors import KanrunError
from kanrun.predictions.frames import rows_from
from kanrun.predictions.inputs import Input

INPUTS = [Input("T", ("T (K)", "T")), Input("p", ("p",)), Input("gas_N2", ("gas",), value="N2")]
X = [[300.0, 1.0, 1.0], [310.0, 2.0, 0.0]]
COLUMNS: dict[str, Any] = {"gas": ["N2", "O2"], "p": [1, 2], "note": ["a", "b"], "T (K)": [300.0, 310.0]}


@pytest.mark.parametrize("given", [X, np.array(X), torch.tensor(X), torch.tensor(X, requires_grad=True), tuple(X)])
def test_rows_come_in_the_order_of_the_inputs(given: Any) -> None:
    assert rows_from(given, INPUTS).x.tolist() == X


def test_columns_come_by_name() -> None:
    assert rows_from(COLUMNS, INPUTS).x.tolist() == X
    assert rows_from({**COLUMNS, "p": torch.tensor([1.0, 2.0])}, INPUTS).x.tolist() == X


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_come_by_name(kind: str) -> None:
    library = pytest.importorskip(kind)
    frame = library.DataFrame(COLUMNS)
    assert rows_from(frame, INPUTS).x.tolist() == X
    holes = library.DataFrame({**COLUMNS, "p": [None, 2.0]})
    assert np.isnan(rows_from(holes, INPUTS).x).tolist() == [[False, True, False], [False, False, False]]


def test_one_input_may_come_as_plain_numbers() -> None:
    assert rows_from([1, 2], INPUTS[:1]).x.tolist() == [[1.0], [2.0]]
    assert rows_from({"T": 3.5}, INPUTS[:1]).x.tolist() == [[3.5]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[1.0, 2.0]], r"rows \[rows, 3\] of T \(K\), p, gas are needed, not an array of shape \(1, 2\)"),
        ([["a", "b", "c"]], "the rows: numbers are needed"),
        ({**COLUMNS, "p": ["a", "b"]}, "column p: numbers are needed"),
        ({**COLUMNS, "p": [1.0]}, "all columns must have the same number of rows"),
        ({"gas": ["N2"]}, r"no column T \(K\)"),
        (3, "rows as an array, a mapping of columns or a frame are needed, not int"),
    ],
)
def test_what_is_no_rows_is_said(given: Any, said: str) -> None:
    with pytest.raises(KanrunError, match=said):
        rows_from(given, INPUTS)


TOLD = Input("T", ("T", "T (K)"), unit="K", written="K")
GAS = [Input(f"gas_{v}", ("gas",), value=v, seen=("He", "N2", "O2")) for v in ("N2", "O2")]


@pytest.mark.parametrize(
    ("name", "kelvin"),
    [("T", 20.0), ("T (K)", 20.0), ("T (degC)", 293.15), ("T [degF]", 266.4833333), ("t (°C)", 293.15)],
)
def test_columns_in_other_units_are_converted_and_that_is_told(name: str, kelvin: float) -> None:
    taken = rows_from({name: [20.0, None]}, [TOLD])
    assert taken.x[0, 0] == pytest.approx(kelvin) and np.isnan(taken.x[1, 0])
    assert [note.endswith("is converted to K, as in training") for note in taken.notes] == [True] * (kelvin != 20)


def test_units_that_cannot_agree_are_refused() -> None:
    with pytest.raises(KanrunError, match=r"T \(m\): numbers in m cannot be had in K, the unit of training"):
        rows_from({"T (m)": [1.0]}, [TOLD])
    with pytest.raises(KanrunError, match=r"several columns are called T: 'T \(degC\)', 'T \(degF\)'"):
        rows_from({"T (degC)": [1.0], "T (degF)": [1.0]}, [TOLD])
    assert rows_from({"T (degC)": [1.0], "T (K)": [2.0]}, [TOLD]).x.tolist() == [[2.0]]


def test_a_unit_that_the_config_of_training_overruled_means_the_same_again() -> None:
    overruled = Input("T", ("T", "T (degC)"), unit="K", written="degC")
    assert rows_from({"T (degC)": [1.0]}, [overruled]).x.tolist() == [[1.0]]
    assert rows_from({"T (degF)": [32.0]}, [overruled]).x[0, 0] == pytest.approx(273.15)


def test_a_unit_where_training_had_none_is_told() -> None:
    taken = rows_from({"T (degC)": [1.0]}, [Input("T", ("T",))])
    assert taken.x.tolist() == [[1.0]]
    assert taken.notes == ("T (degC): in training it had no unit, so its numbers in degC are taken as they are",)


def test_texts_that_training_did_not_know_are_flagged_and_missing_ones_have_no_value() -> None:
    taken = rows_from({"gas": ["N2", "Xe", " He ", None, "Ar", "Ar", "n/a", float("nan")]}, GAS)
    nan = [np.nan, np.nan]
    assert np.array_equal(taken.x, [[1, 0], [0, 0], [0, 0], nan, [0, 0], [0, 0], nan, nan], equal_nan=True)
    assert taken.unknown[:, 0].tolist() == [False, True, False, False, True, True, False, False]
    assert taken.unknown[:, 1].tolist() == taken.unknown[:, 0].tolist()
    assert taken.notes == (
        "gas is 'Ar' in 2 rows, 'Xe' in 1 row, which training did not know; it had 'He', 'N2', 'O2'",
    )


KINDS = [Input("day", ("day",), unit="d", written="d", kind="date"), Input("ok", ("ok",), kind="boolean")]
DAYS, MIDDAY = 19723, datetime(2024, 1, 1, 12)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("day", [MIDDAY, "2024-01-01 12:00", "2024-01-01T12:00Z", DAYS + 0.5])
@pytest.mark.parametrize("ok", [True, "yes", "TRUE", 1])
def test_days_and_truth_values_are_those_of_a_file(kind: str, day: Any, ok: Any) -> None:
    frame = pytest.importorskip(kind).DataFrame({"ok": [ok, None], "day": [day, None]})
    first, second = rows_from(frame, KINDS).x
    assert first.tolist() == [DAYS + 0.5, 1.0] and np.isnan(second).all()


def test_days_without_a_time_begin_at_midnight_and_other_words_have_no_value() -> None:
    taken = rows_from({"day": [date(2024, 1, 2), "soon"], "ok": ["no", "maybe"]}, KINDS).x
    assert taken[0].tolist() == [DAYS + 1, 0.0] and np.isnan(taken[1]).all()


@pytest.mark.parametrize("names", [["T", "T", "p"], [("T", "a"), ("p", "a"), ("gas", "a")]])
def test_a_frame_has_one_name_a_column(names: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    columns = pandas.Index(names) if isinstance(names[0], str) else pandas.MultiIndex.from_tuples(names)
    with pytest.raises(KanrunError, match="need a name each, and no two the same"):
        rows_from(pandas.DataFrame([[300.0, 1.0, 2.0]], columns=columns), INPUTS)
