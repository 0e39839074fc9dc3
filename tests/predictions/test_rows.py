from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
    assert rows_of(written(tmp_path, text), INPUTS).tolist() == [[300.0, 1.5, 1.0], [310.0, 2.0, 0.0]]


def test_what_is_missing_or_no_number_has_no_value(tmp_path: Path) -> None:
    path = written(tmp_path, "T,p,gas\n300,,N2\nwarm,2,O2\n310,3,N2\n")
    assert np.isfinite(rows_of(path, INPUTS)).tolist() == [[True, False, True], [False, True, True], [True] * 3]


def test_codes_of_missing_values_are_those_of_a_table_that_trains(tmp_path: Path) -> None:
    path = written(tmp_path, "T,p,gas\nNA,1,N2\n310,n/a,O2\n320,3, - \n")
    assert np.isfinite(rows_of(path, INPUTS)).tolist() == [
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
