from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.symbolic.front import MOST_OTHERS, Alternative, others_of, pareto
from tests.helpers import uniform_rows

X = sp.Symbol("x_1", real=True)


def noisy(rows: int, noise: float) -> Dataset:
    x = uniform_rows(rows, 1, seed=2, low=0.5, high=2.0)
    y = 2 * x + noise * torch.as_tensor(np.random.default_rng(1).standard_normal((rows, 1)))
    part = Rows(x, y)
    return Dataset("d", part, None, ["x_1"], ["y"], REGRESSION, MSE, names={"x_1": "time"})


def test_forms_that_explain_as_much_are_told_with_odds() -> None:
    data = noisy(12, 0.5)
    alike, worse, chosen = 2 * X + sp.Float(0.01), sp.exp(-X), sp.Float(2.0) * X
    same = sp.Float(2.01) * X
    [other] = others_of([alike, worse, chosen, same], chosen, 0, data)
    assert other.expression == str(alike)
    assert "time" in other.rounded
    assert 0 < other.odds < 1  # it needs a constant more


def test_many_rows_leave_no_other() -> None:
    data = noisy(400, 0.01)
    assert others_of([sp.Float(2.1) * X, sp.exp(X)], sp.Float(2.0) * X, 0, data) == []


def test_no_more_than_a_few_and_the_likeliest_first() -> None:
    data = noisy(8, 50.0)
    two = sp.Float(2.0)
    others = [two * sp.sqrt(X), two * X**2, two / X, two * X ** sp.Float(1.1), two * sp.exp(X / two), two * sp.log(X)]
    others += [two + two * X]
    found = others_of(others, sp.Float(2.0) * X, 0, data)
    assert len(found) == MOST_OTHERS
    odds = [other.odds for other in found]
    assert odds == sorted(odds, reverse=True)
    assert all(math.isfinite(o) for o in odds)


def test_a_form_without_a_value_is_none() -> None:
    data = noisy(12, 0.5)
    assert others_of([sp.log(X - 1)], sp.Float(2.0) * X, 0, data) == []


def test_of_points_that_are_shown_alike_the_chosen_one_is_kept() -> None:
    points = [
        Alternative(3, 0.5, "2.0*x_1", "2*x_1"),
        Alternative(3, 0.5, "2.00000001*x_1", "2*x_1", chosen=True),
        Alternative(5, 0.1, "2.0*x_1 + 1.0", "2*x_1 + 1"),
    ]
    assert pareto(points) == points[1:]
    assert pareto(points[:1] + points[2:]) == points[:1] + points[2:]


def test_a_form_that_differs_nowhere_is_told_without_a_point_that_decides() -> None:
    data = noisy(12, 0.5)
    apart, same = sp.Float(2.0) * X + sp.Float(0.1), sp.Float(2.0) * sp.Abs(X)
    chosen = sp.Float(2.0) * X
    [other] = others_of([same], chosen, 0, data)
    assert other.where is None and other.values is None
    [other] = others_of([apart], chosen, 0, data)
    assert other.where is not None and other.values is not None
    assert other.values[1] - other.values[0] == pytest.approx(0.1)
