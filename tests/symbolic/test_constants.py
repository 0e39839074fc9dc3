from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import constants_of, jacobian, sizes_of
from tests.sum_of_curves import columns, rows


@pytest.mark.parametrize(
    ("formula", "values"),
    [
        ("x_1**2 + 3*x_2/7 - pi*x_1 + sqrt(2)", []),
        ("sin(1.31*x_2 - 0.41) + 2.5*exp(-0.71*x_1)", [1.31, -0.41, 2.5, -0.71]),
        ("0.25*x_1 + 0.25*x_2", [0.25]),
        ("x_1 - 0.3*x_2", [-0.3]),
        ("0.3*x_1 - 0.3*x_2", [0.3, -0.3]),
        ("1.5*x_1/(x_2 + 2.5)", [1.5, 2.5]),
        ("x_1**1.25 + x_1**(-0.75)", [-0.75, 1.25]),
        ("-1.5*exp(-2.5*x_1**2)", [-1.5, -2.5]),
    ],
)
def test_decimals_are_constants_and_snapped_numbers_are_not(formula: str, values: list[float]) -> None:
    found = [float(f) for f in constants_of(parse_formula(formula))]
    assert sorted(found) == sorted(values)
    printed = str(parse_formula(formula))
    places = [printed.index(str(abs(v))) for v in found]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "formula",
    ["2.5*exp(-0.7*x_1)", "(x_1+1.5)**0.3*x_2", "0.4/(1.3*x_1+2.2)+Abs(x_2-0.2)", "log(x_1+1.7)*tanh(0.3*x_2)", "2.5"],
)
def test_the_jacobian_is_that_of_finite_differences(formula: str) -> None:
    x, expression = rows(40), parse_formula(formula)
    constants = constants_of(expression)
    slopes = jacobian(expression, constants, columns(x))
    assert slopes.shape == (40, len(constants))
    for k, f in enumerate(constants):
        ends = [evaluate(expression.xreplace({f: sp.Float(float(f) + h, 17)}), columns(x)) for h in (1e-6, -1e-6)]
        np.testing.assert_allclose(slopes[:, k], (ends[0] - ends[1]) / 2e-6, atol=1e-7)


def test_a_function_without_a_derivative_is_differentiated_by_differences() -> None:
    expression = parse_formula("besselj(2, 1.3*x_1) + elliptic_e(0.3*x_1) + sign(x_1 - 0.2)*0.7 + Max(x_1, 0.1)")
    slopes = jacobian(expression, constants_of(expression), columns(rows(30)))
    assert np.isfinite(slopes).all()


def test_a_power_of_zero_has_a_slope_by_its_exponent() -> None:
    expression = parse_formula("2.5*x_1**1.7", ["x_1"])
    slopes = jacobian(expression, constants_of(expression), {"x_1": np.array([0.0, 1.0, 2.0])})
    np.testing.assert_allclose(slopes[:, 1], [0.0, 0.0, 2.5 * 2**1.7 * np.log(2.0)], atol=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_the_size_of_a_column_is_its_norm_even_where_squares_are_no_numbers(size: float) -> None:
    column = rows(30, inputs=1)[:, 0]
    expected = math.sqrt(math.fsum(v * v for v in column.tolist()))
    found = sizes_of(np.stack([size * column, np.zeros(30), np.where(column > 0.5, np.inf, column)], axis=1))
    assert found.tolist() == [pytest.approx(size * expected, rel=1e-12, abs=0), 0.0, math.inf]


def test_an_infinite_row_costs_the_others_nothing_and_warns_of_nothing() -> None:
    expression = parse_formula("2.5*x_1**1.7", ["x_1"])
    slopes = jacobian(expression, constants_of(expression), {"x_1": np.array([1.0, np.inf])})
    assert slopes[0].tolist() == [1.0, 0.0] and not np.isfinite(slopes[1]).any()
