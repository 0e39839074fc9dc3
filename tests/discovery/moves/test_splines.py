"""One structure under all link functions: fitted, sharpened, considered, and kept for later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.links import LINK_NAMED, LINKS, Link
from kanrun.discovery.moves import splines as module
from kanrun.discovery.moves.splines import Splines
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.structures import Structure
from kanrun.discovery.trial import Discovered, Trial
from kanrun.model.network import KAN
from tests.helpers import fixed_network, turns, uniform_rows

X = uniform_rows(60, 2, seed=1)
Y = X[:, :1] + X[:, 1:] ** 2
MODEL = fixed_network([2, 1], [(0, 0, 0, "x")])
SUM = Structure("sum", lambda seed: KAN([2, 1], seed=seed))
PLAIN = Structure("function of a sum", lambda seed: KAN([2, 1, 1], seed=seed), plain=True)


def trial(unexplained: float, link: str = "x", structure: str = "sum") -> Trial:
    return Trial(structure, False, link, MODEL, 0.0, 1.0, unexplained)


class FakeFits:
    """Fits that give three restarts, the planned one first, and write down what they were asked for."""

    def __init__(self, planned: dict[str, float], finer: dict[str, float]) -> None:
        self.planned, self.finer = planned, finer
        self.told: list[tuple[str, int]] = []
        self.sharpened_links: list[str] = []

    def coarse(self, structure: Structure, link: Link, seed: int) -> list[Trial]:
        self.told.append((link.name, seed))
        best = self.planned.get(link.name, 0.5)
        return [trial(best * factor, link.name, structure.name) for factor in (1.0, 1.1, 1.2, 1.3)]

    def sharpened(self, trial: Trial) -> Trial:
        self.sharpened_links.append(trial.link_name)
        return replace(trial, unexplained=self.finer.get(trial.link_name, trial.unexplained / 2))


def searched(
    monkeypatch: pytest.MonkeyPatch, planned: dict[str, float] | None = None, finer: dict[str, float] | None = None
) -> tuple[Search, FakeFits, list[Trial]]:
    """A search with such fits, and the networks that are considered in it."""
    fits, considered = FakeFits(planned or {}, finer or {}), []
    monkeypatch.setattr(Search, "fits", property(lambda _: fits))
    monkeypatch.setattr(module, "consider", lambda _, sharp: considered.append(sharp))
    search = Search.begun(Problem(X, Y, []), 3, Context(Budget.of(Meter(), work=1000.0)), lambda _: [])
    return search, fits, considered


def test_the_name_says_which_structure_and_which_round() -> None:
    assert Splines(SUM).name == "splines: sum"
    assert Splines(SUM, 1).name == "splines: sum, round 2"
    assert Splines(SUM).despite == frozenset()


@pytest.mark.parametrize(("number", "exact", "wanted"), [(0, True, True), (1, True, False), (1, False, True)])
def test_restarts_are_for_where_nothing_is_exact(
    monkeypatch: pytest.MonkeyPatch, number: int, exact: bool, wanted: bool
) -> None:
    search, _, _ = searched(monkeypatch)
    search.state.findings.all.append(Discovered(MODEL, MODEL, search.problem.described(MODEL)))
    search.state.findings.enough = 1e9 if exact else 0.0
    assert Splines(SUM, number).wanted(search) is wanted


def test_every_link_function_that_can_be_undone_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    search, fits, considered = searched(monkeypatch)
    assert turns(search, Splines(SUM)) == len(LINKS) + 1  # none is promising
    allowed = [link.name for link in LINKS if link.allows(Y)]
    assert 1 < len(allowed) < len(LINKS)
    assert fits.told == [(name, 3) for name in allowed]
    assert (fits.sharpened_links, considered, search.state.leader) == ([], [], None)
    assert [t.link_name for t in search.state.doing.coarse] == allowed  # the best restart of each


def test_one_that_ends_in_a_function_of_its_own_needs_none_and_keeps_three_restarts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search, fits, _ = searched(monkeypatch)
    turns(search, Splines(PLAIN, 2))
    assert fits.told == [("x", 200_003)]
    assert [t.unexplained for t in search.state.doing.coarse] == pytest.approx([0.5, 0.55, 0.6])


def test_the_three_most_promising_are_sharpened_and_considered_the_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = {"x": 2e-3, "sqrt": 2.9e-3, "log": 1e-3, "x^2": 2.5e-3}
    finer = {"x": 1e-4, "log": 1e-3, "x^2": 1e-5}
    search, fits, considered = searched(monkeypatch, planned, finer)
    search.problem.__dict__["y"] = 2 + Y  # one sign, so that all of these can be undone
    assert turns(search, Splines(SUM)) == len(LINKS) + 4
    assert fits.sharpened_links == ["log", "x", "x^2"]
    assert [t.link_name for t in considered] == ["x^2", "x", "log"]
    assert search.state.leader is considered[0]


def test_among_those_that_explain_all_the_simplest_link_function_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    search, _, considered = searched(monkeypatch, {"x": 2e-3, "log": 1e-3}, {"x": 0.9e-9, "log": 1e-12})
    turns(search, Splines(SUM))
    assert [t.link for t in considered] == [LINK_NAMED["x"], LINK_NAMED["log"]]


@pytest.mark.parametrize(
    ("structure", "unexplained", "sharpened"),
    [(SUM, 3e-3, True), (SUM, 3.1e-3, False), (PLAIN, 0.05, True), (PLAIN, 0.051, False)],
)
def test_splines_that_follow_splines_are_promising_earlier(
    monkeypatch: pytest.MonkeyPatch, structure: Structure, unexplained: float, sharpened: bool
) -> None:
    search, fits, considered = searched(monkeypatch, {"x": unexplained}, {"x": 1e-3})
    turns(search, Splines(structure))
    assert (fits.sharpened_links[:1] == ["x"]) is sharpened
    assert bool(considered) is sharpened


@pytest.mark.parametrize(("sharp", "leads"), [(2.9e-3, True), (3e-3, False)])
def test_only_what_is_promising_on_its_finest_grid_leads(
    monkeypatch: pytest.MonkeyPatch, sharp: float, leads: bool
) -> None:
    search, _, _ = searched(monkeypatch, {"x": 2.9e-3}, {"x": sharp})
    search.state.leader = trial(0.0)
    turns(search, Splines(SUM))
    assert (search.state.leader is not None) is leads
    assert search.leads("sum") is leads


# ---- the budget ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has", ["nothing", "formula", "reserve"])
def test_when_the_budget_is_used_up_it_goes_on_only_where_there_is_nothing_yet(
    monkeypatch: pytest.MonkeyPatch, has: str
) -> None:
    search, fits, _ = searched(monkeypatch)
    if has == "formula":
        search.state.findings.all.append(Discovered(MODEL, MODEL, search.problem.described(MODEL)))
    if has == "reserve":
        search.state.reserve.append(trial(0.1))
    search.context.spend(2000.0)
    turns(search, Splines(SUM))
    assert bool(fits.told) is (has == "nothing")


def test_none_is_sharpened_when_the_budget_is_used_up_but_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    search, fits, _ = searched(monkeypatch, {"x": 2e-3, "log": 1e-3})
    search.context.spend(2000.0)
    turns(search, Splines(SUM))
    assert fits.sharpened_links == []
    assert [t.link_name for t in search.state.reserve] == ["log"]


# ---- what is kept for later ----------------------------------------------------------------------------------------


def test_the_best_of_those_that_were_not_sharpened_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    search, _, _ = searched(monkeypatch, {"x": 2e-3, "log": 0.2, "arctan": 0.3})
    turns(search, Splines(SUM))
    assert [(t.link_name, t.unexplained) for t in search.state.reserve] == [("log", 0.2)]


def test_what_was_promising_is_not_kept_again(monkeypatch: pytest.MonkeyPatch) -> None:
    search, _, _ = searched(monkeypatch)
    search.state.doing.coarse, search.state.doing.sharp = [trial(2e-3), trial(3e-3)], [trial(1e-3)]
    Splines(SUM).reserve(search)
    assert search.state.reserve == []
    search.state.doing.sharp, search.state.reserve = [], [trial(0.5)]
    Splines(SUM).reserve(search)
    assert len(search.state.reserve) == 1


def test_a_real_structure_is_fitted_and_considered(monkeypatch: pytest.MonkeyPatch) -> None:
    considered: list[Trial] = []
    monkeypatch.setattr(module, "consider", lambda _, sharp: considered.append(sharp))
    x: Any = uniform_rows(150, 2, seed=2)
    search = Search.begun(Problem(x, x[:, :1] + x[:, 1:] ** 2, []), 0, Context(), lambda _: [])
    move = Splines(Structure("sum", lambda seed: KAN([2, 1], grid=5, seed=seed, dtype=torch.float64), 1))
    turns(search, move)
    assert considered[0].link_name == "x"
    assert considered[0].unexplained < 1e-6
    assert search.leads("sum")
