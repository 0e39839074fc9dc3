"""Units in which a search works: the same whatever the size of the rows, and undone in all that is found."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.discover import discover
from kanrun.discovery.problem import Problem
from kanrun.discovery.scales import Scales
from kanrun.discovery.search import Search
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.symbolic.expression import complexity, network_expressions
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(100, 2, seed=2, low=0.5, high=2.0)
FAR = torch.tensor([1e-20, 3e7], dtype=torch.float64)


def test_rows_of_a_moderate_size_stay_as_they_are() -> None:
    assert Scales.of(X, X[:, :1]).plain
    assert Scales.of(3 * X, 30 * X[:, :1]).plain
    assert Scales.of(0 * X, 0 * X[:, :1]).plain


@pytest.mark.parametrize("power", [-170, -30, -6, 6, 30, 170])
def test_the_units_follow_the_rows(power: int) -> None:
    here = Scales.of(1e-9 * X, 1e9 * X[:, :1])
    there = Scales.of(1e-9 * X * 10.0**power, 1e9 * X[:, :1] * 10.0**power)
    assert there.powers == tuple(p + power for p in here.powers)
    assert there.target == here.target + power


def test_a_problem_in_its_units_has_a_size_of_one_and_keeps_how_inputs_compare() -> None:
    x, y = X * FAR, 1e12 * X[:, :1]
    units = Scales.of(x, y)
    own = units.problem(x, y, Problem(x, y, []))
    assert 0.5 < float(own.x.abs().mean()) < 6
    assert 0.5 < float(own.y.abs().mean()) < 6
    assert own.scales is not None
    torch.testing.assert_close(own.x * own.x.new_tensor(own.scales) * 10.0 ** max(units.powers), x)


@pytest.mark.parametrize("splines", [False, True])
def test_a_network_for_rows_in_their_units_is_one_for_the_rows(splines: bool) -> None:
    x, y = X * FAR, 1e12 * X[:, :1]
    units = Scales.of(x, y)
    own = units.problem(x, y, Problem(x, y, []))
    model = (
        KAN([2, 1], seed=1)
        if splines
        else fixed_network([2, 1], [(0, 0, 0, "sin", 2.0, 0.3, 1.5), (0, 1, 0, "log", 1.0, 0.0, 2.0)])
    )
    model.fit_grids(own.x)
    restored = units.restored(model)
    with torch.no_grad():
        torch.testing.assert_close(
            restored(x), model(own.x) * 10.0**units.target, rtol=1e-9, atol=1e-9 * 10.0**units.target
        )
    assert units.restored(model) is not model


def test_rows_of_a_moderate_size_have_their_networks_and_their_search_as_they_are() -> None:
    problem = Problem(X, X[:, :1], [])
    model = fixed_network([2, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0)])
    assert Scales.of(X, X[:, :1]).restored(model) is model
    begun = Search.begun(problem, 0, Context(Budget.of(Meter(), work=10.0)), lambda _: []).state
    assert Scales.of(X, 1e12 * X[:, :1]).restored_state(begun, problem) is begun  # there is nothing to restore yet


@cache
def found(factor: float) -> int:
    """The complexity of the formula of rows in such a unit."""
    x, y = factor * X, factor * (2.3 * X[:, :1] * X[:, 1:] + 0.37 * X[:, 1:] ** 2)
    context = Context(Budget.of(Meter(), work=1500.0))
    state = discover(Problem(x, y, library(["x", "x^2", "1/x", "exp"])), 0, context)
    assert state.result is not None
    assert state.stopped == "exact"
    value = state.result.symbolic.model(x / factor * factor)
    torch.testing.assert_close(value, y, rtol=1e-9, atol=0.0)
    return complexity(network_expressions(state.result.symbolic.model, ["x_1", "x_2"])[0])


@pytest.mark.parametrize("size", [1e-30, 1e6])
def test_the_same_rows_in_other_units_have_the_same_formula(size: float) -> None:
    assert found(size) == found(1.0)
