"""Where a measurement would tell two formulas apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.deciding import deciding_point

FEW = {"x_1": np.array([1.0, 2.0, 3.0])}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("x_1", "2*x_1 - 3", 0.5),  # they cross at 3, and the range may be left downwards to half of the least value
        ("x_1", "1.5*x_1 - 0.5", 4.0),  # they cross at 1, and upwards it may be left by half of itself
        ("exp(-(x_1-2)**2)", "0", 2.0),  # within the range
        ("log(x_1 - 2)", "0.0*x_1", 2.0),  # next to where one has no value
    ],
)
def test_it_is_where_the_formulas_differ_most(one: str, other: str, expected: float) -> None:
    found = deciding_point(*(parse_formula(text, ["x_1"]) for text in (one, other)), FEW)
    assert found == {"x_1": pytest.approx(expected, rel=5e-3)}


def test_inputs_that_do_not_matter_do_not_hide_it() -> None:
    columns = {name: np.linspace(0.0, 1.0, 9) for name in ("x_1", "x_2", "x_3")}
    one, other = (parse_formula(text, list(columns)) for text in ("x_1*x_2", "x_1*x_2 + 0.1*(x_1 + x_2 + x_3)**2"))
    found = deciding_point(one, other, columns)
    assert found is not None and min(found.values()) > 1.2  # the corner at 1.5, as far as points are drawn there


def test_without_a_difference_or_a_value_there_is_none() -> None:
    same, never = parse_formula("x_1 + 1", ["x_1"]), parse_formula("log(-x_1 - 9)", ["x_1"])
    assert deciding_point(same, same, FEW) is None
    assert deciding_point(same, never, FEW) is None
    assert math.isfinite(deciding_point(same, parse_formula("1/(x_1-2)", ["x_1"]), FEW)["x_1"])  # type: ignore[index]
