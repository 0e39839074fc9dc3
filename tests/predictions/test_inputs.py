from __future__ import annotations

import numpy as np
import pytest

from kanrun.data.table.names import name_of
from kanrun.errors import KanrunError
from kanrun.predictions.inputs import Input, beyond, heads_of, inputs_of


def test_an_input_goes_by_the_users_name_its_header_and_its_identifier() -> None:
    columns = [
        {"name": "T (K)", "symbol": "T", "role": "input", "low": 1, "high": 2.5},
        {"name": "V", "symbol": "T", "role": "target", "low": 7, "high": 8},
        {"name": "gas", "symbol": "gas_N2", "role": "input", "value": "N2", "label": "gas = N2"},
    ]
    first, second, third = inputs_of(["T", "x_2", "gas_N2"], {"T": "temp", "x_2": "x_2"}, columns)
    assert first == Input("T", ("temp", "T (K)", "T"), 1.0, 2.5)
    assert second == Input("x_2", ("x_2",))
    assert (third.names, third.value) == (("gas",), "N2")


@pytest.mark.parametrize("known", [["a", "temp"], ["b", "T"], ["b", "TEMP"], ["T", "T (K)"], ["b", "T (degC)"]])
def test_its_column_is_found(known: list[str]) -> None:
    assert Input("T", ("temp", "T (K)", "T")).number([name_of(one) for one in known]) == 1


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(KanrunError, match="no column temperature; did you mean temperatur"):
        Input("T", ("temperature",)).number([name_of(one) for one in ("p", "temperatur")])
    with pytest.raises(KanrunError, match="no column T; there are none"):
        Input("T", ("T",)).number([])


def test_heads_are_those_of_training_and_say_the_unit() -> None:
    columns = [
        {"name": "V [m^3]", "symbol": "V", "role": "target", "unit": "m^3"},
        {"name": "p", "symbol": "p", "role": "target", "unit": "bar"},
        {"name": "T (K)", "symbol": "T", "role": "input", "unit": "K"},
        {"name": "gas", "symbol": "gas_N2", "role": "input", "value": "N2", "values": ["He", "N2"]},
        {"name": "T (degC)", "symbol": "U", "role": "input", "unit": "K", "unit_in_file": "degC"},
    ]
    assert heads_of(["V", "p", "q"], columns) == [
        ("V [m^3]", "V error (m^3)"), ("p (bar)", "p error (bar)"), ("q", "q error")
    ]  # fmt: skip
    inputs = inputs_of(["T", "gas_N2", "U"], {"T": "T", "U": "T (degC)"}, columns)
    assert [one.head for one in inputs] == ["T (K)", "gas = N2", "T (degC) (K)"]
    assert inputs[1].seen == ("He", "N2") and (inputs[2].unit, inputs[2].written) == ("K", "degC")


def test_beyond_the_training_rows_is_beyond_their_range() -> None:
    inputs = [Input("a", ("a",), -1.0, 1.0), Input("b", ("b",)), Input("c", ("c",), None, 0.0)]
    x = np.array([[-1.0, 1e9, -5.0], [1.0000001, 0.0, 0.1], [np.nan, np.nan, np.nan]])
    assert beyond(x, inputs).tolist() == [[False, False, False], [True, False, True], [False, False, False]]
