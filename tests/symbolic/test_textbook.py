from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic import textbook
from kanrun.symbolic.expression import number, rounded
from kanrun.symbolic.textbook import as_in_textbooks, folded, length

X = {"x_1": np.linspace(0.1, 3.0, 50)}
SPELLINGS = [
    ("0.1674/(0.01992 + exp(-1.353*x_1))", "8.404/(1 + 50.2*exp(-1.353*x_1))"),
    ("4.221*tanh(0.67*x_1 - 1.934) + 4.221", "8.442/(1 + 47.85*exp(-1.34*x_1))"),
    ("4.29/(1.154 + 1/x_1)", "3.718*x_1/(x_1 + 0.8666)"),
    ("8.093 - 7.437/(0.004274*x_1 + 1)", "8.093 - 1740/(x_1 + 234)"),
    ("1.118/(x_1**(-2.686) + 0.177)", "6.316*x_1**2.686/(x_1**2.686 + 5.65)"),
    ("82.53*(-0.24 + exp(-1.929*x_1))**2", "4.754*(1 - 4.167*exp(-1.929*x_1))**2"),
    ("(-0.99*sin(4.3*x_1) + 1.38*cos(4.3*x_1))*exp(-0.31*x_1)", "1.698*exp(-0.31*x_1)*sin(4.3*x_1 + 2.193)"),
    ("0.1148*sqrt(10)*x_1**(3/2)", "0.363*x_1**(3/2)"),
    ("3.2*x_1**3/(exp(1.7*x_1) - 1)", "3.2*x_1**3/(exp(1.7*x_1) - 1)"),
    ("2.5*exp(x_1)*exp(-0.5*x_1**2)", "2.5*exp(x_1 - 0.5*x_1**2)"),
]


@pytest.mark.parametrize(("found", "written"), SPELLINGS)
def test_equal_forms_are_written_as_in_textbooks(found: str, written: str) -> None:
    before = parse_formula(found, ["x_1"])
    after = as_in_textbooks(before)
    assert rounded(after) == rounded(parse_formula(written, ["x_1"]))
    np.testing.assert_allclose(evaluate(after, X), evaluate(before, X), rtol=1e-12)


PART = st.sampled_from(
    ["x_1", "exp(-1.3*x_1)", "tanh(0.7*x_1 - 1.1)", "1/x_1", "x_1**2.5", "sin(2.1*x_1)", "cos(2.1*x_1)"]
)
NUMBER = st.floats(0.1, 9.0).map(lambda v: f"{v:.4g}")


@settings(max_examples=40, deadline=None)
@given(NUMBER, PART, NUMBER, PART, NUMBER, st.sampled_from(["1", "2", "-1", "-2", "0.5"]))
def test_a_rewriting_changes_no_value_and_makes_nothing_longer(
    a: str, u: str, b: str, v: str, c: str, power: str
) -> None:
    before = parse_formula(f"{c} + {a}*({b}*{u} + {c}*{v} + 2.3)**({power})", ["x_1"])
    after = as_in_textbooks(before)
    assert length(after) <= length(before)
    there = np.isfinite(evaluate(before, X))
    np.testing.assert_allclose(evaluate(after, X)[there], evaluate(before, X)[there], rtol=1e-9, atol=1e-9)


def test_a_formula_without_constants_stays() -> None:
    x = sp.Symbol("x_1", real=True)
    assert as_in_textbooks(sp.sin(x) / x) == sp.sin(x) / x


def test_velocities_are_added_without_inverse_functions() -> None:
    before = parse_formula("0.7*tanh(atanh(x_1) + atanh(x_2))", ["x_1", "x_2"])
    assert str(as_in_textbooks(before)) == "0.7*(x_1 + x_2)/(x_1*x_2 + 1)"
    scaled = parse_formula("tanh(2.5*atanh(x_1) + atanh(x_2))", ["x_1", "x_2"])
    assert as_in_textbooks(scaled) == scaled


def test_few_steps_lead_to_an_equal_form_that_is_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textbook, "MOST_STEPS", 1)
    before = parse_formula("0.7*tanh(atanh(x_1/4) + atanh(x_1/5)) + 0.1674/(0.01992 + exp(-1.353*x_1))", ["x_1"])
    after = as_in_textbooks(before)
    assert length(after) < length(before)
    np.testing.assert_allclose(evaluate(after, X), evaluate(before, X), rtol=1e-12)


def test_a_decimal_before_a_sum_of_decimals_goes_into_it() -> None:
    x = sp.Symbol("x", real=True)
    both = sp.Float(-1e6) * (sp.Float(0.25) * x**2 - sp.Float(0.5) * x + sp.Float(3.0)) / (x**2 - sp.Float(37.5))
    assert folded(both) == (sp.Float(-2.5e5) * x**2 + sp.Float(5e5) * x - sp.Float(3e6)) / (x**2 - sp.Float(37.5))
    begun_with_one = sp.Float(2.5) * (1 + sp.Float(0.5) * x) / (x + 1)
    assert folded(begun_with_one) == begun_with_one
    other = sp.Float(0.25) * x - sp.Float(0.75)
    assert folded(1_000_000 * x * other) == x * (number(2.5e5) * x - number(7.5e5))  # of rows that were scaled
    assert folded(-x * other) == -x * other
