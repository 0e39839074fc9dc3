from __future__ import annotations

import math

import numpy as np
import torch

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.discover import discover
from kanrun.discovery.moves.straight import Straight
from kanrun.discovery.problem import Problem
from kanrun.discovery.screening import inputs_to_look_at
from kanrun.discovery.search import Search
from kanrun.functions.library import FUNCTIONS

R = np.random.default_rng(3)
X = R.normal(size=(400, 30))
SLOPES = R.normal(size=30)
NOISE = 0.1 * R.normal(size=400)


def problem(y: np.ndarray, width: list[int | list[int]] | None = None) -> Problem:
    return Problem(torch.tensor(X), torch.tensor(y)[:, None], list(FUNCTIONS.values()), width)


def searched(wanted: Problem) -> Search:
    search = Search.begun(wanted, 0, Context(Budget.of(Meter(), math.inf, 100.0)), lambda _: [])
    assert not Straight().run(search)
    return search


def test_a_line_in_thirty_inputs_is_a_formula_that_leaves_noise() -> None:
    search = searched(problem(X @ SLOPES + NOISE))
    best = search.state.findings.best
    assert best is not None and search.state.findings.explained
    with torch.no_grad():
        left = (best.symbolic.model(torch.tensor(X))[:, 0] - torch.tensor(X @ SLOPES)).numpy()
    assert np.sqrt(np.mean(left**2)) < 0.05  # of errors of 0.1
    assert search.context.budget.meter.work > 0


def test_where_there_is_no_line_nothing_is_kept_and_with_a_width_it_is_not_wanted() -> None:
    assert searched(problem(NOISE)).state.findings.best is None
    given = problem(X @ SLOPES, [30, 1])
    assert not Straight().wanted(Search.begun(given, 0, Context(), lambda _: []))
    assert Straight().wanted(Search.begun(problem(X @ SLOPES), 0, Context(), lambda _: []))


def test_a_search_in_many_inputs_ends_with_the_line() -> None:
    y = X[:, :15] @ SLOPES[:15] + NOISE
    state = discover(problem(y), context=Context(Budget.of(Meter(), math.inf, 20_000.0)))
    assert state.result is not None and state.result.symbolic.loss < 0.011
    assert state.stopped == "noise" and state.structures <= 2 and set(state.looked_at) <= set(range(15))


def test_inputs_of_a_line_are_looked_at_beside_those_of_curves() -> None:
    found = inputs_to_look_at(problem(X[:, :15] @ SLOPES[:15] + np.sin(2 * X[:, 20]) + NOISE))
    assert found is not None and {i for i in range(15) if abs(SLOPES[i]) > 0.2} | {20} <= set(found)
