"""The boundary of two classes has constants of its own, whatever the scale of the log-odds is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.special import expit

from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.boundary import Boundary, boundary_of
from kanrun.symbolic.decision import classes_of

X = torch.as_tensor(np.random.default_rng(0).uniform(0.2, 4, (300, 2)))
COLUMNS = {"x_1": X[:, 0].numpy(), "x_2": X[:, 1].numpy()}


def dataset(log_odds: sp.Expr, overlap: bool = True, seed: int = 1) -> Dataset:
    """Rows whose classes are drawn by log-odds, or told apart by their sign; lengths in cm."""
    z = evaluate(log_odds, COLUMNS)
    second = np.random.default_rng(seed).random(len(X)) < expit(z) if overlap else z > 0
    names, units = {"x_1": "width", "x_2": "height"}, {"x_1": "cm", "x_2": "cm"}
    rows = Rows(X, torch.as_tensor(second.astype(int)))
    return Dataset("d", rows, None, ["x_1", "x_2"], ["logit_out", "logit_in"], CLASSIFICATION, CROSS_ENTROPY,
                   names=names, units=units)  # fmt: skip


def boundary(text: str, overlap: bool = True) -> Boundary:
    """The boundary of log-odds that the classes are drawn by."""
    log_odds = parse_formula(text, ["x_1", "x_2"])
    data = dataset(log_odds, overlap)
    found = boundary_of(log_odds, classes_of(data), data)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "shown", "constants", "units"),
    [
        ("4.5 - 0.5*x_1**2 - 1.125*x_2**2", "width**2/3**2 + height**2/2**2 = 1", [3.0, 2.0], ["cm", "cm"]),
        ("2.0*x_1 + 4.0*x_2 - 6.0", "height = -0.5*width + 1.5", [1.5, 0.5], ["cm", ""]),
        ("6.0*x_2 - 1.5*x_1**2 - 4.5", "height = 0.25*width**2 + 0.75", [0.75, 0.25], ["cm", "1/cm"]),
        ("1.5*x_1*x_2 - 3.75", "height*width = 2.5", [2.5], ["cm^2"]),
        ("5.0*x_1 - 7.5", "width = 1.5", [1.5], ["cm"]),
        ("4.0 - 4.0*x_1**2 - x_2**2", "width**2 + height**2/2**2 = 1", [2.0], ["cm"]),
        ("2.0*x_1 - 1.5*x_1*x_2 - 3.0", "-0.5*height*width + 0.6667*width = 1", [0.5, 2 / 3], ["1/cm^2", "1/cm"]),
        ("1.2*x_1**2 - 3.0*x_1*x_2 + 0.6*x_2**2", "", [2.0, 5.0], ["", ""]),
    ],
)
def test_the_equation_is_in_the_users_columns_with_their_units(
    text: str, shown: str, constants: list[float], units: list[str]
) -> None:
    found = boundary(text)
    own = sorted((round(c.value, 9), c.unit) for c in found.constants)
    assert own == sorted((round(c, 9), unit) for c, unit in zip(constants, units, strict=True))
    if shown:
        assert found.rounded == shown
        places = [shown.replace("**2", "  ").index(f"{c.value:.4g}") for c in found.constants]
        assert places == sorted(places)


@pytest.mark.parametrize(
    "text", ["4.5 - 0.5*x_1**2 - 1.125*x_2**2", "-2.0*x_1 + 4.0*x_2 - 1.7*log(x_1)", "3.0 - x_1*x_2"]
)
def test_it_says_the_side_and_the_log_odds_as_they_are(text: str) -> None:
    found, columns = boundary(text), {n: c[:50] for n, c in COLUMNS.items()}
    left, right = (evaluate(parse_formula(side, ["x_1", "x_2"]), columns) for side in (found.left, found.right))
    z = evaluate(parse_formula(text, ["x_1", "x_2"]), columns)
    np.testing.assert_allclose(found.factor.value * (left - right), z, rtol=1e-9)
    assert np.array_equal((left > right) == found.above, z > 0)


def test_the_scale_of_the_odds_does_not_change_the_constants() -> None:
    text = "4.5 - 0.5*x_1**2 - 1.125*x_2**2"
    log_odds = parse_formula(text, ["x_1", "x_2"])
    data = dataset(log_odds)
    small, large = (boundary_of(k * log_odds, classes_of(data), data) for k in (1, 3))
    assert small is not None and large is not None
    assert small.rounded == large.rounded
    assert large.factor.value == pytest.approx(3 * small.factor.value)


def test_errors_are_those_of_the_delta_method() -> None:
    log_odds = parse_formula("2.0*x_1 + 4.0*x_2 - 6.0", ["x_1", "x_2"])
    data = dataset(log_odds)
    found = boundary_of(log_odds, classes_of(data), data)
    assert found is not None
    design = np.column_stack([COLUMNS["x_1"], COLUMNS["x_2"], np.ones(len(X))])
    z = design @ [2.0, 4.0, -6.0]
    covariance = np.linalg.inv(design.T @ ((expit(z) * expit(-z))[:, None] * design))
    slopes = {1.5: np.array([0, -6 / 16, -1 / 4]), 0.5: np.array([1 / 4, -2 / 16, 0])}  # of -c/b and a/b
    for constant in found.constants:
        slope = slopes[round(constant.value, 9)]
        assert constant.standard_error == pytest.approx(float(np.sqrt(slope @ covariance @ slope)), rel=1e-6)
    assert found.factor.standard_error == pytest.approx(float(np.sqrt(covariance[1, 1])), rel=1e-6)


def test_classes_that_do_not_overlap_have_a_boundary_but_no_odds() -> None:
    found = boundary("2.0*x_1 + 4.0*x_2 - 6.0", overlap=False)
    assert found.separated and found.factor.standard_error is None
    assert all(c.standard_error for c in found.constants)
    assert not boundary("2.0*x_1 + 4.0*x_2 - 6.0").separated


def test_what_is_no_sum_of_terms_with_factors_has_no_equation() -> None:
    data = dataset(parse_formula("2.0*x_1 - 3.0", ["x_1", "x_2"]))
    for text in ("2.5", "0.0"):
        assert boundary_of(parse_formula(text, ["x_1", "x_2"]), classes_of(data), replace(data, units={})) is None
