"""Errors on rows that the constants have not seen, held against fits without each row."""

from __future__ import annotations

import numpy as np
import pytest

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.compare import relative_loss
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.cross_validation import cross_validated
from kanrun.symbolic.left_out import founded_loss, left_out_loss, left_out_relative_loss, leverages, unfounded
from kanrun.symbolic.polishing import polished

X = {"x_1": np.linspace(0.3, 3.0, 14)}
DRAW = np.random.default_rng(5)
NOISE = DRAW.standard_normal(14)


@pytest.mark.parametrize(
    ("text", "off"),
    [("2.5*x_1 + 0.7", 1e-9), ("1.3*x_1**2 - 2.1*x_1 + 0.4", 1e-9), ("2.5*x_1/(x_1 + 0.7)", 0.02), ("2.1", 1e-9)],
)
@pytest.mark.parametrize("weights", [1.0, DRAW.uniform(0.5, 2.0, 14)])
def test_they_are_those_of_leave_one_out(text: str, off: float, weights: np.ndarray | float) -> None:
    form = parse_formula(text, ["x_1"])
    y = np.broadcast_to(2.5 * X["x_1"] / (X["x_1"] + 0.7), (14,)) + 0.05 * NOISE
    form = polished(form, X, y, weights)
    refitted = cross_validated(form, X, y, 0, np.asarray(weights) ** 2)["mse"]
    assert isinstance(refitted, float)
    own = np.broadcast_to(np.asarray(weights) ** 2, y.shape).mean()
    assert left_out_loss(form, X, y, weights) == pytest.approx(refitted * own, rel=max(off, 1e-6))


def test_leverages_add_up_to_the_constants_that_rows_can_tell() -> None:
    slopes = DRAW.standard_normal((14, 3))
    assert float(leverages(slopes).sum()) == pytest.approx(3.0)
    twice = np.column_stack([slopes, slopes[:, :1] * 1e9])
    assert float(leverages(twice).sum()) == pytest.approx(3.0)
    assert leverages(slopes[:, :0]).tolist() == [0.0] * 14
    assert leverages(np.full((14, 1), np.nan)).tolist() == [0.0] * 14


def test_relative_errors_are_those_of_logarithms() -> None:
    y = 3.0 * X["x_1"] ** 4 * np.exp(0.1 * NOISE)
    own = {"x_1": np.log(X["x_1"])}
    line = polished(parse_formula("4.1*x_1 + 1.1", ["x_1"]), own, np.log(y))  # at its best for the logarithms
    slope, level = sorted((float(c) for c in constants_of(line)), reverse=True)
    form = parse_formula(f"{float(np.exp(level))!r}*x_1**{slope!r}", ["x_1"])
    unit = np.exp(2 * np.log(y).mean())
    refitted = cross_validated(line, own, np.log(y), 0)["mse"]
    assert isinstance(refitted, float)
    assert left_out_relative_loss(form, X, y) == pytest.approx(refitted * unit, rel=1e-5)
    assert relative_loss(3.0 * X["x_1"] ** 4, -y) == left_out_relative_loss(form, X, -y) == np.inf


def test_a_row_that_alone_decides_constants_is_missed_as_far_as_it_lies_from_all() -> None:
    x, y = np.linspace(0.0, 4.0, 41), 0.1 * np.random.default_rng(1).standard_normal(41)
    y[20] += 7.0
    peak = polished(parse_formula("7.1*exp(-1000000*(x_1 - 2.0)^2) + 0.01", ["x_1"]), {"x_1": x}, y)
    apart = (y[20] - y.mean()) ** 2 / 41
    assert left_out_loss(peak, {"x_1": x}, y) == pytest.approx(apart, rel=0.05)
    assert founded_loss(peak, {"x_1": x}, y) == pytest.approx(apart, rel=0.05)
    level = parse_formula("0.18", ["x_1"])
    assert founded_loss(level, {"x_1": x}, y) == np.mean((y - 0.18) ** 2)
    assert founded_loss(parse_formula("log(x_1 - 1)", ["x_1"]), {"x_1": x}, y) == np.inf


def test_a_row_that_tells_most_of_a_constant_is_missed_as_the_others_tell_it() -> None:
    x, draw = np.append(np.linspace(0.1, 1.0, 20), 60.0), np.random.default_rng(2)
    slopes, found = x[:, None] / np.sqrt((x**2).sum()), []
    for _ in range(400):
        y = 2.0 * x + draw.standard_normal(21)
        off = y - x * (x @ y) / (x @ x)
        found.append(unfounded(off, y, 1.0, slopes)[-1])
    leverage = 60.0**2 / (x @ x)
    assert leverage > 0.99
    assert np.mean(found) == pytest.approx(1 / (1 - leverage), rel=0.1)  # the mean square of errors of predictions
    assert not unfounded(off, y, 1.0, slopes)[:-1].any()
