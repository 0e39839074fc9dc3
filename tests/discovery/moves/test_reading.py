"""Which networks of splines are read as formulas, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.fits import Fits
from kanrun.discovery.links import LINKS
from kanrun.discovery.moves import reading as module
from kanrun.discovery.moves.reading import AsGood, Reading, consider, in_order, keep_functions, read
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.structures import structures
from kanrun.discovery.trial import Discovered, Trial
from kanrun.functions.library import library
from kanrun.symbolic.search import Symbolic
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(200, 2, seed=1)
TRUTH = X[:, :1] ** 2 + X[:, 1:]
NOISE = torch.randn(200, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
SQUARE = [(0, 0, 0, "x^2"), (0, 1, 0, "x")]
LINE = [(0, 1, 0, "x")]


def searched(y: Tensor = TRUTH, work: float = 20_000.0, width: list[int | list[int]] | None = None) -> Search:
    problem = Problem(X, y, library(["x", "x^2"]), width)
    return Search.begun(problem, 3, Context(Budget.of(Meter(), work=work)), lambda _: [])


def trial(unexplained: float, structure: str = "sum", link: str = "x", edges: int = 1) -> Trial:
    model = fixed_network([2, 1], SQUARE[:edges] if edges < 3 else SQUARE)
    return Trial(structure, False, link, model, 0.0, 1.0, unexplained)


def formula(loss: float) -> Discovered:
    model = fixed_network([2, 1], SQUARE)
    return Discovered(model, model, Symbolic(model, loss, 1.0))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Trial, float]]:
    """The trials that would be read, with their part of the budget."""
    found: list[tuple[Trial, float]] = []
    monkeypatch.setattr(module, "read", lambda _, trial, part: found.append((trial, part)))
    return found


# ---- in which order ------------------------------------------------------------------------------------------------


def test_simple_ones_come_first_among_those_that_explain_as_much() -> None:
    wide, narrow = trial(0.010, "product", edges=2), trial(0.0119, "product")
    under_log, total, far = trial(0.011, "product", "log"), trial(0.0115, "sum", edges=2), trial(0.0121)
    assert in_order([far, wide, under_log, narrow, total]) == [total, narrow, under_log, wide]


def test_a_fifth_more_is_not_as_much() -> None:
    best, close, far = trial(1.0, "a"), trial(1.19, "b"), trial(1.2, "c")
    assert in_order([far, close, best]) == [best, close]


def test_no_more_than_six_are_read() -> None:
    alike = [trial(0.01 + 1e-4 * k, f"structure {k}") for k in range(9)]
    assert in_order(alike) == alike[:6]


def test_one_is_read_even_where_nothing_is_left_unexplained_or_all_is() -> None:
    exact, infinite = trial(0.0), trial(float("inf"))
    assert in_order([infinite, exact]) == [exact]
    assert in_order([infinite]) == [infinite]


# ---- at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unexplained", "part"), [(1e-10, 0.1), (1e-9, 0.04), (1e-8, 0.04), (0.9e-4, 0.04), (1e-4, None), (0.01, None)]
)
def test_what_explains_nearly_all_is_read_at_once_the_longer_the_sharper(
    reads: list[tuple[Trial, float]], unexplained: float, part: float | None
) -> None:
    search, one = searched(), replace(trial(unexplained), model=fixed_network([2, 1], LINE))
    consider(search, one)
    assert reads == ([] if part is None else [(one, part)])
    assert search.state.reserve == [one]


@pytest.mark.parametrize(("unexplained", "is_read"), [(0.02, True), (0.029, True), (0.03, False), (0.2, False)])
def test_what_leaves_little_that_looks_like_noise_is_read_too(
    reads: list[tuple[Trial, float]], unexplained: float, is_read: bool
) -> None:
    search, one = searched(TRUTH + 0.1 * NOISE), trial(unexplained, edges=2)
    consider(search, one)
    assert (reads == [(one, 0.04)]) is is_read


@pytest.mark.parametrize("edges", [1, 2])
def test_it_is_what_is_left_that_says_so(reads: list[tuple[Trial, float]], edges: int) -> None:
    consider(searched(TRUTH + 0.1 * NOISE), trial(0.02, edges=edges))
    assert bool(reads) is (edges == 2)


def test_nothing_is_read_at_once_where_something_is_enough(reads: list[tuple[Trial, float]]) -> None:
    search, one = searched(), trial(1e-10)
    search.state.findings.explained = True
    consider(search, one)
    assert reads == []
    assert search.state.reserve == [one]


def test_nothing_is_kept_for_later_where_a_formula_is_exact(reads: list[tuple[Trial, float]]) -> None:
    search = searched()
    search.state.findings.all.append(formula(0.0))
    consider(search, trial(1e-10))
    assert (reads, search.state.reserve) == ([], [])


# ---- how -----------------------------------------------------------------------------------------------------------


def test_a_network_of_splines_becomes_its_formula() -> None:
    search = searched()
    one = Fits(search.problem, search.context, lambda _: None).coarse(next(structures(2, torch.float64)), LINKS[0], 0)
    read(search, one[0], 0.3)
    (tried,) = search.state.tried
    assert (tried.read, tried.trial) == (True, one[0])
    (found,) = search.state.findings.all
    assert search.state.findings.exact
    torch.testing.assert_close(found.symbolic.model(X).detach(), TRUTH)
    assert found.symbolic.model.is_symbolic()
    assert found.spline.width == [*one[0].model.width, 1]  # with its link function
    assert found.pruned.active_edges() <= found.spline.active_edges()


@pytest.mark.parametrize("part", [0.0, 0.2])
def test_reading_may_take_its_part_of_the_budget_twice_and_a_second_each_in_any_case(
    monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    ends: list[float] = []

    def noted(answer: Callable[[Any], Any]) -> Callable[..., Any]:
        def does(model: Any, *_: Any, context: Context, **__: Any) -> Any:
            ends.append(context.budget.left())
            context.spend(100.0)
            return answer(model)

        return does

    steps: list[int] = []
    monkeypatch.setattr(module, "levenberg_marquardt", lambda *given, **_: steps.append(given[-1]))
    monkeypatch.setattr(module, "prune_and_refit", noted(lambda model: model))
    monkeypatch.setattr(module, "symbolify", noted(lambda model: Symbolic(model, 1.0, 1.0)))
    search = searched()
    read(search, trial(0.1), part)
    expected = max(1000.0, part * 20_000)  # a second is 1000 units of work
    assert ends == pytest.approx([expected, expected])
    assert steps == [10]
    assert len(search.state.findings.all) == 1


def test_a_network_made_of_functions_is_told_of_and_kept_as_it_is() -> None:
    search, model = searched(), fixed_network([2, 1], LINE)
    keep_functions(search, "sum of terms", model, 0.1, 17.0)
    (tried,) = search.state.tried
    assert (tried.name, tried.read, tried.structure) == ("sum of terms under x", False, "sum of terms")
    held = search.problem.held
    left = float(((X[:, 1:] - TRUTH)[held] ** 2).mean())
    assert tried.unexplained == pytest.approx(left / search.problem.variance)
    (found,) = search.state.findings.all
    assert found.spline is found.pruned is found.symbolic.model is model
    assert (found.symbolic.loss, found.bits) == (0.1, 17.0)


# ---- what is left --------------------------------------------------------------------------------------------------


def reads_all(search: Search, move: Any) -> int:
    """Does all turns of a move; how many there were."""
    while move.run(search):
        search.state.doing.turn += 1
        assert search.state.doing.turn < 20
    return search.state.doing.turn + 1


def test_what_is_left_is_read_in_order(reads: list[tuple[Trial, float]]) -> None:
    search = searched()
    assert not Reading().wanted(search)
    search.state.reserve = [trial(0.02, "product"), trial(0.021), trial(0.9)]
    assert Reading().wanted(search)
    assert Reading().despite == {"stalled", "seconds", "work"}  # what is cancelled ends at once
    assert reads_all(search, Reading()) == 2
    assert [(t.structure, part) for t, part in reads] == [("sum", 0.1), ("product", 0.1)]


@pytest.mark.parametrize(
    ("loss", "spent", "is_read"),
    [(0.0, 0.0, False), (0.5, 0.0, True), (0.5, 30_000.0, False), (None, 30_000.0, True), (None, 0.0, True)],
)
def test_reading_ends_with_an_exact_formula_or_with_any_when_the_budget_is_used_up(
    reads: list[tuple[Trial, float]], loss: float | None, spent: float, is_read: bool
) -> None:
    search = searched()
    search.state.reserve = [trial(0.02), trial(0.021)]
    search.state.findings.all += [] if loss is None else [formula(loss)]
    search.context.spend(spent)
    assert Reading().run(search) is is_read
    assert len(reads) == is_read


# ---- what is as good -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("explained", "loss", "wanted"), [(True, 0.5, True), (False, 0.5, False), (True, 0.0, False)])
def test_others_are_looked_at_where_one_explains_all_but_noise(explained: bool, loss: float, wanted: bool) -> None:
    for width, expected in ((None, wanted), ([2, 1], False)):
        search = searched(width=width)
        search.state.findings.all.append(formula(loss))
        search.state.findings.explained = explained
        assert AsGood().wanted(search) is expected
    assert AsGood().despite == {"noise"}


def test_the_two_simplest_that_leave_no_more_than_a_quarter_more_are_read(reads: list[tuple[Trial, float]]) -> None:
    search = searched()
    search.state.findings.all.append(formula(0.01 * search.problem.variance))
    large, small, another = (trial(0.0124, edges=2), trial(0.012), trial(0.0115, edges=2))
    search.state.reserve = [trial(0.0126), large, small, another]
    assert reads_all(search, AsGood()) == 2
    assert [(t.unexplained, part) for t, part in reads] == [(0.012, 0.04), (0.0124, 0.04)]


def test_those_were_chosen_in_the_first_turn(reads: list[tuple[Trial, float]]) -> None:
    search = searched()
    search.state.findings.all.append(formula(0.01 * search.problem.variance))
    search.state.reserve = [trial(0.011, "a"), trial(0.011, "b")]
    assert AsGood().run(search)
    search.state.reserve.clear()
    search.state.doing.turn = 1
    assert not AsGood().run(search)
    assert [t.structure for t, _ in reads] == ["a", "b"]


@pytest.mark.parametrize("spent", [0.0, 30_000.0])
def test_none_is_read_where_there_is_none_or_no_budget(reads: list[tuple[Trial, float]], spent: float) -> None:
    search = searched()
    search.state.findings.all.append(formula(0.01 * search.problem.variance))
    search.state.reserve = [trial(0.011, "a"), trial(0.011, "b")] if spent else []
    search.context.spend(spent)
    reads_all(search, AsGood())
    assert reads == []
