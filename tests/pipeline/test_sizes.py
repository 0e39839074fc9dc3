"""The size of numbers changes nothing, and every output is found on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kanrun
from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.reaching import badly_explained

X = np.random.default_rng(3).uniform(-1, 1, (80, 2))
FEW = {"symbolic": {"library": ["x", "x^2", "x^3", "sin", "exp"], "work": 1000.0}}


def fitted(x: Any, y: Any) -> FitResult:
    model = {"width": [x.shape[1], y.reshape(len(y), -1).shape[1]]}
    return kanrun.fit(x[:60], y[:60], {**FEW, "model": model}, test=(x[60:], y[60:]))


@pytest.fixture(scope="module")
def plain() -> FitResult:
    """Of rows as they are."""
    return fitted(X, np.sin(X[:, 0]) + X[:, 1] ** 2)


@pytest.mark.parametrize("factor", [1e-30, 1e6])
def test_rows_of_any_size_give_the_same_network_and_formula(factor: float, plain: FitResult) -> None:
    y = np.sin(X[:, 0]) + X[:, 1] ** 2
    other = fitted(factor * X, factor * y)
    r2 = [[stage["test"]["r2"] for stage in each.metrics["stages"]] for each in (plain, other)]
    assert r2[1] == pytest.approx(r2[0], abs=1e-6)
    assert plain.formulas[0].rounded == "x_2**2 + sin(x_1)"
    assert other.metrics["final"]["r2"] == pytest.approx(1.0)
    assert other.formulas[0].complexity <= plain.formulas[0].complexity + 6  # of the factors alone


@pytest.mark.parametrize(
    ("slope", "level", "formula"),
    [(100, 0, "100*x_1"), (20, 0, "20*x_1"), (0.001, 0, "0.001*x_1"), (300, -20, "300*x_1 - 20")],
)
def test_a_straight_line_of_any_slope_is_one(slope: float, level: float, formula: str) -> None:
    assert fitted(X[:, :1], slope * X[:, 0] + level).formulas[0].rounded == formula


def test_outputs_of_different_sizes_are_each_found() -> None:
    y = np.stack([1e3 * np.sin(np.pi * X[:, 0]) + 1e3 * X[:, 1], 1e-3 * X[:, 0] ** 2], axis=1)
    result = fitted(X, y)
    assert [f.rounded for f in result.formulas] == ["1000*x_2 + 1000*sin(pi*x_1)", "0.001*x_1**2"]
    for stage in result.metrics["stages"]:
        assert all(each["r2"] > 0.999 for each in stage["test"]["outputs"].values())


def test_an_output_that_is_badly_explained_beside_others_is_named() -> None:
    scored = {"outputs": {"a": {"r2": 0.999}, "b": {"r2": 0.2}, "c": {"r2": None}, "d": {"r2": 0.95}}}
    assert badly_explained(scored) == ["b is explained badly (R2 0.2) beside a (R2 0.999)"]
    assert badly_explained({}) == []
