"""Exact formulas with decimals where people write them."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.compare import agrees
from kanrun.symbolic.decimals import decimals_in, digits_of, is_meant_as_decimal, with_decimals

COLUMNS = {name: np.random.default_rng(k).uniform(0.5, 3, 200) for k, name in enumerate(["x_1", "x_2", "x_3"])}


def spelled(text: str) -> str:
    e = parse_formula(text, list(COLUMNS))
    return str(with_decimals(e, COLUMNS, evaluate(e, COLUMNS)))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("93*exp(-41*exp(-77*x_1/100)/10)/10", "9.3*exp(-4.1*exp(-0.77*x_1))"),
        ("41/100 + 237*exp(-83*x_1/100)/100", "0.41 + 2.37*exp(-0.83*x_1)"),
        ("33*x_1**(37/100)/10 + 7/10", "3.3*x_1**0.37 + 0.7"),
        ("x_1**(8/5)", "x_1**1.6"),
        ("371*x_1/(86*(50*x_1/43 + 1))", "3.71*x_1/(x_1 + 0.86)"),
        ("16*x_1**3/(5*(exp(17*x_1/10) - 1))", "3.2*x_1**3/(exp(1.7*x_1) - 1)"),
        ("sqrt(70*x_1**3 + 110*x_1 + 230)/10", "sqrt(0.7*x_1**3 + 1.1*x_1 + 2.3)"),
        ("63/(10*(5.658*(1/x_1)**(27/10) + 1))", "6.3*x_1**2.7/(x_1**2.7 + 5.658)"),
        ("5.67*x_1*(1.0e-8*x_2**4 - 1.0e-8*x_3**4)", "5.67e-8*x_1*(x_2**4 - x_3**4)"),
    ],
)
def test_what_is_measured_is_written_with_decimals(text: str, written: str) -> None:
    assert spelled(text) == written


@pytest.mark.parametrize(
    "text",
    ["x_1**2/2", "x_1**(2/3)", "sqrt(x_1)", "3*x_1/4", "x_1/6 + x_2/3", "x_1**3/3 - x_2/64", "sin(3*pi*x_1/5)",
     "sin(x_1)/2 + x_2**(3/2)", "2*exp(-x_1) + exp(-3*x_1)/2", "sqrt(2)*x_1", "x_1*x_2/12"],
)  # fmt: skip
def test_halves_thirds_and_parts_of_pi_stay_fractions(text: str) -> None:
    e = parse_formula(text, list(COLUMNS))
    assert with_decimals(e, COLUMNS, evaluate(e, COLUMNS)) is e


def test_a_factor_of_pi_is_not_swallowed_by_a_decimal_beside_it() -> None:
    assert spelled("21*x_1/10 + 3*pi*x_2/5") == "2.1*x_1 + 3*pi*x_2/5"


def test_a_formula_that_leaves_more_than_rounding_stays_as_it_is() -> None:
    e = parse_formula("93*exp(-77*x_1/100)/10", list(COLUMNS))
    assert with_decimals(e, COLUMNS, evaluate(e, COLUMNS) + 0.01) is e


def test_a_formula_that_is_long_is_not_looked_at() -> None:
    e = sp.Add(*(sp.Rational(2 * k + 1, 10) * sp.Symbol("x_1", real=True) ** k for k in range(100)))
    assert with_decimals(e, COLUMNS, evaluate(e, COLUMNS)) is e


def test_fractions_whose_decimals_have_no_end_are_none() -> None:
    assert not is_meant_as_decimal(sp.Rational(1, 3))
    assert is_meant_as_decimal(sp.Rational(21, 10))
    assert decimals_in(sp.Rational(10, 37) * sp.Symbol("x")) == sp.Rational(10, 37) * sp.Symbol("x")


def test_digits_are_those_that_are_written() -> None:
    numbers = (sp.Float(4.1), sp.Float(-0.035), sp.Integer(120), sp.Rational(7, 64))
    assert list(map(digits_of, numbers)) == [2, 2, 3, 3]
    assert digits_of(sp.Float(np.pi)) > 10


@given(
    st.lists(st.fractions(-50, 50, max_denominator=1000).filter(bool), min_size=4, max_size=4),
    st.sampled_from(["{}*exp({}*x_1) + {}*x_2**({})", "{}*x_1/(x_2 + abs({})) + {}*sin({}*x_3)",
                     "({})*(({})*x_1 + ({})*x_2**2 + 100)**2 + ({})", "{}*log(x_1 + {}**2) + {}*x_2 + {}"]),
)  # fmt: skip
def test_values_stay_what_they_are(numbers: list[object], form: str) -> None:
    e = parse_formula(form.format(*(f"({n})" for n in numbers)), list(COLUMNS))
    y = evaluate(e, COLUMNS)
    assert agrees(evaluate(with_decimals(e, COLUMNS, y), COLUMNS), y)
