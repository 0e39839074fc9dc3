from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import t

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.robust import (
    FREEDOM,
    HUBER,
    NEAR,
    STUDENT,
    loss_at,
    medians_near,
    reweighed,
    scale_of,
    variance_of_fit,
    weights_at,
    with_loss,
)
from kanrun.errors import ConfigError

Array = np.ndarray[Any, np.dtype[np.float64]]
OFF = np.linspace(-8, 8, 161)


@pytest.mark.parametrize("loss", [HUBER, STUDENT])
def test_weights_are_the_slope_of_the_loss_over_the_residual(loss: str) -> None:
    step = 1e-6
    slopes = (loss_at(OFF + step, loss) - loss_at(OFF - step, loss)) / (2 * step)
    np.testing.assert_allclose(weights_at(OFF, loss) * OFF, slopes / 2, atol=1e-5)


def test_the_loss_of_student_is_its_likelihood() -> None:
    differences = loss_at(OFF, STUDENT) / 2 + t.logpdf(OFF, FREEDOM)
    np.testing.assert_allclose(differences, differences[0])


def test_the_scale_is_that_of_the_rows_that_are_no_outliers() -> None:
    off = np.random.default_rng(0).normal(size=4000)
    assert scale_of(off) == pytest.approx(1, rel=0.05)
    off[:200] = 1e6
    assert scale_of(off) == pytest.approx(1, rel=0.1)


def total(y: Array, scale: float, loss: str, level: float) -> float:
    return float(loss_at((y - level) / scale, loss).sum())


@pytest.mark.parametrize("loss", [HUBER, STUDENT])
@pytest.mark.parametrize("outliers", [0.0, 0.1])
def test_the_variance_of_a_fit_is_that_of_fits_to_other_rows(loss: str, outliers: float) -> None:
    draw, rows, levels, told = np.random.default_rng(1), 200, [], []
    for _ in range(300):
        y = draw.normal(size=rows)
        y[: int(outliers * rows)] *= 20
        scale = scale_of(y - np.median(y), 1)
        level = minimize_scalar(partial(total, y, scale, loss), (-1.0, 1.0)).x
        levels.append(level)
        told.append(variance_of_fit(y - level, loss, 1) / rows)
    assert np.mean(told) == pytest.approx(np.var(levels), rel=0.25)


def test_the_variance_of_a_fit_without_outliers_is_that_of_least_squares() -> None:
    off = np.array([1.0, -1.0] * 6)  # all within the part of the loss that is a square
    assert variance_of_fit(off, HUBER, 4) == pytest.approx(float(off @ off) / (12 - 4))


def rows_with_outliers() -> tuple[Dataset, list[int]]:
    x = torch.linspace(0, 3, 60, dtype=torch.float64)[:, None]
    y = torch.sin(x) + 0.01 * torch.randn(60, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    far = [5, 30, 44]
    y[far] += 3
    return Dataset("d", Rows(x, y), None, ["x_1"], ["y"], REGRESSION, MSE), far


@pytest.mark.parametrize("outputs", [None, torch.sin])
def test_outliers_lose_their_weight(outputs: object) -> None:
    data, far = rows_with_outliers()
    assert reweighed(data, outputs) is data
    found = reweighed(with_loss(data, STUDENT), outputs).train.weights
    assert found is not None
    assert float(found.mean()) == pytest.approx(1)
    assert float(found[far].max()) < 0.02
    assert float(found.median()) > 0.9


def test_validation_rows_are_held_against_the_scale_of_the_training_rows() -> None:
    data, _ = rows_with_outliers()
    x = torch.linspace(0.1, 2.9, 9, dtype=torch.float64)[:, None]
    off = torch.zeros_like(x)
    off[4] = 1.0
    found = reweighed(replace(with_loss(data, HUBER), validation=Rows(x, torch.sin(x) + off)), torch.sin)
    assert found.validation is not None and found.validation.weights is not None
    scale = scale_of((data.train.y - torch.sin(data.train.x)).numpy()[:, 0])
    expected = torch.ones(9, dtype=torch.float64)
    expected[4] = 1.345 * scale
    torch.testing.assert_close(found.validation.weights, expected / expected.mean())


def test_rows_all_count_alike_where_most_are_met_to_the_last_digit() -> None:
    data, far = rows_with_outliers()
    level = torch.zeros_like(data.train.y)
    level[far] = 5.0
    found = reweighed(with_loss(replace(data, train=Rows(data.train.x, level)), STUDENT), torch.zeros_like)
    assert found.train.weights is not None and found.train.weights.tolist() == [1.0] * 60
    assert variance_of_fit(level[:, 0].numpy(), STUDENT, 1) == 0.0


def test_a_handful_of_rows_is_held_against_the_median_of_them_all() -> None:
    x = torch.arange(NEAR, dtype=torch.float64)[:, None]
    y = torch.tensor([[1.0], [5.0], [2.0], [90.0], [3.0], [4.0]], dtype=torch.float64)
    assert medians_near(x, y).tolist() == [[3.0]] * NEAR


def test_the_rows_near_another_are_near_in_units_of_each_input() -> None:
    """Two groups of rows along an input in tiny units; the other one, in large units, is alike in both."""
    group = torch.arange(16, dtype=torch.float64) // 8
    x = torch.stack([1e-6 * group, 1e6 * (torch.arange(16) % 8)], dim=1).double()
    assert medians_near(x, group[:, None]).equal(group[:, None])


def test_a_robust_loss_is_refused_for_classes_and_beside_weights() -> None:
    data, _ = rows_with_outliers()
    assert with_loss(data, "auto") is data
    rows = Rows(data.train.x, (data.train.y[:, 0] > 0.5).long())
    classes = Dataset("d", rows, None, ["x_1"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    with pytest.raises(ConfigError, match=r"dataset\.loss=student: it is for targets that are numbers"):
        with_loss(classes, STUDENT)
    weighted = Dataset("d", Rows(data.train.x, data.train.y, rows.x[:, 0] + 1), None, ["x_1"], ["y"], REGRESSION, MSE)
    with pytest.raises(ConfigError, match=r"dataset\.loss=huber: rows count by sigma or weights already"):
        with_loss(weighted, HUBER)
