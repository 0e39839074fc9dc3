"""Constants of log-odds are the likeliest ones after Firth, and classes that do not overlap have none of their odds."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.logistic import Classes, is_separated, log_odds

DRAW = np.random.default_rng(3)
X = DRAW.uniform(-2, 2, (300, 2))
COLUMNS = {"x_1": X[:, 0], "x_2": X[:, 1]}


def overlapping(seed: int = 0) -> Classes:
    """Classes by log-odds of 2*x_1 - x_2**2 + 0.5."""
    chances = expit(2 * X[:, 0] - X[:, 1] ** 2 + 0.5)
    second = (np.random.default_rng(seed).random(len(X)) < chances).astype(float)
    return Classes(COLUMNS, second, np.ones(len(X)))


def constants(text: str, classes: Classes) -> np.ndarray:
    """The constants of a formula fitted to classes."""
    found = log_odds(parse_formula(text, ["x_1", "x_2"]), classes)
    assert found is not None
    return np.array([float(f) for f in constants_of(found.expression)])


def test_bits_are_those_at_the_maximum_of_the_likelihood() -> None:
    classes = overlapping()
    found = log_odds(parse_formula("1.1*x_1 - 0.9*x_2**2 + 0.3", ["x_1", "x_2"]), classes)
    longer = log_odds(parse_formula("1.1*x_1 - 0.9*x_2**2 + 0.3 + 0.2*x_2", ["x_1", "x_2"]), classes)
    assert found is not None and longer is not None and not found.separated
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(np.column_stack([X[:, 0], X[:, 1] ** 2]), classes.second)
    chances = oracle.predict_proba(np.column_stack([X[:, 0], X[:, 1] ** 2]))[np.arange(300), classes.second.astype(int)]
    rest = found.bits + np.log2(chances).sum()  # of form and constants
    assert rest > 3 * 0.5 * math.log2(300)
    assert longer.bits > found.bits


def penalized(c: np.ndarray, classes: Classes) -> float:
    """Minus the likelihood of c_0*x_1 + c_1, less half the log of the determinant of the information."""
    design = np.column_stack([X[:, 0], np.ones(300)])
    z = design @ c
    information = design.T @ ((expit(z) * expit(-z))[:, None] * design)
    return float(np.logaddexp(0, z).sum() - classes.second @ z - 0.5 * np.linalg.slogdet(information)[1])


def test_constants_maximize_the_likelihood_with_the_prior_of_jeffreys() -> None:
    classes = overlapping()
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    best = minimize(penalized, [1.0, 0.1], (classes,), method="Nelder-Mead", options=options)
    np.testing.assert_allclose(constants("0.8*x_1 + 0.2", classes), best.x, rtol=1e-3)


def test_without_overlap_the_boundary_has_all_rows_on_their_sides_at_a_moderate_scale() -> None:
    classes = Classes(COLUMNS, (X[:, 0] > 0.1).astype(float), np.ones(300))
    found = log_odds(parse_formula("0.8*x_1 + 0.2", ["x_1", "x_2"]), classes)
    slope, level = constants("0.8*x_1 + 0.2", classes)
    assert found is not None and found.separated
    assert np.array_equal(slope * X[:, 0] + level > 0, classes.second > 0.5)
    assert 10 < slope < 1000  # the likelihood alone has no maximum


def test_constants_within_a_function_are_fitted_too() -> None:
    z = 6 * np.tanh(1.7 * X[:, 0]) - 2
    second = (np.random.default_rng(1).random(300) < expit(z)).astype(float)
    own, rate, shift = constants("5.0*tanh(1.5*x_1) - 1.5", Classes(COLUMNS, second, np.ones(300)))
    assert abs(rate - 1.7) < 0.6 and abs(own - 6) < 1.5 and abs(shift + 2) < 1


def test_classes_overlap_or_they_do_not() -> None:
    form = parse_formula("1.5*x_1 + 0.5*x_2**2 - 0.7", ["x_1", "x_2"])
    inside = (X[:, 0] + 0.4 * X[:, 1] ** 2 > 0.5).astype(float)
    assert is_separated(form, Classes(COLUMNS, inside, np.ones(300)))
    inside[0] = 1 - inside[0] if abs(X[0, 0] + 0.4 * X[0, 1] ** 2 - 0.5) > 0.5 else inside[0]
    far = int(np.argmax(X[:, 0] + 0.4 * X[:, 1] ** 2))
    inside[far] = 0.0  # one row deep on the other side
    assert not is_separated(form, Classes(COLUMNS, inside, np.ones(300)))
    weights = np.ones(300)
    weights[[0, far]] = 0.0  # rows that do not count say nothing
    assert is_separated(form, Classes(COLUMNS, inside, weights))


def test_rows_of_weight_two_count_as_two_rows() -> None:
    classes = overlapping()
    twice = np.concatenate([np.arange(300), np.arange(100)])
    doubled = Classes({k: v[twice] for k, v in COLUMNS.items()}, classes.second[twice], np.ones(400))
    weights = np.where(np.arange(300) < 100, 2.0, 1.0)
    text = "1.1*x_1 - 0.9*x_2**2 + 0.3"
    ours = constants(text, Classes(COLUMNS, classes.second, weights))
    np.testing.assert_allclose(ours, constants(text, doubled), rtol=2e-2)


def test_units_of_the_inputs_do_not_matter() -> None:
    classes, text = overlapping(), "1.1*x_1 - 0.9*x_2**2 + 0.3"
    large = Classes({"x_1": 1e8 * X[:, 0], "x_2": 1e-5 * X[:, 1]}, classes.second, classes.weights)
    plain, other = constants(text, classes), constants("1.1e-8*x_1 - 0.9e10*x_2**2 + 0.3", large)
    np.testing.assert_allclose(np.sort(other * [1e8, 1e-10, 1]), np.sort(plain), rtol=1e-6)


def test_a_form_without_a_value_on_some_row_has_no_log_odds() -> None:
    assert log_odds(parse_formula("1.5*log(x_1) + 0.5", ["x_1", "x_2"]), overlapping()) is None
    assert log_odds(parse_formula("x_1", ["x_1", "x_2"]), overlapping()) is None


def test_constants_that_no_row_feels_stay_as_they_are() -> None:
    assert sorted(constants("tanh(800.0*x_1 + 5000.0)", overlapping())) == [800.0, 5000.0]


def test_constants_whose_slopes_have_squares_beyond_all_numbers_are_no_less_likely_afterwards() -> None:
    """Warnings are errors here."""
    classes, start = overlapping(), np.exp(200 * X[:, 0])
    (rate,) = constants("exp(200.0*x_1)", classes)
    assert classes.nats(np.exp(rate * X[:, 0])) <= classes.nats(start)


def test_constants_whose_slope_is_no_number_on_some_row_stay_as_they_are() -> None:
    """A root has a value at 0, and no slope."""
    classes = overlapping()
    border = Classes({"x_1": np.append(X[:, 0], -2.5), "x_2": np.append(X[:, 1], 0.0)}, np.append(classes.second, 0.0),
                     np.ones(301))  # fmt: skip
    assert constants("sqrt(x_1 + 2.5)", border).tolist() == [2.5]
    assert constants("sqrt(x_1 + 2.5)", classes).tolist() != [2.5]
