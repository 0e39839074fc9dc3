from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanrun.context import Budget, Context, Meter
from kanrun.discovery import curve_fits
from kanrun.discovery.curve_fits import (
    Fitted,
    best_curves,
    power_laws,
    projected,
    refined,
    shapes_at,
    slopes_of_left,
    within_reach,
)
from kanrun.discovery.moves.curves import Curves
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.functions.curves import CURVES, Span, X
from kanrun.functions.evaluate import evaluate
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.parser import parse_formula, symbol
from tests.helpers import Array, formula_values

LAWS = [
    ("exponential", "1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0),
    ("two exponentials", "1.6*exp(-2.3*x_1) + 0.9*exp(-0.35*x_1)", 0.0, 5.0),
    ("damped wave", "2.1*exp(-0.22*x_1)*sin(3.7*x_1 + 0.4)", 0.0, 9.0),
    ("two waves", "1.1*sin(4.1*x_1) + 0.8*sin(4.9*x_1 + 1.0)", 0.0, 10.0),
    ("radiation", "2.7*x_1**3/(exp(1.3*x_1) - 1)", 0.2, 9.0),
    ("peak", "4.2*exp(-((x_1 - 1.1)/0.6)**2) + 0.5", -2.0, 4.0),
    ("resonance", "4.2/(1 + ((x_1 - 1.1)/0.3)**2) + 0.5", -2.0, 4.0),
    ("logistic", "5.5/(1 + exp(-1.9*(x_1 - 2.2)))", 0.0, 6.0),
    ("growth with a limit", "7.1*exp(-3.3*exp(-0.9*x_1))", 0.0, 7.0),
    ("fall with a power", "4.4/(1 + (1.7/x_1)**2.3)", 0.05, 9.0),
    ("stretched exponential", "2.2*exp(-(x_1/1.9)**1.4)", 0.05, 7.0),
    ("two powers", "3.1*x_1**-9 - 2.2*x_1**-4.5", 0.9, 3.0),
    ("saturation and inhibition", "2.2*x_1/(0.7 + x_1 + x_1**2/5.1)", 0.05, 15.0),
    ("switched line", "(0.6 + 0.4*x_1)/(1 + exp(-2.5*(x_1 - 0.8)))", -3.0, 4.0),
    ("bend", "0.7 + 0.3*x_1 + 1.2*Abs(x_1 - 1.37)", -2.0, 4.0),
    ("soft bend", "log(1 + exp(1.8*x_1 - 0.9))", -3.0, 4.0),
    ("wave over input", "2.2*sin(3.1*x_1)/x_1", 0.05, 6.0),
]


def rows(text: str, low: float, high: float, noise: float = 0.0, count: int = 300) -> tuple[Array, Array]:
    generator = np.random.default_rng(1)
    x = generator.uniform(low, high, count)
    y = formula_values(text, x[:, None])
    return x, y + noise * y.std() * generator.normal(size=count)


@pytest.mark.parametrize(("name", "text", "low", "high"), LAWS)
def test_a_curve_is_found_with_its_constants(
    name: str, text: str, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", [c for c in CURVES if c.name == name])
    x, y = rows(text, low, high)
    ones = np.ones(len(y))
    expression = best_curves({"x_1": x}, "x_1", y, ones, lambda _: True)[0].expression
    beyond = np.linspace(low, high + 0.2 * (high - low), 50)[1:]
    ours, wanted = evaluate(expression, {"x_1": beyond}), formula_values(text, beyond[:, None])
    np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-7 * np.abs(y).max())


def test_the_best_curve_of_noisy_rows_leaves_their_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [c for k, c in enumerate(CURVES) if k % 4 == 0 or c.name == "damped wave"]
    monkeypatch.setattr(curve_fits, "CURVES", some)
    x, y = rows("2.1*exp(-0.22*x_1)*sin(3.7*x_1 + 0.4)", 0.0, 9.0, 0.1, 120)
    best = best_curves({"x_1": x}, "x_1", y, np.ones(len(y)), lambda _: True)[0]
    left = evaluate(best.expression, {"x_1": x}) - y
    assert best.name == "damped wave" and 0.005 < np.var(left) / np.var(y) < 0.015


def test_rows_count_by_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", [c for c in CURVES if c.name == "exponential"])
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0)
    bad = np.arange(len(x)) % 2 == 0
    weights = np.where(bad, 1e-9, 1.0)
    found = best_curves({"x_1": x}, "x_1", y + 5 * bad, weights, lambda _: True)[0]
    assert evaluate(found.expression, {"x_1": x[~bad]}) == pytest.approx(y[~bad], rel=1e-5)


def test_curves_for_inputs_above_zero_and_unknown_functions_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", [c for c in CURVES if c.name in ("power", "exponential")])
    x, y = rows("x_1 + 0.3*x_1**2", -1.0, 1.0)
    assert {f.name for f in best_curves({"x_1": x}, "x_1", y, np.ones(len(y)), lambda _: True)} == {"exponential"}
    assert best_curves({"x_1": x}, "x_1", y, np.ones(len(y)), lambda shape: not shape.atoms(sp.exp)) == []


@pytest.mark.parametrize("curve", CURVES, ids=[f"{k}" for k in range(len(CURVES))])
def test_beginnings_give_values_for_every_constant(curve: Any) -> None:
    span = Span(0.5, 4.0, 100)
    starts = np.array(list(curve.starts(span)))
    assert starts.shape[1] == len(curve.constants) and len(starts) > bool(curve.constants)
    values = shapes_at(curve, starts, np.linspace(0.5, 4.0, 20))
    assert values.shape == (len(starts), 20, len(curve.shapes)) and np.isfinite(values).all((1, 2)).any()
    given = {"x": np.linspace(0.5, 4.0, 20), **dict(zip((c.name for c in curve.constants), starts[0], strict=True))}
    with np.errstate(all="ignore"):
        one = np.stack([evaluate(s, {k: np.asarray(v) for k, v in given.items()}) for s in curve.shapes], axis=1)
    np.testing.assert_allclose(values[0][np.isfinite(one)], one[np.isfinite(one)], rtol=1e-9)
    assert X not in curve.constants


@pytest.mark.parametrize("name", ["damped wave", "two exponentials", "radiation"])
def test_slopes_of_what_is_left_are_those_of_the_projection_where_nothing_is_left(name: str) -> None:
    curve = next(c for c in CURVES if c.name == name)
    x, constants = np.linspace(0.3, 5.0, 40), np.array([0.7, 1.9, 0.4])[: len(curve.constants)]
    weights = np.linspace(0.5, 2.0, len(x))
    y = shapes_at(curve, constants[None], x)[0] @ np.array([1.3, -0.8, 0.5])[: len(curve.shapes)]
    factors, left = projected(curve, constants, x, y, weights)
    np.testing.assert_allclose(left, 0.0, atol=1e-9)
    steps = 1e-5 * np.diag(constants)
    moved = [[projected(curve, constants + s * step, x, y, weights)[1] for s in (1, -1)] for step in steps]
    numeric = np.stack([(up - down) / 2e-5 for up, down in moved], axis=1)
    ours = slopes_of_left(curve, constants, constants, factors, x, weights)
    np.testing.assert_allclose(ours, numeric, rtol=1e-4, atol=1e-5 * np.abs(numeric).max())


def some_curves() -> list[Any]:
    """Those that are alike where they fall, and few others."""
    return [c for c in CURVES if c.name in ("exponential", "radiation", "logistic", "power", "stretched exponential")]


def searched(x: Array, y: Array, width: list[int | list[int]] | None = None) -> Search:
    columns = (torch.as_tensor(part)[:, None] for part in (x, y))
    problem = Problem(*columns, [f for f in FUNCTIONS.values() if f.name != "0"], width)
    return Search.begun(problem, 0, Context(Budget.of(Meter(), math.inf, 5000.0)), lambda _: [Curves(part=1.0)])


def test_a_search_keeps_the_curve_as_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", some_curves())
    x, y = rows("2.7*x_1**3/(exp(1.3*x_1) - 1)", 0.2, 9.0)
    state = searched(x, y).run()
    assert state.findings.exact and state.result is not None
    values = state.result.symbolic.model(torch.as_tensor(x)[:, None])[:, 0].detach().numpy()
    np.testing.assert_allclose(values, y, rtol=1e-9, atol=1e-12)


def test_few_rows_have_no_curves_of_many_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", [c for c in CURVES if c.name in ("exponential", "two peaks")])
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0, count=9)
    assert {f.name for f in best_curves({"x_1": x}, "x_1", y, np.ones(9), lambda _: True)} == {"exponential"}


def test_curves_are_for_few_inputs_without_a_width() -> None:
    constant = np.ones(5)
    assert not Curves(part=1.0).wanted(searched(constant, np.arange(5.0)))
    x, y = rows("x_1 + 0.3*x_1**2", 0.1, 1.0)
    assert Curves(part=1.0).wanted(searched(x, y))
    assert not Curves(part=1.0).wanted(searched(x, y, [1, 1]))
    many = torch.as_tensor(np.stack([x] * 7, axis=1))
    wide = Search.begun(Problem(many, many[:, :1], []), 0, Context(Budget.of(Meter(), math.inf, 10.0)), lambda _: [])
    assert not Curves(part=1.0).wanted(wide)
    assert parse_formula("x_1").name == "x_1"


@pytest.mark.parametrize(
    ("text", "name"), [("0.7*x_1**1.9*x_2**-0.6", "powers"), ("0.4+0.7*x_1**1.9", "powers and a level")]
)
def test_powers_of_several_inputs_are_found_with_their_constants(text: str, name: str) -> None:
    generator = np.random.default_rng(2)
    x = generator.uniform(0.5, 3.0, (80, 2))
    y = formula_values(text, x)
    columns = {"x_1": x[:, 0], "x_2": x[:, 1]}
    best = next(f for f in power_laws(columns, -y, np.ones(80)) if f.name == name)
    np.testing.assert_allclose(evaluate(best.expression, columns), -y, rtol=1e-6)
    assert power_laws({"x_1": x[:, 0] - 1.0}, y, np.ones(80)) == []
    assert power_laws(columns, y - y.mean(), np.ones(80)) == []


def test_a_curve_of_one_input_of_several_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_fits, "CURVES", some_curves())
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0, 0.02, 150)
    other = np.random.default_rng(5).uniform(0, 1, len(x))
    columns = torch.as_tensor(np.stack([other, x], axis=1))
    problem = Problem(columns, torch.as_tensor(y)[:, None], [f for f in FUNCTIONS.values() if f.name != "0"])
    state = Search.begun(
        problem, 0, Context(Budget.of(Meter(), math.inf, 5000.0)), lambda _: [Curves(part=1.0, alone=True)]
    ).run()
    assert state.result is not None
    assert state.result.symbolic.loss == pytest.approx(0.02**2 * y.var(), rel=0.3)
    assert state.result.symbolic.model.active_inputs() == [1]


def test_a_curve_that_has_no_value_on_the_rows_whatever_it_begins_with_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (powers,) = (c for c in CURVES if c.name == "two powers")
    monkeypatch.setattr(curve_fits, "CURVES", [powers])
    x = np.logspace(-250, 250, 60)
    span = Span(float(x.min()), float(x.max()), 60)
    assert not any((np.abs(shapes_at(powers, np.array(list(powers.starts(span))), x)) < 1e100).all((1, 2)))
    assert best_curves({"x_1": x}, "x_1", np.linspace(1, 3, 60), np.ones(60), lambda _: True) == []


def test_a_fit_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise np.linalg.LinAlgError

    monkeypatch.setattr(curve_fits, "CURVES", [c for c in CURVES if c.name == "exponential"])
    monkeypatch.setattr(curve_fits, "slopes_of_left", failing)
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0)
    assert best_curves({"x_1": x}, "x_1", y, np.ones(len(y)), lambda _: True) == []


def test_only_what_may_still_be_the_shortest_is_written() -> None:
    curve, none = CURVES[0], np.zeros(0)
    fits = [Fitted(curve, none, left) for left in (1e-3, 2e-3, 0.9, 1e-30, 1e-27)]
    assert [fit.unexplained for fit in within_reach(fits[:3], 100)] == [1e-3, 2e-3]
    assert within_reach(fits[:3], 20) == fits[:3]  # few rows say little
    assert within_reach(fits, 100) == fits[3:]  # which both leave nothing but rounding
    assert within_reach([], 100) == []


@pytest.mark.parametrize("name", ["exponential", "power"])
def test_what_a_curve_leaves_is_told_as_a_part_of_the_weighted_spread(name: str) -> None:
    curve = next(c for c in CURVES if c.name == name)
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.5, 6.0, 0.1, 60)
    weights = np.linspace(0.2, 3.0, 60)  # of errors, whose squares count by the squares of these
    found = refined(curve, np.array([-0.5] * len(curve.constants)), x, y, weights)
    ours = evaluate(found.expression(x, y, weights, symbol("x_1")), {"x_1": x})
    middle = np.average(y, weights=weights**2)
    spread = float(np.sum((weights * (y - middle)) ** 2))
    assert found.unexplained == pytest.approx(float(np.sum((weights * (y - ours)) ** 2)) / spread, rel=1e-6)
    assert 0 < found.unexplained < 1
    moved = refined(curve, np.array([-0.5] * len(curve.constants)), x, 1e6 * y, 7 * weights)
    assert moved.unexplained == pytest.approx(found.unexplained, rel=1e-6)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_shapes_that_overflow_leave_far_more_than_nothing_at_all_would_in_any_unit(size: float) -> None:
    (curve,) = (c for c in CURVES if c.name == "exponential")
    x, y = rows("1.83*exp(-0.57*x_1) + 0.29", 0.0, 6.0)
    factors, left = projected(curve, np.array([1e4]), x, size * y, np.ones_like(y))
    assert not factors.any()
    assert np.isfinite(left).all() and (left > 100 * size * np.abs(y).max()).all()
    _, small = projected(curve, np.array([1e4]), x, y, np.ones_like(y))
    np.testing.assert_allclose(left, size * small, rtol=1e-12)
