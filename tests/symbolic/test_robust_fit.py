from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import least_squares

from kanrun.data.robust import HUBER, STUDENT, loss_at
from kanrun.symbolic.constants import Columns, constants_of
from kanrun.symbolic.description import description
from kanrun.symbolic.robust_fit import RobustFit, robustly_fitted

x = sp.Symbol("x_1", real=True)
LAW = sp.Float(2.0) * sp.exp(sp.Float(-0.6) * x)


def rows() -> tuple[Columns, np.ndarray]:
    draw = np.random.default_rng(0)
    inputs = draw.uniform(0, 4, 80)
    y = 2.3 * np.exp(-0.7 * inputs) + 0.02 * draw.normal(size=80)
    y[::10] += draw.uniform(0.5, 2, 8)
    return {"x_1": inputs}, y


def values(found: RobustFit) -> list[float]:
    return [float(c) for c in constants_of(found.expression)]


@pytest.mark.parametrize("loss", [HUBER, STUDENT])
def test_constants_make_the_loss_least(loss: str) -> None:
    columns, y = rows()
    found = robustly_fitted(LAW, columns, y, loss)

    def losses(squared: np.ndarray) -> np.ndarray:
        off, step = np.sqrt(squared), 1e-6
        value = loss_at(off, loss)
        slope = np.where(squared > 0, (loss_at(np.sqrt(squared + step), loss) - value) / step, 1.0)
        return np.stack([value, slope, np.zeros_like(value)])

    def off(c: np.ndarray) -> np.ndarray:
        return (c[0] * np.exp(c[1] * columns["x_1"]) - y) / found.scale

    start = np.array([2.3, -0.7])
    wanted = least_squares(off, start, loss=losses, xtol=1e-12, ftol=1e-12, gtol=1e-12).x
    assert values(found) == pytest.approx(wanted, rel=1e-3)
    assert found.scale == pytest.approx(0.02, rel=0.5)
    assert found.weights.mean() == pytest.approx(1)
    assert found.weights[::10].max() < (0.15 if loss == HUBER else 0.05)


def test_rounding_is_no_scale_and_weights_that_are_known_begin() -> None:
    columns, _ = rows()
    exact = robustly_fitted(LAW, columns, 2 * np.exp(-0.6 * columns["x_1"]), STUDENT)
    assert exact.scale == 0.0 and exact.expression == LAW


def test_bits_are_few_where_the_loss_is_small() -> None:
    columns, y = rows()
    found = robustly_fitted(LAW, columns, y, STUDENT)
    worse = RobustFit(LAW, found.weights, found.scale)
    bits, more = (fit.bits(columns, y, found.scale, STUDENT) for fit in (found, worse))
    assert bits < more - 10


@pytest.mark.parametrize("scale", [1e-3, 0.5, 40.0])
def test_bits_without_outliers_are_those_of_least_squares_in_any_unit(scale: float) -> None:
    """Huber's loss of errors that are less than the scale is their square."""
    columns, _ = rows()
    off = scale * np.random.default_rng(2).uniform(-1, 1, 80)
    y = 2 * np.exp(-0.6 * columns["x_1"]) + off
    bits = RobustFit(LAW, np.ones(80), scale).bits(columns, y, scale, HUBER)
    assert bits == pytest.approx(description(LAW, columns, y), rel=1e-9)
