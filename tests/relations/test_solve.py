from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor

from kanrun.functions.parser import parse_formula, symbol
from kanrun.relations.solve import solve_for
from tests.helpers import formula_values, uniform_rows


@pytest.mark.parametrize(
    ("left", "right", "solution"),
    [
        ("x_1+x_2", "3", "3-x_2"),
        ("2*x_1+x_2", "0", "-x_2/2"),
        ("x_2-exp(2*x_1+1)", "1", "log(x_2-1)/2-1/2"),
        ("5*x_1**3+x_2", "0", "sign(-x_2/5)*Abs(x_2/5)**(1/3)"),
        ("1/x_1+x_2", "2", "1/(2-x_2)"),
        ("sqrt(x_1)-x_2", "0", "x_2**2"),
        ("log(3*x_1)+x_2", "0", "exp(-x_2)/3"),
        ("x_1**2+x_2", "0", None),
        ("sin(x_1)+x_2", "0", None),
        ("x_1+exp(x_1)+x_2", "0", None),
        ("cos(x_1)+x_2", "0", None),
        ("x_2", "1", None),
        ("Abs(x_1)+x_2", "1", None),
        ("exp(-x_1**2)+x_2", "1", None),
        ("exp(x_1+sqrt(x_1))+x_2", "3", None),  # twice within a function
        ("gamma(x_1)+x_2", "3", None),  # nobody has a name for the inverse
        ("2**x_1+x_2", "3", None),
        ("x_1*exp(x_1)+x_2", "3", None),
    ],
)
def test_solving_undoes_one_function_after_the_other(left: str, right: str, solution: str | None) -> None:
    found = solve_for(parse_formula(left), parse_formula(right), symbol("x_1"))
    if solution is None:
        assert found is None
    else:
        assert found is not None
        assert check_solution(str(found), left, right)
        x = uniform_rows(50, 2, 1, low=1.1, high=1.9).numpy()
        np.testing.assert_allclose(formula_values(str(found), x), formula_values(solution, x), rtol=1e-10)


def check_solution(text: str, left: str, right: str) -> bool:
    """Whether the equation holds with the solution put in, at some rows."""
    x: Tensor = uniform_rows(50, 2, 1, low=1.1, high=1.9)
    x[:, 0] = torch.from_numpy(formula_values(text, x.numpy()).copy())
    x = x[torch.isfinite(x).all(1)]
    difference = formula_values(left, x.numpy()) - formula_values(right, x.numpy())
    finite = np.isfinite(difference)
    return bool(finite.any()) and bool(np.allclose(difference[finite], 0, atol=1e-9))


@pytest.mark.parametrize(
    ("left", "low", "high", "solution"),
    [
        ("x_1**2", 0.2, 1.0, "sqrt(x_2)"),
        ("x_1**2", -1.0, -0.2, "-sqrt(x_2)"),
        ("x_1**2", -1.0, 1.0, None),
        ("sin(x_1)", -1.5, 1.5, "asin(x_2)"),
        ("sin(x_1)", 1.7, 4.6, "pi-asin(x_2)"),
        ("cos(x_1)", 0.1, 3.0, "acos(x_2)"),
        ("cos(x_1)", -3.0, 3.0, None),
        ("tan(x_1)", -1.5, 1.5, "atan(x_2)"),
        ("Abs(x_1)", 0.1, 1.0, "x_2"),
        ("Abs(x_1)", -1.0, 1.0, None),
        ("exp(-x_1**2)", 0.1, 2.0, "sqrt(-log(x_2))"),
        ("2*sign(x_1)*Abs(x_1)**(1/3)", -1.0, 1.0, "x_2**3/8"),
        ("sign(x_1)*Abs(x_1)**(1/3)+x_1", -1.0, 1.0, None),
    ],
)
def test_of_several_branches_the_one_that_fits_the_rows_is_taken(
    left: str, low: float, high: float, solution: str | None
) -> None:
    x = uniform_rows(80, 2, 0, low, high).numpy()
    x[:, 1] = formula_values(left, x)

    def fits(node: sp.Expr, value: sp.Expr) -> bool:
        return bool(np.allclose(formula_values(str(node), x), formula_values(str(value), x), atol=1e-7))

    found = solve_for(parse_formula(left), symbol("x_2"), symbol("x_1"), fits)
    assert (found is None) == (solution is None)
    if found is not None and solution is not None:
        np.testing.assert_allclose(formula_values(str(found), x), x[:, 0], atol=1e-7)
        np.testing.assert_allclose(formula_values(str(found), x), formula_values(solution, x), atol=1e-12)


@pytest.mark.parametrize("power", [2, 3, 4, 5, 7])
def test_a_signed_root_is_undone_by_its_power_without_a_sign_where_that_is_odd(power: int) -> None:
    left, x_2 = parse_formula(f"sign(x_1)*Abs(x_1)**(1/{power})"), symbol("x_2")
    found = solve_for(left, x_2, symbol("x_1"), lambda _node, _value: True)
    assert found is not None
    x = uniform_rows(50, 2, 1).numpy()
    np.testing.assert_allclose(
        formula_values(str(found), x), np.sign(x[:, 1]) * np.abs(x[:, 1]) ** power, rtol=1e-12, atol=0
    )
    assert (found == x_2**power) is (power % 2 == 1)
