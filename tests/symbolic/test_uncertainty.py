from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import curve_fit
from sklearn.linear_model import LogisticRegression

from kanrun.data.weights import weights_of_errors
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import MOST, constants_of
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.uncertainty import (
    errors_of_values,
    estimate,
    of_classes,
    of_values,
    standard_errors,
)
from tests.helpers import formula_values
from tests.sum_of_curves import TRUTH, columns, model, noisy, rows, text

LAWS = {
    "line": ("2.5*x_1 + 1.3", lambda x, a, b: a * x + b),
    "decay": ("3.2*exp(-0.71*x_1)", lambda x, a, b: a * np.exp(-b * x)),
    "power": ("1.7*x_1**1.37", lambda x, a, b: a * x**b),
    "saturation": ("4.1*x_1/(1.6 + x_1)", lambda x, a, b: a * x / (b + x)),
    "logarithm": ("2.2*log(x_1) - 0.73", lambda x, a, b: a * np.log(x) + b),
}


def test_standard_errors_are_those_of_curve_fit() -> None:
    x, y = noisy()
    best, covariance = curve_fit(model, x.T, y, TRUTH)
    found = {c.value: c.standard_error for c in of_values(text(*best.tolist()), columns(x), y)}
    for value, error in zip(best.tolist(), np.sqrt(np.diag(covariance)).tolist(), strict=True):
        assert found[value] == pytest.approx(error, rel=1e-4)


def test_standard_errors_are_the_spread_over_many_draws_of_the_noise() -> None:
    fits, errors = [], []
    for seed in range(60):
        x, y = noisy(seed, count=60)
        constants = of_values(polished(text(*TRUTH), columns(x), y), columns(x), y)
        fits.append([c.value for c in constants])
        errors.append([c.standard_error for c in constants])
    spread, mean_error = np.std(fits, axis=0), np.mean(np.array(errors, dtype=float), axis=0)
    np.testing.assert_allclose(spread, mean_error, rtol=0.35)
    order = [float(f) for f in constants_of(text(*TRUTH))]
    assert (np.abs(np.mean(fits, axis=0) - order) < 4 * mean_error / math.sqrt(60)).all()


def test_data_without_noise_has_no_errors() -> None:
    x, y = noisy(noise=0.0)
    assert [c.standard_error for c in of_values(text(*TRUTH), columns(x), y)] == [0.0] * 4
    level = np.full(len(x), 2.3)
    assert [c.standard_error for c in of_values(parse_formula("2.3"), columns(x), level)] == [0.0]


def test_what_the_data_does_not_determine_is_null() -> None:
    x, y = noisy()
    redundant = of_values(parse_formula("sqrt(0.3*x_1 + 1.2)*1.7 + 0.4*x_2"), columns(x), y)
    known = {c.value: c.standard_error is not None for c in redundant}
    assert known == {0.3: False, 1.2: False, 1.7: False, 0.4: True}
    nowhere = of_values(parse_formula("0.4*x_2 + Max(x_1 - 7.5, 0)"), columns(x), y)
    assert {c.value: c.standard_error is not None for c in nowhere} == {0.4: True, -7.5: False}


def test_too_few_rows_or_too_many_constants_are_null() -> None:
    x, y = noisy(count=4)
    assert [c.standard_error for c in of_values(text(*TRUTH), columns(x), y)] == [None] * 4
    x, y = noisy()
    many = sp.Add(*[sp.Float(repr(0.1 + k / 997), 17) * sp.Symbol("x_1", real=True) ** k for k in range(1, MOST + 2)])
    assert {c.standard_error for c in of_values(many, columns(x), y)} == {None}


def test_slopes_too_small_to_be_divided_by_determine_nothing() -> None:
    assert standard_errors(np.array([[1e-310], [2e-310]])) == ([None], 0)  # a warning is an error here


def test_rows_without_a_value_are_left_out() -> None:
    x, y = noisy()
    whole, positive = parse_formula("0.5*log(x_1) + 0.3*x_2"), x[:, 0] > 0
    with_all, with_some = of_values(whole, columns(x), y), of_values(whole, columns(x[positive]), y[positive])
    assert [c.standard_error for c in with_all] == pytest.approx([c.standard_error for c in with_some], rel=1e-12)


def test_classes_have_the_errors_of_logistic_regression() -> None:
    x = rows(400)
    draw = np.random.default_rng(5).uniform(size=400)
    y = (draw < 1 / (1 + np.exp(-(1.5 * x[:, 0] - 0.8 * x[:, 1] + 0.3)))).astype(int)
    fit = LogisticRegression(C=1e10, tol=1e-10).fit(x, y)
    a, b, c = [*fit.coef_[0].tolist(), float(fit.intercept_[0])]
    p = fit.predict_proba(x)[:, 1]
    design = np.column_stack([x, np.ones(400)])
    expected = np.sqrt(np.diag(np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)))
    first, second = of_classes([sp.Integer(0), parse_formula(f"{a!r}*x_1+{b!r}*x_2+{c!r}")], columns(x))
    assert first == []
    assert {k.value: k.standard_error for k in second} == pytest.approx(
        dict(zip((a, b, c), expected.tolist(), strict=True)), rel=1e-8
    )


def test_a_level_of_every_logit_is_not_determined() -> None:
    x = rows(100)
    first, second = of_classes([parse_formula("0.7*x_1 + 0.2"), parse_formula("1.3*x_2 - 0.4")], columns(x))
    assert {c.value: c.standard_error is None for c in [*first, *second]} == {
        0.7: False,
        0.2: True,
        1.3: False,
        -0.4: True,
    }


def test_logits_without_constants_and_with_very_many_have_no_errors() -> None:
    x = columns(rows(100))
    assert of_classes([sp.Integer(0), parse_formula("x_1 - x_2")], x) == [[], []]
    many = sp.Add(*(sp.Float(k + 0.5) * sp.Symbol("x_1", real=True) ** k for k in range(MOST + 1)))
    [], found = of_classes([sp.Integer(0), many], x)
    assert len(found) == MOST + 1 and {c.standard_error for c in found} == {None}


@pytest.mark.parametrize("beyond", [-0.25, -1.0])
def test_a_row_where_logits_or_their_slopes_have_no_value_says_nothing_of_their_constants(beyond: float) -> None:
    """A root of 0 has a value, but its slope has none."""
    x = np.abs(rows(100))
    more = np.concatenate([x, [[beyond, 0.5]]])
    logits = [sp.Integer(0), parse_formula("0.7*sqrt(x_1 + 0.25) - 0.4*x_2")]
    known, same = (of_classes(logits, columns(each))[1] for each in (x, more))
    assert all(c.standard_error is not None for c in known)
    assert same == known


# ---- errors of values ----------------------------------------------------------------------------------------------


def test_values_of_a_line_have_the_errors_of_textbooks() -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 4, 50)
    y = 1.7 * x - 0.4 + rng.normal(0, 0.2, 50)
    slope, level = map(float, np.polyfit(x, y, 1))
    line = parse_formula(f"{slope!r}*x_1 + {level!r}")
    found = estimate(line, {"x_1": x}, y)
    assert found.covariance is not None
    at = np.array([-3.0, 0.0, 1.5, 10.0])
    errors = errors_of_values(line, {"x_1": at}, found.covariance, found.undetermined)
    s2 = ((y - slope * x - level) ** 2).sum() / (50 - 2)
    expected = np.sqrt(s2 * (1 / 50 + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()))
    np.testing.assert_allclose(errors, expected, rtol=1e-9)


def test_values_are_determined_though_constants_are_not() -> None:
    rng = np.random.default_rng(4)
    x, z = rng.uniform(0, 1, 60), np.full(60, 2.0)
    y = 3 * x + rng.normal(0, 0.1, 60)
    over = parse_formula(f"{3 / math.exp(0.6)!r}*exp(0.3*x_2)*x_1")  # of whose constants x_2 = 2 gives one number
    found = estimate(over, {"x_1": x, "x_2": z}, y)
    assert found.covariance is not None
    assert [c.standard_error for c in found.constants] == [None, None]
    once = estimate(parse_formula("3.0*x_1"), {"x_1": x}, y)
    assert once.covariance is not None
    alone = errors_of_values(parse_formula("3.0*x_1"), {"x_1": x}, once.covariance, [])
    same = errors_of_values(over, {"x_1": x, "x_2": z}, found.covariance, found.undetermined)
    np.testing.assert_allclose(same, alone, rtol=1e-6)
    beyond = errors_of_values(over, {"x_1": x[:1], "x_2": z[:1] + 1}, found.covariance, found.undetermined)
    assert np.isnan(beyond).all()  # nothing says how it goes on there


def test_without_noise_values_have_no_error() -> None:
    x = np.linspace(0, 1, 30)
    law = parse_formula("2.5*x_1 + 0.3*sin(x_1)")
    found = estimate(law, {"x_1": x}, evaluate(law, {"x_1": x}))
    assert found.covariance is not None
    assert not errors_of_values(law, {"x_1": x + 5}, found.covariance, found.undetermined).any()


def test_the_covariance_of_other_constants_is_refused() -> None:
    with pytest.raises(ValueError, match="other constants"):
        errors_of_values(parse_formula("2.5*x_1"), {"x_1": np.ones(2)}, [[1.0, 0.0], [0.0, 1.0]], [])


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("law", list(LAWS))
def test_with_errors_of_measurement_constants_are_those_of_curve_fit(law: str, absolute: bool) -> None:
    text, f = LAWS[law]
    generator = np.random.default_rng(len(law))
    x = generator.uniform(0.3, 5, 60)
    sigma = 0.05 * generator.uniform(0.3, 3, 60)
    given = {"x_1": x}
    y = formula_values(text, x[:, None]) + sigma * generator.normal(size=60)
    start = [abs(float(c)) for c in constants_of(parse_formula(text))]
    wanted, covariance = curve_fit(f, x, y, start, sigma=sigma, absolute_sigma=absolute)
    weights, noise = weights_of_errors(sigma)
    fitted = polished(parse_formula(text), given, y, np.sqrt(weights))
    found = estimate(fitted, given, y, np.sqrt(weights), noise, absolute)
    values = {abs(c.value): c.standard_error for c in found.constants}
    for value, error in zip(np.abs(wanted), np.sqrt(np.diag(covariance)), strict=True):
        nearest = min(values, key=lambda v: abs(v - value))
        assert nearest == pytest.approx(value, rel=1e-5) and values[nearest] == pytest.approx(error, rel=1e-3)
    chi_square = float((((f(x, *wanted) - y) / sigma) ** 2).sum())
    assert found.reduced == pytest.approx(chi_square / 58, rel=1e-6)


def test_known_errors_hold_though_there_are_no_more_rows_than_constants() -> None:
    given, y = {"x_1": np.array([1.0, 2.0])}, np.array([1.3, 2.9])
    fitted = polished(parse_formula("1.6*x_1 - 0.3"), given, y)
    assert [c.standard_error for c in estimate(fitted, given, y).constants] == [None, None]
    found = estimate(fitted, given, y, noise=0.01, absolute=True)
    assert sorted(c.standard_error or 0.0 for c in found.constants) == pytest.approx([0.1 * 2**0.5, 0.1 * 5**0.5])
    assert found.reduced is None


def test_a_formula_without_constants_has_its_chi_square() -> None:
    given, y = {"x_1": np.linspace(1, 2, 11)}, np.linspace(1, 2, 11) + 0.1
    assert estimate(parse_formula("x_1"), given, y, noise=0.01).reduced == pytest.approx(1.0)
