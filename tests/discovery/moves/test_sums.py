"""Sums of terms, one more term at a time under every link function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.links import LINK_NAMED, LINKS
from kanrun.discovery.moves import sums as module
from kanrun.discovery.moves.sums import SimplerSums, Sums, begun, take
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.state import SumsOfTerms
from kanrun.discovery.trial import Discovered
from kanrun.functions.library import library
from tests.helpers import fixed_network, turns, uniform_rows

X = uniform_rows(60, 2, seed=1)
ROUGH = torch.sign(X[:, :1]) + X[:, 1:] ** 2  # no short sum of the functions below, on both sides of zero


def searched(y: Tensor = ROUGH, work: float = 20_000.0, width: list[int | list[int]] | None = None) -> Search:
    problem = Problem(X, y, library(["x", "x^2", "x^3", "1/x", "exp"]), width)
    return Search.begun(problem, 3, Context(Budget.of(Meter(), work=work)), lambda _: [])


def keep(search: Search, exact: bool = False, explained: bool = False) -> None:
    """A formula that is exact or explains all, as the search's findings have it."""
    model = fixed_network([2, 1], [(0, 0, 0, "x")])
    found = Discovered(model, model, search.problem.described(model))
    search.state.findings.all.append(found)
    search.state.findings.enough = 1e9 if exact else 0.0
    search.state.findings.explained = explained


def test_the_name_says_how_long_they_get_and_whether_they_have_constants() -> None:
    assert Sums(shaped=False, terms=3, part=0.1).name == "sums of up to 3 terms"
    assert Sums(shaped=True, terms=2, part=0.1).name == "sums of up to 2 terms with constants"
    assert Sums.despite == frozenset()
    assert SimplerSums.despite == {"noise"}


def test_they_are_wanted_where_no_width_is_given() -> None:
    assert Sums(False, 2, 0.1).wanted(searched())
    assert not Sums(False, 2, 0.1).wanted(searched(width=[2, 1]))


@pytest.mark.parametrize(
    ("exact", "explained", "wanted"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_simpler_ones_are_wanted_where_only_noise_is_left(exact: bool, explained: bool, wanted: bool) -> None:
    search = searched()
    keep(search, exact, explained)
    simpler = SimplerSums(False, 2, 0.1)
    assert simpler.wanted(search) is wanted
    assert simpler.ends(search) is False
    assert Sums(False, 2, 0.1).ends(search) is (exact or explained)
    search.problem.__dict__["width"] = [2, 1]
    assert not simpler.wanted(search)


# ---- real ones -----------------------------------------------------------------------------------------------------


def test_one_term_that_is_exact_ends_it_in_the_first_turn() -> None:
    search = searched(2 * X[:, :1] * X[:, 1:] + 3)
    assert turns(search, Sums(False, 3, 0.5)) == 1
    (found,) = search.state.findings.all
    torch.testing.assert_close(found.spline(X).detach(), search.problem.y)
    assert search.state.findings.exact
    assert [t.structure for t in search.state.tried] == ["sum of terms"]


def test_every_link_function_that_can_be_undone_gets_its_term_and_a_longer_sum_goes_on_from_there() -> None:
    search = searched()
    allowed = [link.name for link in LINKS if link.allows(ROUGH)]
    assert 1 < len(allowed) < len(LINKS)
    assert turns(search, Sums(False, 1, 0.5)) == len(allowed) + 1
    beams = search.state.sums[False].beams
    assert list(beams) == allowed
    assert search.state.sums[False].level == 1
    assert {len(s.sum.terms) for beam in beams.values() for s in beam.sums} == {1}
    assert len(search.state.findings.all) == len(allowed)
    bits = [found.bits for found in search.state.findings.all]
    assert min(bits) == pytest.approx(search.state.findings.result(search.problem).bits)
    assert turns(search, Sums(False, 2, 0.5)) == len(allowed) + 1
    assert search.state.sums[False].level == 2
    assert search.state.sums[False].beams is beams
    assert turns(search, Sums(False, 2, 0.5)) == 1  # nothing longer is asked for


@pytest.mark.parametrize(("terms", "exact"), [(1, False), (2, True)])
def test_a_polynomial_is_looked_at_whole_beside_sums_of_two_terms(terms: int, exact: bool) -> None:
    x, z = X[:, :1], X[:, 1:]
    search = searched(1 + x - 2 * x**2 + 0.5 * x**3 + 3 * x * z - z**3)
    turns(search, Sums(False, terms, 0.9))
    assert search.state.findings.exact is exact


def test_beams_begin_with_a_constant_and_the_table_is_paid_for() -> None:
    search = searched()
    sums = begun(search, False)
    assert search.context.budget.meter.work == pytest.approx(search.table(False).making, abs=1e-3)
    assert sums.waiting == list(sums.beams)
    assert sums.level == 0
    for name, beam in sums.beams.items():
        assert beam.link_name == name
        assert [len(s.sum.terms) for s in beam.sums] == [0]


def test_the_shortest_sum_of_a_beam_is_what_is_taken() -> None:
    search = searched()
    turns(search, Sums(False, 2, 0.5))
    beam, before = search.state.sums[False].beams["x"], len(search.state.findings.all)
    take(search, False, beam)
    kept = search.state.findings.all[before]
    with torch.no_grad():
        left = float((kept.spline(X) - ROUGH).square().mean())
    assert left == pytest.approx(kept.symbolic.loss)
    assert left <= beam.shortest.unexplained * search.problem.variance * 1.01


# ---- the order of things -------------------------------------------------------------------------------------------


@dataclass
class Planned:
    """A beam that is exact from so many terms on, and whose sum of `shortest_at` terms is shorter than longer ones."""

    link_name: str
    shortest_at: int = 99
    exact_from: int = 99
    polynomial: bool = False  # whether it is exact as one
    level: int = 0
    best: list[Any] = field(default_factory=list)
    exact: bool = False

    @property
    def link(self) -> Any:
        return LINK_NAMED[self.link_name]

    @property
    def shortest(self) -> Any:
        return min(self.level, self.shortest_at)


@dataclass
class Terms:
    """What is asked of the search for terms."""

    told: list[str]
    unfinished: int = 0  # turns that are cut short

    def grow(self, beam: Planned) -> bool:
        if self.unfinished:
            self.unfinished -= 1
            return False
        beam.level += 1
        beam.best += [beam.level] * (beam.shortest_at > 0)
        beam.exact = beam.level >= beam.exact_from
        self.told.append(f"{beam.link_name} {beam.level}")
        return True

    def whole_polynomial(self, beam: Planned) -> None:
        self.told.append(f"{beam.link_name} whole")
        beam.exact = beam.polynomial


def planned(
    monkeypatch: pytest.MonkeyPatch, *beams: Planned, shaped: bool = False, work: float = 1000.0
) -> tuple[Search, Terms]:
    """A search with these beams, in which taking an exact one makes the findings exact."""
    search, terms = searched(work=work), Terms([])

    def taken(search: Search, shaped: bool, beam: Any) -> None:
        assert shaped is flag
        terms.told.append(f"take {beam.link_name}")
        keep(search, exact=beam.exact)

    flag = shaped
    monkeypatch.setattr(module, "take", taken)
    monkeypatch.setattr(module, "of_beam", lambda *_: terms)
    by_name: dict[str, Any] = {beam.link_name: beam for beam in beams}
    search.state.sums[shaped] = SumsOfTerms(by_name, waiting=list(by_name))
    return search, terms


def test_all_have_a_term_before_any_has_two_and_each_is_taken_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"), Planned("exp"))
    assert turns(search, Sums(False, 2, 0.5)) == 5
    first = ["x 1", "take x", "exp 1", "take exp"]
    assert terms.told == [*first, "x 2", "x whole", "take x", "exp 2", "exp whole", "take exp"]


def test_what_leaves_noise_ends_it_before_the_next_link_function(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"), Planned("exp"))
    monkeypatch.setattr(module, "take", lambda *_: keep(search, explained=True))
    turns(search, Sums(False, 2, 0.5))
    assert terms.told == ["x 1"] and search.state.sums[False].waiting == ["exp"]


def test_with_constants_there_are_no_polynomials(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"), shaped=True)
    turns(search, Sums(True, 3, 0.5))
    assert terms.told == ["x 1", "take x", "x 2", "take x", "x 3", "take x"]


def test_an_exact_sum_is_taken_at_once_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"), Planned("exp", exact_from=2), Planned("log"))
    turns(search, Sums(False, 3, 0.5))
    assert terms.told[-2:] == ["exp 2", "take exp"]
    assert search.state.sums[False].waiting == ["log"]


def test_a_polynomial_that_is_exact_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x", polynomial=True), Planned("exp"))
    turns(search, Sums(False, 3, 0.5))
    assert terms.told[-3:] == ["x 2", "x whole", "take x"]


def test_a_sum_that_is_longer_than_those_before_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x", shortest_at=1))
    turns(search, Sums(False, 2, 0.5))
    assert terms.told == ["x 1", "take x", "x 2", "x whole"]


def test_a_beam_that_has_found_nothing_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x", shortest_at=0))
    turns(search, Sums(False, 1, 0.5))
    assert terms.told == ["x 1"]


def test_findings_that_settle_it_end_it_and_simpler_sums_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for move, expected in ((Sums(False, 1, 0.5), []), (SimplerSums(False, 1, 0.5), ["x 1", "take x"])):
        search, terms = planned(monkeypatch, Planned("x"))
        keep(search, explained=True)
        turns(search, move)
        assert terms.told == expected


def test_a_turn_that_is_cut_short_ends_it_and_goes_on_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"), Planned("exp"))
    terms.unfinished = 1
    assert turns(search, Sums(False, 1, 0.5)) == 1
    assert search.state.sums[False].waiting == ["x", "exp"]
    turns(search, Sums(False, 1, 0.5))
    assert terms.told == ["x 1", "take x", "exp 1", "take exp"]


@pytest.mark.parametrize(("spent", "goes_on"), [(99.0, True), (101.0, False)])
def test_its_part_of_the_budget_begins_with_its_first_turn(
    monkeypatch: pytest.MonkeyPatch, spent: float, goes_on: bool
) -> None:
    search, terms = planned(monkeypatch, Planned("x"), Planned("exp"))
    move = Sums(False, 1, 0.1)
    search.context.spend(500.0)
    assert move.run(search)
    assert search.state.doing.until == pytest.approx(600.0)
    search.state.doing.turn = 1
    search.context.spend(spent)
    move.run(search)
    assert ("exp 1" in terms.told) is goes_on


def test_the_two_kinds_of_sums_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    search, terms = planned(monkeypatch, Planned("x"))
    began: list[bool] = []
    monkeypatch.setattr(module, "begun", lambda _, shaped: began.append(shaped) or SumsOfTerms({}))
    turns(search, Sums(False, 1, 0.5))
    assert began == []
    turns(search, Sums(True, 1, 0.5))
    assert began == [True]
    assert terms.told == ["x 1", "take x"]
