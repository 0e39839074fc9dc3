from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import relative_loss, relative_weights
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.relative_errors import is_refuted

x_1 = sp.Symbol("x_1")
DECAY = sp.Float(3.1) * sp.exp(-sp.Float(1.1) * x_1)
PEAK = sp.Float(0.4) * sp.exp(-sp.Float(0.031) * (x_1 - sp.Float(50.2)) ** 2)


def by_size(expression: sp.Expr, x: Array, y: Array) -> sp.Expr:
    """The formula with the constants that suit errors relative to the values."""
    for _ in range(3):
        expression = polished(expression, {"x_1": x}, y, relative_weights(y))
    return expression


@pytest.mark.parametrize("size", [0.25, 0.5])
def test_errors_that_are_relative_are_not_refuted(size: float) -> None:
    for seed in range(40):
        draw = np.random.default_rng(seed)
        x = draw.uniform(0, 10, 20 + 2 * seed)
        y = evaluate(DECAY, {"x_1": x}) * np.exp(size * draw.normal(size=len(x)))
        assert not is_refuted(by_size(DECAY, x, y), {"x_1": x}, y)


@pytest.mark.parametrize("size", [0.7, 1.0])
def test_large_errors_of_logarithms_are_not_refuted_by_the_rows_that_are_large_by_chance(size: float) -> None:
    x = np.geomspace(0.01, 10, 400)
    for seed in range(10):
        y = 2 * x**2 * np.exp(size * np.random.default_rng(seed).normal(size=400))
        of_logarithms = sp.Float(np.exp(np.log(y / x**2).mean())) * x_1**2
        assert not is_refuted(of_logarithms, {"x_1": x}, y)


def test_targets_without_a_size_refute_nothing() -> None:
    x = np.linspace(0, 1, 5)
    assert not is_refuted(DECAY, {"x_1": x}, np.zeros(5))


def test_a_peak_that_is_missed_for_what_lies_far_from_it_refutes_relative_errors() -> None:
    x = np.linspace(20, 80, 41)
    y = 0.4 / np.cosh(0.25 * (x - 50.2)) ** 2 + 1e-4  # nearly the same at the top, with tails of another shape
    missed = by_size(PEAK + sp.Float(1e-4), x, y)
    top = evaluate(missed, {"x_1": x}).max()
    assert top < 0.8 * y.max()
    assert relative_loss(evaluate(missed, {"x_1": x}), y) < np.mean((evaluate(missed, {"x_1": x}) - y) ** 2)
    assert is_refuted(missed, {"x_1": x}, y)


def test_errors_that_are_fine_everywhere_are_not_refuted() -> None:
    """A tenth off everywhere is near in any picture, though another formula is nearer at the top."""
    x = np.linspace(0, 10, 60)
    columns = {"x_1": x}
    y = evaluate(DECAY, columns)
    assert not is_refuted(1.1 * DECAY, columns, y)
    assert is_refuted(1.5 * DECAY, columns, y)


def test_no_more_large_values_than_constants_refute_nothing() -> None:
    x = np.array([0.0, 0.4, 5.0, 6.0, 7.0, 8.0, 9.0])
    columns = {"x_1": x}
    y = evaluate(DECAY, columns)
    assert not is_refuted(1.5 * DECAY, columns, y)
