from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kanrun.data.table.raw import Told
from kanrun.errors import KanrunError
from kanrun.predictions.inputs import Input
from kanrun.predictions.rows import rows_of

INPUTS = [Input("T", ("T", "T (K)")), Input("p", ("p",)), Input("gas_N2", ("gas",), value="N2")]


def written(folder: Path, text: str) -> Path:
    (folder / "new.csv").write_text(text, encoding="utf-8")
    return folder / "new.csv"


@pytest.mark.parametrize(
    "text",
    [
        "gas,p,note,T (K)\nN2,1.5,a,300\nO2,2,b,310\n",
        "p;T;gas\n1,5;300;N2\n2;310;O2\n",
        "T\tgas\tp\n300\tN2\t1.5\n310\tO2\t2\n\n",
        "T, p ,gas\n 300 , 1.5 , N2 \n\n  310, 2,O2\n",
    ],
)
def test_columns_are_found_by_name_in_any_order_and_spelling(tmp_path: Path, text: str) -> None:
    assert rows_of(written(tmp_path, text), INPUTS).x.tolist() == [[300.0, 1.5, 1.0], [310.0, 2.0, 0.0]]


def test_what_is_missing_or_no_number_has_no_value(tmp_path: Path) -> None:
    path = written(tmp_path, "T,p,gas\n300,,N2\nwarm,2,O2\n310,3,N2\n")
    assert np.isfinite(rows_of(path, INPUTS).x).tolist() == [[True, False, True], [False, True, True], [True] * 3]


def test_codes_of_missing_values_are_those_of_a_table_that_trains(tmp_path: Path) -> None:
    path = written(tmp_path, "T,p,gas\nNA,1,N2\n310,n/a,O2\n320,3, - \n")
    assert np.isfinite(rows_of(path, INPUTS).x).tolist() == [
        [False, True, True],
        [True, False, True],
        [True, True, False],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("T,q,gas\n1,2,N2\n", "new.csv: no column p; there are T, q, gas"),
        ("", "new.csv: the file is empty"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(KanrunError, match=said) as caught:
        rows_of(written(tmp_path, text), INPUTS)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    written(tmp_path, "T\n1\n")
    with pytest.raises(KanrunError, match=r"newer.csv: there is no such file; did you mean new.csv\?"):
        rows_of(tmp_path / "newer.csv", INPUTS)


@pytest.mark.parametrize("header", ["T (degC),p,gas", "t [degC],p,gas", "T,p,gas\ndegC,bar,-"])
def test_numbers_in_other_units_are_converted_and_that_is_told(tmp_path: Path, header: str) -> None:
    inputs = [Input("T", ("T", "T (K)"), unit="K", written="K", kind="number"), *INPUTS[1:]]
    taken = rows_of(written(tmp_path, f"{header}\n20,20,N2\n,,O2\nwarm,1,N2\n"), inputs)
    assert taken.x[0].tolist() == [293.15, 20.0, 1.0]
    assert np.isnan(taken.x[1:, 0]).all()
    assert taken.notes[0].endswith("degC is converted to K, as in training")


def test_units_that_cannot_agree_are_one_line(tmp_path: Path) -> None:
    inputs = [Input("t", ("t", "t (s)"), unit="s", written="s", kind="number")]
    with pytest.raises(KanrunError, match=r"new.csv: t \(m\): numbers in m cannot be had in s, the unit of training$"):
        rows_of(written(tmp_path, "t (m)\n1\n2\n"), inputs)


def test_texts_that_training_did_not_know_are_flagged_and_told(tmp_path: Path) -> None:
    gases = [Input(f"gas_{v}", ("gas",), value=v, seen=("He", "N2", "O2")) for v in ("N2", "O2")]
    taken = rows_of(written(tmp_path, "gas,T\nN2,1\nAr,2\nHe,3\n-,4\n"), gases)
    assert taken.unknown.tolist() == [[False, False], [True, True], [False, False], [False, False]]
    assert np.isnan(taken.x).any(axis=1).tolist() == [False, False, False, True]
    assert taken.notes == ("gas is 'Ar' in 1 row, which training did not know; it had 'He', 'N2', 'O2'",)


def test_truth_values_stay_so_beside_a_cell_that_is_none(tmp_path: Path) -> None:
    inputs = [Input("ok", ("ok",), kind="boolean")]
    taken = rows_of(written(tmp_path, "ok,T\nyes,1\nno,2\nmaybe,3\n"), inputs)
    assert taken.x[:2, 0].tolist() == [1.0, 0.0] and np.isnan(taken.x[2, 0])


def test_texts_that_training_knew_are_nothing_to_tell(tmp_path: Path) -> None:
    gases = [Input("gas_N2", ("gas",), value="N2", seen=("He", "N2"))]
    taken = rows_of(written(tmp_path, "gas\nN2\nHe\n"), gases)
    assert (taken.x.tolist(), taken.unknown.any(), taken.notes) == ([[1.0], [0.0]], False, ())


def test_a_table_without_rows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(KanrunError, match=r"new.csv: there are no rows$"):
        rows_of(written(tmp_path, "T,p,gas\n,,\n"), INPUTS)


def test_a_header_of_numbers_is_one_where_inputs_are_called_so(tmp_path: Path) -> None:
    waves = [Input("x_400", ("400",)), Input("x_410", ("410",))]
    assert rows_of(written(tmp_path, "400,410\n1,2\n3,4\n"), waves).x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(("decimal", "value"), [(".", 1234.0), (",", 1.234)])
def test_a_file_is_read_as_that_of_training_was_told_to_be_written(tmp_path: Path, decimal: str, value: float) -> None:
    taken = rows_of(written(tmp_path, 'T,p\n"1,234","5,678"\n"2,345","6,789"\n'), INPUTS[:2], Told(decimal=decimal))
    assert taken.x[0, 0] == value
    assert taken.notes == (f"new.csv is read with decimal={decimal!r}, as in training",)


def test_a_file_with_another_separator_than_that_of_training_is_read_all_the_same(tmp_path: Path) -> None:
    taken = rows_of(written(tmp_path, "T,p\n1,2\n3,4\n"), INPUTS[:2], Told(separator=";"))
    assert (taken.x.tolist(), taken.notes) == ([[1.0, 2.0], [3.0, 4.0]], ())
    with pytest.raises(KanrunError, match=r"new.csv: no column T; there are a\|b$"):
        rows_of(written(tmp_path, "a|b\n1|2\n3|4\n"), INPUTS[:2], Told(separator=";"))


@pytest.mark.parametrize("text", ["T (K)\n300\n", "T (K)\n300\n310\n", "T (K)\r\n300", '"T (K)"\n"300"\n'])
def test_one_column_is_one_column_however_few_rows_it_has(tmp_path: Path, text: str) -> None:
    assert rows_of(written(tmp_path, text), INPUTS[:1]).x[0].tolist() == [300.0]
