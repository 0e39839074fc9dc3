"""The loop over moves, what they share, and a search within another one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter, Silent, Unrecorded
from kanrun.discovery.findings import Findings
from kanrun.discovery.links import LINKS
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Move, Search
from kanrun.discovery.state import SearchState, Tried
from kanrun.discovery.trial import Discovered, Trial
from kanrun.functions.library import library
from kanrun.symbolic.search import Symbolic
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(100, 2, seed=1)
Y = torch.sin(X[:, :1]) + X[:, 1:]
NOISE = torch.randn(100, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@dataclass
class Counted:
    """A move of so many turns that writes down when it is asked and done."""

    name: str
    told: list[str]
    turns: int = 1
    wants: bool = True
    despite: frozenset[str] = frozenset()
    does: Callable[[Search], None] = lambda _: None

    def wanted(self, search: Search) -> bool:  # noqa: ARG002
        self.told.append(f"{self.name}?")
        return self.wants

    def run(self, search: Search) -> bool:
        self.told.append(f"{self.name} {search.state.doing.turn}")
        self.does(search)
        return search.state.doing.turn + 1 < self.turns


class Kept(Unrecorded):
    """A journal that remembers where the landmarks were, and goes on from a state."""

    def __init__(self, state: SearchState | None = None) -> None:
        self.state, self.places = state, []  # type: ignore[var-annotated]

    def begun(self) -> Any:
        return self.state

    def landmark(self, base: Callable[[], Any], meter: Meter) -> None:
        self.places.append((base().move, base().doing.turn, meter.work))


@dataclass
class Heard(Silent):
    """Writes down the networks that are told of."""

    trials: list[Tried] = field(default_factory=list)

    def trial(self, trial: Tried) -> None:
        self.trials.append(trial)


def searched(*moves: Move, y: Tensor = Y, context: Context | None = None, work: float = 1000.0) -> Search:
    problem = Problem(X, y, library(["x", "sin"]))
    return Search.begun(problem, 3, context or Context(Budget.of(Meter(), work=work)), lambda _: moves)


def trial(structure: str = "sum", unexplained: float = 0.1, names: tuple[str, str] = ("sin", "x")) -> Trial:
    model = fixed_network([2, 1], [(0, i, 0, name, 1.0, 0.0, 1.0) for i, name in enumerate(names)])
    return Trial(structure, False, LINKS[0].name, model, 0.0, 1.0, unexplained)


def formula(names: tuple[str, str] = ("sin", "x"), y: Tensor = Y, bits: float = 1.0) -> Discovered:
    model = trial(names=names).model
    with torch.no_grad():
        loss = float(((model(X) - y) ** 2).mean())
    return Discovered(model, model, Symbolic(model, loss, bits))


# ---- the loop ------------------------------------------------------------------------------------------------------


def test_every_move_takes_all_its_turns_in_order_and_is_asked_once() -> None:
    told: list[str] = []
    journal = Kept()
    moves = [Counted("one", told, 2), Counted("none", told, wants=False), Counted("two", told, 3)]
    search = searched(*moves, context=Context(Budget.of(Meter(), work=1000.0), journal=journal))
    state = search.run()
    assert told == ["one?", "one 0", "one 1", "none?", "two?", "two 0", "two 1", "two 2"]
    assert [place[:2] for place in journal.places] == [(0, 1), (1, 0), (2, 0), (2, 1), (2, 2), (3, 0)]
    assert (state.move, state.stopped, state.ended) == (3, "tried", "all structures were tried")


@pytest.mark.parametrize("despite", [frozenset(), frozenset({"work"}), frozenset({"seconds", "exact"})])
def test_what_is_begun_when_the_budget_is_over_must_be_meant_for_it(despite: frozenset[str]) -> None:
    told: list[str] = []
    spend = Counted("spend", told, does=lambda search: search.context.spend(2000.0))
    unwanted = Counted("unwanted", told, wants=False, despite=despite)
    state = searched(spend, unwanted, Counted("late", told, despite=despite)).run()
    assert ("late 0" in told) is ("work" in despite)
    assert "unwanted 0" not in told
    assert state.stopped == "work"


def test_a_move_that_was_begun_takes_its_other_turns_whatever_happens() -> None:
    told: list[str] = []
    searched(Counted("long", told, 3, does=lambda search: search.context.spend(2000.0))).run()
    assert told == ["long?", "long 0", "long 1", "long 2"]


def test_shorter_formulas_than_one_that_leaves_noise_are_looked_for_until_their_time_is_over() -> None:
    told: list[str] = []
    moves = [Counted(name, told, does=lambda search: search.context.spend(60.0)) for name in ("one", "two", "three")]
    search = searched(*moves)
    search.state.findings.explained, search.state.findings.longest = True, 100.0
    assert search.run().stopped == "noise"
    assert told == ["one?", "one 0", "two?", "two 0"]


@pytest.mark.fails_within
def test_a_move_that_fails_is_told_of_and_ends_alone() -> None:
    told: list[str] = []

    def fails(_: Search) -> None:
        raise ZeroDivisionError("by nothing")

    state = searched(Counted("bad", told, 3, does=fails), Counted("good", told)).run()
    assert told == ["bad?", "bad 0", "good?", "good 0"]
    (sentence,) = state.failed
    assert sentence.startswith("bad failed (")
    assert "by nothing" in sentence
    assert state.result is not None


def test_a_disk_that_is_full_ends_the_search() -> None:
    def fails(_: Search) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        searched(Counted("bad", [], does=fails)).run()


def test_a_search_that_has_ended_is_not_ended_again() -> None:
    search = searched()
    first = search.run().result
    search.context.spend(50.0)
    assert search.run().result is first
    assert search.state.work == 0.0


# ---- the end -------------------------------------------------------------------------------------------------------


def test_the_end_says_what_was_found_and_what_it_took() -> None:
    meter = Meter(used=1000.0, work=70.0)

    def finds(search: Search) -> None:
        search.context.spend(25.0)
        search.state.findings.all.append(formula())

    told: list[str] = []
    search = searched(Counted("it", told, does=finds), context=Context(Budget.of(meter, work=1000.0)))
    state = search.run()
    assert state.result is not None
    assert state.result.spline is state.findings.all[0].spline
    assert state.work == 25.0
    assert 0 <= state.seconds < 500
    assert (state.stopped, state.ended) == ("exact", "a formula is exact to rounding")
    assert (state.whole, state.end, state.seed) == (1000.0, 1000.0, 3)


def test_nothing_found_is_a_constant() -> None:
    state = searched().run()
    assert state.result is not None
    assert state.result.symbolic.loss == pytest.approx(float(Y.var(correction=0)))


# ---- the budget ----------------------------------------------------------------------------------------------------


def test_a_tenth_of_the_budget_is_left_for_writing() -> None:
    search = searched(work=1000.0)
    assert search.of_work
    search.context.spend(899.0)
    assert not search.over()
    search.context.spend(2.0)
    assert search.over()
    assert search.cancelled() is None


def test_a_search_that_goes_on_has_the_budget_that_it_began_with() -> None:
    known = SearchState(Findings.of(Problem(X, Y, [])), 7, 500.0, 600.0, (2.0, 100.0), move=1)
    told: list[str] = []
    context = Context(Budget.of(Meter(work=120.0), work=9999.0), journal=Kept(known))
    search = searched(Counted("done", told), Counted("next", told), context=context)
    assert search.state is known
    assert (search.context.budget.whole, search.context.budget.end) == (500.0, 550.0)
    assert search.run().work == 20.0
    assert told == ["next?", "next 0"]


def test_a_search_begins_where_its_meter_stands() -> None:
    search = searched(context=Context(Budget.of(Meter(used=50.0, work=30.0))))
    seconds, work = search.state.begun
    assert seconds >= 50
    assert work == 30
    assert not search.of_work
    assert search.state.whole == math.inf


def test_everything_ends_for_the_reason_that_the_meter_has() -> None:
    search = searched(context=Context(Budget(Meter(cancelled=lambda: "SIGTERM"))))
    assert search.cancelled() == "SIGTERM"
    assert search.over()


# ---- what moves share ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unexplained", "stalls"),
    [
        ([0.0201, 0.021, 0.022, 0.02], True),
        ([0.0201, 0.021, 0.022], False),  # too few
        ([0.02, 0.021, 0.022, 0.0249], True),
        ([0.02, 0.021, 0.022, 0.025], False),  # a quarter more is not alike
        ([0.031, 0.0311, 0.0312, 0.0313], False),  # so much may be structure
        ([0.03, 0.0301, 0.0302, 0.0303], False),
        ([0.0299, 0.0301, 0.0302, 0.0303, 0.9], True),
        ([], False),
    ],
)
def test_structures_that_leave_equally_much_stall_a_search(unexplained: list[float], stalls: bool) -> None:
    search = searched()
    search.state.reserve = [trial(f"structure {k}", u) for k, u in enumerate(unexplained)]
    assert search.stalls() is stalls
    search.state.reserve = [replace(t, structure="the same") for t in search.state.reserve]
    assert not search.stalls()


def test_a_structure_leads_that_the_best_network_of_the_last_one_is_of() -> None:
    search = searched()
    assert not search.leads("sum")
    search.state.leader = trial("sum")
    assert search.leads("sum")
    assert not search.leads("product")


def test_tables_are_made_once_and_with_constants_where_they_are_asked_for() -> None:
    search = searched()
    plain, shaped = search.table(False), search.table(True)
    assert search.table(False) is plain
    assert search.table(True) is shaped
    assert (plain.shaped, shaped.shaped) == (False, True)
    assert set(plain.functions) == {"x", "sin"}
    assert plain.x is X


def test_fits_spend_what_the_search_has_and_tell_it() -> None:
    search = searched()
    judged = search.fits.judged(trial())
    assert search.context.budget.meter.work > 0
    assert [t.name for t in search.state.tried] == ["sum under x"]
    assert search.state.tried[0].unexplained == judged.unexplained


@pytest.mark.parametrize(("factor", "explained"), [(0.1, True), (3.0, False)])
def test_a_formula_that_is_kept_explains_all_where_it_leaves_little_noise(factor: float, explained: bool) -> None:
    y = Y + factor * NOISE
    search = searched(y=y)
    search.keep(formula(y=y))
    assert len(search.state.findings.all) == 1
    assert search.state.findings.explained is explained


def test_a_look_for_noise_is_counted_as_work_by_rows_and_columns() -> None:
    search = searched(y=Y + 0.1 * NOISE)
    assert search.leaves_noise(lambda x: torch.sin(x[:, :1]) + x[:, 1:])
    columns = 2 + search.problem.joined.shape[1]
    assert search.context.budget.meter.work == pytest.approx(1 + 2e-4 * 100 * columns + 8e-6 * 100**2, abs=1e-3)
    assert not search.leaves_noise(lambda x: x[:, 1:])


# ---- what was tried ------------------------------------------------------------------------------------------------


def test_networks_are_noted_with_how_far_the_search_is_by_them() -> None:
    heard = Heard()
    search = searched(context=Context(Budget.of(Meter(used=1000.0), work=10.0), heard))
    assert search.state.structures == search.state.networks == 0
    first, again = trial("sum", 0.2), trial("sum", 0.3)
    for one in (first, again, trial("product", 0.1)):
        search.note(one)
    search.note(first, read=True)
    tried = search.state.tried
    assert heard.trials == tried
    assert [t.structures for t in tried] == [1, 1, 2, 2]
    assert [t.least for t in tried] == [0.2, 0.2, 0.1, 0.1]
    assert [t.read for t in tried] == [False, False, False, True]
    assert [t.trial for t in tried] == [None, None, None, first]  # what was read is kept
    assert [t.name for t in tried] == ["sum under x", "sum under x", "product under x", "sum under x"]
    assert all(0 <= t.seconds < 500 for t in tried)
    assert not any(t.within for t in tried)
    assert (search.state.structures, search.state.networks) == (2, 3)


def test_networks_for_a_part_of_the_problem_say_nothing_of_the_whole() -> None:
    search = searched()
    search.remember(Tried("inner", 0.001, 0.0, within=True))
    assert search.state.tried[-1].least == math.inf
    search.note(trial(unexplained=0.2))
    search.remember(Tried("inner", 0.001, 0.0, within=True))
    assert search.state.tried[-1].least == 0.2


# ---- a search within another one -----------------------------------------------------------------------------------


class Recorded(Kept):
    """Counts the pieces of work that are done in it."""

    pieces = 0

    def once(self, compute: Callable[[], Any], meter: Meter) -> Any:  # noqa: ARG002
        self.pieces += 1
        return compute()


def test_a_search_within_has_its_part_of_what_is_left_and_tells_the_other_one() -> None:
    heard, journal = Heard(), Recorded(None)

    def schedule(problem: Problem) -> list[Move]:
        return [Counted("inside", [], does=lambda s: s.note(trial("inner", 0.01), read=True))] if problem.n == 1 else []

    outer = searched(context=Context(Budget.of(Meter(), work=1000.0), heard, journal))
    outer.schedule = schedule
    outer.context.spend(300.0)  # 600 are left up to where writing begins
    journal.state = outer.state  # its landmark is not one of the search within
    rest = Problem(X[:, 1:], X[:, 1:], library(["x"]))
    inner = outer.within(rest, 0.5)
    assert inner.problem is rest
    assert inner.state is not outer.state
    assert (inner.state.seed, inner.state.whole, inner.state.end) == (3, 300.0, 600.0)
    assert inner.context.budget.end == 570.0
    inner.run()
    assert journal.places == []
    assert inner.context.once(lambda: 17) == 17
    assert journal.pieces == 1
    (told,) = outer.state.tried
    assert heard.trials == [told]
    assert (told.name, told.within, told.trial, told.read) == ("inner under x", True, None, True)
    assert told.least == math.inf
    assert [t.within for t in inner.state.tried] == [False]
