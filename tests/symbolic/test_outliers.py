from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.spatial import KDTree

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.symbolic.outliers import far_rows, is_alone, outliers_of, rows_in_words


def residuals(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=rows), draw.uniform(0, 1, (rows, 1))


@pytest.mark.parametrize("rows", [10, 20, 100, 1000])
def test_normal_errors_are_hardly_ever_outliers(rows: int) -> None:
    assert sum(bool(far_rows(*residuals(seed, rows), 2)) for seed in range(200)) <= 6


@pytest.mark.parametrize("rows", [30, 100, 1000])
def test_planted_outliers_are_named_and_no_others(rows: int) -> None:
    named = list[int]()
    for seed in range(50):
        off, x = residuals(seed, rows)
        off[[3, 17]] += [15, -20]
        named += far_rows(off, x, 2)
    assert named.count(3) == named.count(17) == 50
    assert len(named) <= 103  # one of a hundred draws has a normal error that is as large


def test_a_formula_that_is_wrong_somewhere_has_no_outliers_there() -> None:
    x = np.linspace(0, 1, 200)[:, None]
    off = 0.01 * np.random.default_rng(0).normal(size=200) + np.exp(-(((x[:, 0] - 0.5) / 0.02) ** 2))
    assert far_rows(off, x, 2) == []


def test_many_rows_far_off_are_a_law_of_their_own() -> None:
    off, x = residuals(0, 100)
    off[:30] += 100
    assert far_rows(off, x, 2) == []
    assert far_rows(np.zeros(50), x[:50], 2) == []
    assert far_rows(off[:7], x[:7], 2) == []


def test_outliers_have_the_numbers_of_the_user() -> None:
    off, x = residuals(1, 50)
    off[[4, 30]] += 40
    rows = Rows(torch.as_tensor(x), torch.as_tensor(3 * x[:, :1] + 0.1 * off[:, None]))
    line = sp.Float(3.01) * sp.Symbol("x_1", real=True)
    data = Dataset("d", rows, None, ["x_1"], ["y"], REGRESSION, MSE)
    assert outliers_of(line, 0, data) == [5, 31]
    numbered = Rows(rows.x, rows.y, numbers=torch.arange(100, 150))
    assert outliers_of(line, 0, Dataset("d", numbered, None, ["x_1"], ["y"], REGRESSION, MSE)) == [104, 130]


def test_a_large_relative_error_is_no_outlier_among_such() -> None:
    draw = np.random.default_rng(2)
    x = np.exp(draw.uniform(-3, 6, (60, 1)))
    y = 8 * x * np.exp(0.7 * draw.normal(size=(60, 1)))
    weights = torch.as_tensor(1 / (8 * x[:, 0]) ** 2)
    law, rows = sp.Float(8.0) * sp.Symbol("x_1", real=True), Rows(torch.as_tensor(x), torch.as_tensor(y), weights)
    data = Dataset("d", rows, None, ["x_1"], ["y"], REGRESSION, MSE)
    assert outliers_of(law, 0, data)
    recognized = {"model": "proportional", "logarithmic": True}
    assert outliers_of(law, 0, replace(data, recognized=recognized)) == []
    y[7] *= 500
    rows = replace(rows, y=torch.as_tensor(y))
    assert outliers_of(law, 0, replace(data, train=rows, recognized=recognized)) == [8]


def test_a_small_value_is_no_outlier_where_relative_errors_are_normal() -> None:
    draw = np.random.default_rng(11)
    x = draw.uniform(1, 5, (200, 1))
    y = 3 * x**2 * (1 + 0.3 * draw.normal(size=(200, 1)))
    weights = torch.as_tensor(1 / (3 * x[:, 0] ** 2) ** 2)
    law, rows = sp.Float(3.0) * sp.Symbol("x_1", real=True) ** 2, Rows(torch.as_tensor(x), torch.as_tensor(y), weights)
    data = Dataset("d", rows, None, ["x_1"], ["y"], REGRESSION, MSE, recognized={"model": "proportional"})
    assert (y > 0).all() and far_rows(np.log(y / (3 * x**2))[:, 0], x, 1)
    assert outliers_of(law, 0, data) == []


def test_at_most_ten_rows_are_named() -> None:
    assert rows_in_words([7]) == "row 7"
    assert rows_in_words([4, 17, 23]) == "rows 4, 17, 23"
    assert rows_in_words(range(1, 13)) == "rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more"


def test_of_very_many_or_very_few_rows_the_neighbours_are_not_asked() -> None:
    off, x = residuals(3, 5000)
    off[[3, 17]] += [25, -25]
    assert far_rows(off, x, 2) == [3, 17]
    assert far_rows(np.array([0.1, -0.2, 0.15, -0.1, 50.0, 0.2]), np.zeros((6, 1)), 0) == [4]


def test_the_neighbours_of_a_row_are_those_that_are_near_in_the_spread_of_every_input() -> None:
    off, x = residuals(4, 60)[0], np.random.default_rng(4).uniform(0, 1, (60, 2)) * [1, 1e6]
    near = KDTree(x / np.std(x, axis=0)).query(x[7] / np.std(x, axis=0), 7)[1][1:]
    off[7], off[near[:3]] = 40.0, 30.0
    assert is_alone(7, off, x)  # half of them are not most
    off[near[3]] = 30.0
    assert not is_alone(7, off, x)
    assert is_alone(7, np.where(np.arange(60) == 7, -40.0, off), x)  # the others are on the other side
