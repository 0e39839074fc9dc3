from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.constants import MOST, Form, constants_of
from kanrun.symbolic.cross_validation import (
    ONE_BY_ONE,
    PARTS,
    cross_validated,
    fitted,
    folds_of,
    parts,
    predictions,
    tells_of,
)  # fmt: skip
from tests.helpers import Array

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.5, 3, 30)
NOISE = RANDOM.normal(0, 0.1, 30)


def parsed(text: str) -> sp.Expr:
    return parse_formula(text, ["x"])


def left_out_one_by_one(text: str, x: Array, y: Array) -> Array:
    return predictions(parsed(text), {"x": x}, y, parts(len(y), 0))


def test_a_line_is_predicted_as_scikit_learn_does_leaving_out_one_by_one() -> None:
    y = 1.7 * X - 0.4 + NOISE
    wanted = cross_val_predict(LinearRegression(), X[:, None], y, cv=LeaveOneOut())
    assert np.allclose(left_out_one_by_one("1.65*x - 0.38", X, y), wanted, rtol=1e-6)
    mse = float(np.mean((wanted - y) ** 2))
    found = cross_validated(parsed("1.65*x - 0.38"), {"x": X}, y, 0)
    assert found == pytest.approx({"mse": mse, "rmse": math.sqrt(mse), "r2": r2_score(y, wanted)}, rel=1e-6)


def test_a_curve_is_predicted_as_scipy_fits_it_without_each_row() -> None:
    def curve(x: Array, a: float, b: float) -> Array:
        return a * np.exp(b * x)

    y = curve(X, 2.1, -0.7) + NOISE / 5
    wanted = []
    for k in range(len(X)):
        constants, _ = curve_fit(curve, np.delete(X, k), np.delete(y, k), p0=(2.0, -0.6))
        wanted.append(curve(X[k], *constants))
    assert np.allclose(left_out_one_by_one("2.05*exp(-0.65*x)", X, y), wanted, rtol=1e-4)


def test_more_rows_are_left_out_in_ten_parts_that_the_seed_draws() -> None:
    x = RANDOM.uniform(0, 1, 203)
    y = 1.3 * x + 0.2 + RANDOM.normal(0, 0.1, 203)
    own = list(parts(203, 5))
    assert len(own) == PARTS and sorted(np.concatenate(own)) == list(range(203))
    splits = [(np.setdiff1d(np.arange(203), part), part) for part in own]
    wanted = cross_val_predict(LinearRegression(), x[:, None], y, cv=splits)
    assert np.allclose(predictions(parsed("1.25*x + 0.25"), {"x": x}, y, parts(203, 5)), wanted, rtol=1e-6)
    assert not np.array_equal(own[0], next(parts(203, 6)))
    assert len(list(parts(ONE_BY_ONE, 0))) == ONE_BY_ONE
    assert (folds_of(ONE_BY_ONE), folds_of(203)) == ("leave-one-out", PARTS)


def test_whole_numbers_are_part_of_the_form_and_not_fitted_again() -> None:
    y = 3 * X**2 + NOISE
    assert np.array_equal(left_out_one_by_one("2*x^2", X, y), 2 * X**2)


def test_an_exact_form_has_no_error_and_a_wrong_one_a_larger_one() -> None:
    exact, wrong = (cross_validated(parsed(text), {"x": X}, 2.5 * X**2, 0) for text in ("2.4*x^2", "2.4*x"))
    assert exact == pytest.approx({"mse": 0, "rmse": 0, "r2": 1}, abs=1e-8)
    assert wrong["rmse"] > 0.1


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_the_size_of_the_target_does_not_matter(scale: float) -> None:
    y = 1.7 * X - 0.4 + NOISE
    small = cross_validated(parsed("1.65*x - 0.38"), {"x": X}, y, 0)
    expression = sp.Float(1.65 * scale) * sp.Symbol("x", real=True) - sp.Float(0.38 * scale)
    scaled = cross_validated(expression, {"x": X}, y * scale, 0)
    assert scaled["r2"] == pytest.approx(small["r2"], abs=1e-6)


def test_a_form_that_has_no_value_at_a_row_has_no_score_and_a_target_that_never_changes_no_r2() -> None:
    assert set(cross_validated(parsed("1.5*log(x - 1)"), {"x": X}, X, 0).values()) == {None}
    found = cross_validated(parsed("1.5 + 0.1*x"), {"x": X}, np.ones(30), 0)
    assert found["rmse"] is not None and found["r2"] is None


def test_more_constants_than_rows_stay_as_they_are() -> None:
    expression = parsed("1.5*x + 2.5*x^2 + 0.5")
    form, start = Form.of(expression, constants_of(expression)), np.array([1.5, 2.5, 0.5])
    assert np.array_equal(fitted(form, start, {"x": X[:2]}, X[:2]), start)


@pytest.mark.parametrize(("rows", "left"), [(3, 2), (4, 3), (100, 99), (101, 90)])
def test_a_form_with_more_constants_than_are_left_rows_is_not_said_to_be_validated(rows: int, left: int) -> None:
    assert left == rows - max(map(len, parts(rows, 0)))
    for count in (left, left + 1):
        powers = parsed(" + ".join(f"{k}.5*x**{k}" for k in range(1, min(count, MOST + 1) + 1)))
        assert tells_of(powers, {"x": np.linspace(1, 4, rows)}, 1.0, rows, 0) == (count <= min(left, MOST))


@pytest.mark.parametrize("rows", [40, 140])
def test_a_form_of_whose_constants_one_part_alone_tells_is_not_said_to_be_validated(rows: int) -> None:
    x = np.linspace(0, 4, rows)
    peak = parsed(f"3.5*exp(-(x - {float(x[rows // 2])})^2*1e6)")
    assert not tells_of(peak, {"x": x}, 1.0, rows, 0)
    assert tells_of(parsed("3.5*exp(-(x - 2.1)^2*1.2)"), {"x": x}, 1.0, rows, 0)
    factors = np.where(x == x.max(), 1.0, 1e-9)  # as all but one row count next to nothing
    assert not tells_of(parsed("3.5*x"), {"x": x}, factors, rows, 0)


def test_rows_count_by_their_weights() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 1, 30)
    y = 2 * x + 1 + generator.normal(size=30)
    times = np.arange(30) % 3 + 1.0
    found = cross_validated(parse_formula("2.1*x_1 + 0.9"), {"x_1": x}, y, 0, times / times.mean())
    missed = []
    for k in range(30):
        keep = np.arange(30) != k
        slope, level = np.polyfit(x[keep], y[keep], 1, w=np.sqrt(times[keep]))
        missed.append((slope * x[k] + level - y[k]) ** 2)
    assert found["mse"] == pytest.approx(np.average(missed, weights=times), rel=1e-6)
