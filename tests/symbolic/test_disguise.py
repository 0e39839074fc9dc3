from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.disguise import undone

COLUMNS = {"x_1": np.linspace(0.1, 0.9, 20)}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("171.7*atan(tan(0.5*x_1 + 0.3)) - 57", "171.7*(0.5*x_1 + 0.3) - 57"),
        ("asin(sin(x_1))+acos(cos(2*x_1))", "3*x_1"),
        ("1 - Abs(x_1**2 - 1)", "x_1**2"),
        ("Abs(x_1)", "x_1"),
        ("Abs(x_1 - 1/2)", "Abs(x_1 - 1/2)"),
        ("sin(tan(x_1))", "sin(tan(x_1))"),
    ],
)
def test_what_undoes_another_function_goes(text: str, plain: str) -> None:
    found = undone(parse_formula(text, ["x_1"]), COLUMNS)
    assert sp.expand(found - parse_formula(plain, ["x_1"])) == 0
