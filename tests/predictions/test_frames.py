from __future__ import annotations

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
    assert rows_from(given, INPUTS).tolist() == X


def test_columns_come_by_name() -> None:
    assert rows_from(COLUMNS, INPUTS).tolist() == X
    assert rows_from({**COLUMNS, "p": torch.tensor([1.0, 2.0])}, INPUTS).tolist() == X


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_come_by_name(kind: str) -> None:
    library = pytest.importorskip(kind)
    frame = library.DataFrame(COLUMNS)
    assert rows_from(frame, INPUTS).tolist() == X
    holes = library.DataFrame({**COLUMNS, "p": [None, 2.0]})
    assert np.isnan(rows_from(holes, INPUTS)).tolist() == [[False, True, False], [False, False, False]]


def test_one_input_may_come_as_plain_numbers() -> None:
    assert rows_from([1, 2], INPUTS[:1]).tolist() == [[1.0], [2.0]]
    assert rows_from({"T": 3.5}, INPUTS[:1]).tolist() == [[3.5]]


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
