"""Powers of inputs that are factors of the targets, and the search for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.moves import factors
from kanrun.discovery.moves.factors import Factors, divide, of_leader, of_targets
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.trial import Discovered, Trial
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.model.protocol import work_of_pass
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(200, 3, seed=1, low=1.0, high=2.0)
Y = X[:, :1] ** 2 * torch.exp(torch.sin(3 * X[:, 2:])) / X[:, 1:2]


@dataclass
class Does:
    """A move that does this once."""

    does: Callable[[Search], None]
    name = "does"
    despite = frozenset({"alike"})

    def wanted(self, search: Search) -> bool:  # noqa: ARG002
        return True

    def run(self, search: Search) -> bool:
        self.does(search)
        return False


def searched(does: Callable[[Search], None] = lambda _: None, y: Tensor = Y, x: Tensor = X, **more: Any) -> Search:
    problem = Problem(x, y, library(["x", "x^2", "sin", "exp"]), **more)
    return Search.begun(problem, 3, Context(Budget.of(Meter(), work=10_000.0)), lambda _: [Does(does)])


def keeps(model: KAN) -> Callable[[Search], None]:
    """Finds this network."""
    return lambda search: search.keep(Discovered(model, model, search.problem.described(model)))


def leader(model: KAN, link: str = "x", structure: str = "sum") -> Trial:
    return Trial(structure, False, link, model, 0.0, 1.0, 1e-5)


# ---- when and how often --------------------------------------------------------------------------------------------


def test_it_is_wanted_where_an_input_would_be_left_and_no_width_is_given() -> None:
    move = Factors("factors of the targets", of_targets)
    assert move.wanted(searched())
    assert not move.wanted(searched(x=X[:, :1]))
    assert not move.wanted(searched(width=[3, 1]))
    assert move.wanted(searched(x=X[:, :2]))
    assert move.despite == {"stalled"}


def test_where_it_is_for_a_structure_that_must_be_promising() -> None:
    move, search = Factors("factors: sum", of_leader, "sum"), searched()
    assert not move.wanted(search)
    search.state.leader = leader(fixed_network([3, 1], [(0, 0, 0, "x")]))
    assert move.wanted(search)
    search.state.leader = leader(fixed_network([3, 1], [(0, 0, 0, "x")]), structure="product")
    assert not move.wanted(search)


def test_the_same_powers_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[dict[int, float]] = []
    monkeypatch.setattr(factors, "divide", lambda _, powers: looked.append(powers))
    search, answers = searched(), iter([{0: 1.0}, {0: 1.0}, {}, {0: 2.0}])
    move = Factors("factors", lambda _: next(answers))
    assert [move.run(search) for _ in range(4)] == [False] * 4
    assert looked == search.state.divided == [{0: 1.0}, {}, {0: 2.0}]


# ---- which powers --------------------------------------------------------------------------------------------------


def test_the_targets_show_their_powers() -> None:
    search = searched()
    assert of_targets(search) == {0: 2.0, 1: -1.0}
    assert search.context.budget.meter.work > 0


def test_the_best_network_shows_its_powers_and_its_passes_are_counted() -> None:
    logs = [(0, 0, 0, "log", 1.0, 0.0, 2.0), (0, 1, 0, "log", 1.0, 0.0, -1.0), (0, 2, 0, "sin", 3.0, 0.0, 1.0)]
    search, model = searched(), fixed_network([3, 1], logs)
    search.state.leader = leader(model, "exp")
    assert of_leader(search) == {0: 2.0, 1: -1.0}
    assert search.context.budget.meter.work == pytest.approx(4 * work_of_pass(model, 200), abs=1e-3)


# ---- the rest ------------------------------------------------------------------------------------------------------


def test_the_rest_is_searched_in_a_third_of_what_is_left_and_its_formula_times_the_powers_is_kept() -> None:
    rests: list[Search] = []
    inner = fixed_network([1, 1, 1], [(0, 0, 0, "sin", 3.0), (1, 0, 0, "exp")])

    def found(search: Search) -> None:
        rests.append(search)
        keeps(inner)(search)

    search = searched(found)
    search.context.spend(3000.0)
    divide(search, {0: 2.0, 1: -1.0})
    (rest,) = rests
    torch.testing.assert_close(rest.problem.x, X[:, 2:])
    torch.testing.assert_close(rest.problem.y, torch.exp(torch.sin(3 * X[:, 2:])))
    assert rest.problem.functions == search.problem.functions
    assert rest.state.whole == pytest.approx((9000 - 3000) / 3)
    (kept,) = search.state.findings.all
    assert kept.spline is kept.pruned is kept.symbolic.model
    torch.testing.assert_close(kept.spline(X).detach(), Y)
    assert search.state.findings.exact


def test_constants_are_trained_to_the_targets_themselves() -> None:
    near = fixed_network([1, 1, 1], [(0, 0, 0, "sin", 3.0001, 1e-4), (1, 0, 0, "exp", 0.9999)])
    search = searched(keeps(near))
    divide(search, {0: 2.0, 1: -1.0})
    assert search.state.findings.all[0].symbolic.loss < 1e-12


def test_a_rest_that_is_all_the_same_needs_no_input() -> None:
    """To rounding: the quotients of numbers like these differ in their last digits."""
    y = 0.7 * X[:, :1] ** 3 / X[:, 1:2]
    search = searched(y=y)
    divide(search, {0: 3.0, 1: -1.0})
    (kept,) = search.state.findings.all
    torch.testing.assert_close(kept.spline(X).detach(), y)


@pytest.mark.parametrize(("part", "kept"), [(0.7e-3, True), (1.4e-3, False), (0.5, False)])
def test_a_rest_of_which_more_than_a_thousandth_is_unexplained_says_nothing(part: float, kept: bool) -> None:
    rest = torch.sin(3 * X[:, 2:])
    noise = torch.randn(200, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise = noise / noise.square().mean().sqrt()
    y = X[:, :1] * (rest + (part * rest.var(correction=0) / (1 - part)).sqrt() * noise)
    search = searched(keeps(fixed_network([1, 1], [(0, 0, 0, "sin", 3.0)])), y, X[:, [0, 2]])
    divide(search, {0: 1.0})
    assert (len(search.state.findings.all) == 1) is kept


@pytest.mark.parametrize("powers", [{}, {0: 1.0, 1: 1.0, 2: 1.0}])
def test_without_powers_or_without_inputs_left_there_is_nothing_to_do(powers: dict[int, float]) -> None:
    search = searched(lambda _: pytest.fail("a search within"))
    divide(search, powers)
    assert search.state.findings.all == []
    assert search.context.budget.meter.work == 0
