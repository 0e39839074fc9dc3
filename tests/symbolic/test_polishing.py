from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import curve_fit

from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.polishing import ROUNDING, is_rounding, polished, squares
from kanrun.symbolic.snap import EXACT
from tests.helpers import formula_values
from tests.sum_of_curves import TRUTH, columns, model, noisy, rows, text


def test_polish_reaches_the_least_squares_of_curve_fit() -> None:
    x, y = noisy()
    best, _ = curve_fit(model, x.T, y, TRUTH)
    found = polished(text(2.2, -0.6, 1.2, -0.3), columns(x), y)
    aims = dict(zip(("a", "b", "c", "d"), best.tolist(), strict=True))
    assert sorted(float(f) for f in constants_of(found)) == pytest.approx(sorted(aims.values()), rel=1e-6)


def test_polish_leaves_snapped_numbers_and_exact_formulas_alone() -> None:
    x, y = noisy()
    found = polished(parse_formula("2.2*exp(-x_1/2)+sin(x_2)"), columns(x), y)
    assert found.has(sp.exp(-sp.Symbol("x_1", real=True) / 2))
    _, clean = noisy(noise=0.0)
    assert polished(text(*TRUTH), columns(x), clean) == text(*TRUTH)
    whole = parse_formula("x_1**2 + 3")
    assert polished(whole, columns(x), y) == whole


@pytest.mark.parametrize("seed", range(8))
def test_polish_never_makes_the_training_error_larger(seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = rows(50, seed)
    y = draw.normal(size=50)
    a, b, c, d = draw.normal(size=4).round(3).tolist()
    for start in (
        f"{a}*log({abs(b)}+1.001+x_1)+{c}*x_2", f"{a}/(x_1+{b})+{d}", f"{a}*exp({b}*x_1+{d})*sqrt(x_2+{abs(c)}+1.001)",
        f"{a}*sin({10 * b}*x_1+{c})",
    ):  # fmt: skip
        before = parse_formula(start)
        after = polished(before, columns(x), y)
        errors = [float(np.sum((formula_values(str(e), x) - y) ** 2)) for e in (before, after)]
        assert errors[1] <= errors[0]


def test_a_formula_without_values_somewhere_is_not_polished() -> None:
    x, y = noisy()
    expression = parse_formula("0.5*log(x_1)")
    assert polished(expression, columns(x), y) == expression


def test_constants_whose_slope_is_no_number_on_some_row_are_not_polished() -> None:
    """A root has a value at 0, and no slope."""
    x = np.array([[-0.5, 0.0], [0.5, 0.0], [1.5, 0.0]])
    expression = parse_formula("sqrt(x_1 + 0.5)")
    assert polished(expression, columns(x), np.array([0.3, 0.9, 1.7])) == expression
    assert polished(expression, columns(x[1:]), np.array([0.9, 1.7])) != expression


def test_constants_whose_slopes_have_squares_beyond_all_numbers_are_polished() -> None:
    x = {"x_1": np.linspace(0.5, 1, 20)}
    y = 1.1e-20 * np.exp(400 * x["x_1"])
    found = polished(parse_formula("1e-20*exp(400.0*x_1)", ["x_1"]), x, y)
    assert evaluate(found, x) == pytest.approx(y, rel=1e-9)


@pytest.mark.parametrize("rate", [300.0, 690.0, 705.0, 715.0])
def test_a_constant_on_which_no_value_depends_keeps_no_other_from_being_polished(rate: float) -> None:
    """Its own step, over a slope of down to 1e-310, would be beyond all numbers; warnings are errors here."""
    x = np.linspace(1, 2, 20)
    y = 2.25 * x + np.where(x < 1.03, 0.1, 0.0)
    found = polished(parse_formula(f"2.1*x_1 + exp(-{rate}*x_1)", ["x_1"]), {"x_1": x}, y)
    assert evaluate(found, {"x_1": x}) == pytest.approx((x @ y) / (x @ x) * x, rel=1e-9)


def test_squares_that_overflow_are_infinite_and_nothing_is_printed() -> None:
    """Warnings are errors here."""
    x = np.array([1.0, 2.0])
    huge = parse_formula("1e200*x_1", ["x_1"])
    assert squares(huge, {"x_1": x}, x) == math.inf


@pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
def test_rounding_is_a_part_of_the_spread_or_of_the_size_of_targets_that_hardly_vary(size: float) -> None:
    y = size * np.linspace(-2.0, 3.0, 40)
    spread = 40 * EXACT * float(np.var(y))
    assert is_rounding(0.0, y) and is_rounding(0.9 * spread, y) and not is_rounding(1.1 * spread, y)
    level = size * (1.0 + 1e-14 * np.linspace(0.0, 1.0, 40))
    last = 40 * ROUNDING * size**2
    assert is_rounding(0.9 * last, level) and not is_rounding(1.1 * last, level)
    assert is_rounding(0.0, np.zeros(5))
