from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from kanrun.context import UNLIMITED
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.worth import description, simpler, whole_exponents, worthwhile
from tests.helpers import Array, formula_values, used_up

INPUTS = ["x_1", "x_2", "x_3"]


def problem(truth: str, noise: float = 0.1, rows: int = 300) -> tuple[Columns, Array]:
    """Rows of [0.2, 2]^3 and the values of a formula with noise."""
    generator = np.random.default_rng(0)
    x = generator.uniform(0.2, 2.0, (rows, 3))
    y = formula_values(truth, x)
    return {name: x[:, i] for i, name in enumerate(INPUTS)}, y + noise * y.std() * generator.standard_normal(rows)


def form(expression: sp.Expr) -> sp.Expr:
    """The expression with one letter for all decimals."""
    return expression.xreplace({f: sp.Symbol("c") for f in expression.atoms(sp.Float)})


@pytest.mark.parametrize(
    ("truth", "found", "left"),
    [
        ("2.3*x_1 + x_2", "2.31*x_1 + x_2 - 0.011/(x_3 - 0.19)", "c*x_1 + x_2"),
        ("2.3*x_1*x_2", "2.2*x_1*x_2*cos(0.1*x_3)", "c*x_1*x_2"),
        ("1.7*exp(0.6*x_1)", "1.7*exp(0.6*x_1 + 0.01*sin(3.1*x_2))", "c*exp(c*x_1)"),
        ("6.3*x_1**2.7/(x_1**2.7 + 0.6)", "6.32 - 3.7/(x_1**2.68 + 0.59)", "c*x_1**2.7/(x_1**2.7 + c)"),
        ("2.1*log(x_1) + 0.4", "1.05*log((x_1 - 0.01)**2 + 0.005) + 0.4", "c*log(x_1**2) + c"),
    ],
)
def test_parts_that_do_not_pay_for_themselves_go(truth: str, found: str, left: str) -> None:
    columns, y = problem(truth)
    start = polished(parse_formula(found, INPUTS), columns, y)
    result = worthwhile(start, columns, y)
    wanted = parse_formula(left.replace("c*", "2.5*").replace("+ c", "+ 3.5"), INPUTS)
    assert sp.simplify(form(result) - form(wanted)) == 0 or form(result) == form(wanted)
    assert description(result, columns, y) < description(start, columns, y)


@pytest.mark.parametrize("truth", ["2.3*x_1 + 0.8*x_2*x_3", "1.7*exp(-0.6*x_1)*sin(2.2*x_2)", "x_1/(0.7 + x_2)"])
def test_parts_that_pay_stay(truth: str) -> None:
    columns, y = problem(truth, 0.02)
    start = polished(parse_formula(truth, INPUTS), columns, y)
    assert worthwhile(start, columns, y) == start


def test_what_shortens_the_description_most_goes_first_and_constants_are_fitted_again() -> None:
    columns, y = problem("2.3*x_1")
    result = worthwhile(parse_formula("2.1*x_1 + 0.12*x_2 + 0.11*x_3", INPUTS), columns, y)
    assert result.free_symbols == {sp.Symbol("x_1", real=True)}
    x = columns["x_1"]
    assert float(constants_of(result)[0]) == pytest.approx(float(x @ y / (x @ x)), rel=1e-9)


def test_rows_count_by_their_weights() -> None:
    columns, y = problem("2.3*x_1", 0.0)
    y = y + np.where(columns["x_2"] > 1, 1.0, 0.0)
    start = parse_formula("2.3*x_1 + 0.5*x_2", INPUTS)
    assert worthwhile(start, columns, y).has(sp.Symbol("x_2", real=True))
    weights = np.where(columns["x_2"] > 1, 1e-6, 1.0)
    assert not worthwhile(start, columns, y + 0.01 * np.sin(40 * y), UNLIMITED, weights).has(
        sp.Symbol("x_2", real=True)
    )


def test_without_noise_or_time_nothing_goes() -> None:
    columns, y = problem("x_1 + 0.001*x_2", 0.0)
    start = parse_formula("x_1 + 0.001*x_2", INPUTS)
    assert worthwhile(start, columns, y) == start
    noisy = parse_formula("x_1 + 0.3*x_3", INPUTS)
    assert worthwhile(noisy, columns, y, used_up()) == noisy


def test_a_formula_without_values_has_no_description() -> None:
    columns, y = problem("x_1")
    assert description(parse_formula("log(x_1 - 1.0)", INPUTS), columns, y) == math.inf


def test_small_constants_that_make_up_for_each_other_go_together() -> None:
    generator = np.random.default_rng(0)
    low, high = generator.integers(1, 3, 60).astype(float), generator.integers(3, 9, 60).astype(float)
    columns = {"x_1": low, "x_2": high}
    y = 0.0912 / (1 / low**2 - 1 / high**2) + 1e-6 * generator.normal(size=60)
    start = parse_formula("0.0912/((x_1 - 0.00002)**-2 - (x_2 - 0.00004)**-2 + 0.0000003) - 0.000002", INPUTS)
    result = worthwhile(polished(start, columns, y), columns, y)
    assert len(constants_of(result)) == 1


def test_simpler_ones_have_a_term_a_factor_or_a_function_fewer() -> None:
    columns, _ = problem("x_1")
    found = {str(e) for e in simpler(parse_formula("x_1*sin(x_2) + x_3", INPUTS), columns)}
    assert {"x_1*sin(x_2)", "x_3", "x_1 + x_3", "x_3 + sin(x_2)", "x_1*x_2 + x_3"} <= found


def test_exponents_become_whole_together_and_each_alone() -> None:
    found = [str(e) for e in whole_exponents(parse_formula("x_1**2.1 + x_2**2.9 + x_3**0.2", INPUTS))]
    assert found == ["x_1**2 + x_2**3 + x_3**0.2", "x_1**2 + x_2**2.9 + x_3**0.2", "x_1**2.1 + x_2**3 + x_3**0.2"]


def test_a_very_long_formula_is_left_as_it_is() -> None:
    columns, y = problem("2.3*x_1")
    long = sum((sp.Float(k + 0.5) * sp.sin(k * sp.Symbol("x_1", real=True)) for k in range(1, MOST + 2)), sp.Integer(0))
    assert worthwhile(long, columns, y) == long
