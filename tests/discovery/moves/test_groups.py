"""Sums over groups of inputs that do not interact, as the best network shows them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.links import LINKS
from kanrun.discovery.moves import groups as module
from kanrun.discovery.moves.groups import Groups
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.structures import Structure
from kanrun.discovery.trial import Trial
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.model.protocol import work_of_pass
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(200, 3, seed=1, low=0.5, high=2.0)
# x_1 x_2 + c x_3, and the three for themselves
PAIR = [
    (0, 0, 1, "x"), (0, 1, 2, "x"), (0, 2, 0, "sin", 2.0), (1, 0, 0, "x"), (1, 1, 0, "x"),
]  # fmt: skip
MOVE = Groups("product")


class FakeFits:
    """Fits that give what was planned, and write down what they were asked for."""

    def __init__(self, unexplained: float | None, told: list[str]) -> None:
        self.unexplained, self.told = unexplained, told

    def coarse(self, structure: Structure, link: Any, seed: int) -> list[Trial]:
        self.told.append(f"{structure.name} under {link.name} from {seed}")
        if self.unexplained is None:
            return []
        return [trial(self.unexplained, structure=structure.name), trial(self.unexplained * 2, structure="second")]

    def sharpened(self, trial: Trial) -> Trial:
        self.told.append(f"sharpen {trial.structure}")
        return trial


def trial(unexplained: float, model: KAN | None = None, structure: str = "product", link: str = "x") -> Trial:
    return Trial(structure, False, link, model or pair(), 0.0, 1.0, unexplained)


def pair() -> KAN:
    return fixed_network([3, [1, 1], 1], PAIR)


def values(model: KAN) -> Tensor:
    with torch.no_grad():
        return model(X)


def searched(model: KAN, unexplained: float = 1e-6, x: Tensor = X, **more: Any) -> Search:
    search = Search.begun(
        Problem(x, values(model), library(["x", "x^2"]), **more), 3, Context(Budget.of(Meter(), work=1000.0)),
        lambda _: [],
    )  # fmt: skip
    search.state.leader = trial(unexplained, model)
    return search


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the fits are asked for, which find nothing."""
    return planned(monkeypatch, None)


def planned(monkeypatch: pytest.MonkeyPatch, unexplained: float | None) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(Search, "fits", property(lambda _: FakeFits(unexplained, found)))
    monkeypatch.setattr(module, "consider", lambda _, sharp: found.append(f"consider {sharp.structure}"))
    return found


def test_it_is_wanted_where_two_of_three_inputs_may_be_put_together_and_the_structure_leads() -> None:
    assert MOVE.wanted(searched(pair()))
    assert not Groups("sum").wanted(searched(pair()))
    assert not MOVE.wanted(searched(pair(), width=[3, 1]))
    assert MOVE.despite == {"stalled"}
    two = fixed_network([2, 1], [(0, 0, 0, "x")])
    search = Search.begun(Problem(X[:, :2], X[:, :1], []), 3, Context(), lambda _: [])
    search.state.leader = trial(1e-6, two)
    assert not MOVE.wanted(search)


def test_a_turn_is_one_link_function_that_the_targets_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(Groups, "look", lambda *given: looked.append(given[2].name))
    search, turns = searched(pair()), 1
    while MOVE.run(search):
        search.state.doing.turn += 1
        turns += 1
    assert turns == len(LINKS)
    assert looked == [link.name for link in LINKS if link.allows(search.problem.y)]
    assert 1 < len(looked) < len(LINKS)


@pytest.mark.parametrize("why", ["settled", "over"])
def test_it_ends_where_something_is_enough_or_the_budget_is_used_up(told: list[str], why: str) -> None:
    search = searched(pair())
    search.state.findings.explained = why == "settled"
    search.context.spend(2000.0 * (why == "over"))
    assert MOVE.run(search) is False
    assert told == []
    assert search.state.grouped == set()


def test_inputs_that_interact_are_tried_together_in_three_kinds_and_once(told: list[str]) -> None:
    search = searched(pair())
    for _ in range(2):
        assert MOVE.run(search)
    assert told == [
        f"{kind} over groups [[0, 1]] under x from 3"
        for kind in ("functions of sums", "products", "functions of products")
    ]
    assert search.state.grouped == {("x", "[[0, 1], [2]]")}


def test_every_look_is_paid_for_by_its_passes(told: list[str]) -> None:
    search = searched(pair())
    MOVE.run(search)
    assert told
    passes = 1 + 3 + 3  # the rows, each input moved alone, and every two together
    assert search.context.budget.meter.work == pytest.approx(passes * work_of_pass(pair(), 200), abs=1e-2)


def test_single_inputs_need_no_kinds(told: list[str]) -> None:
    single = fixed_network([3, 1], [(0, i, 0, name) for i, name in enumerate(("x", "sin", "x^2"))])
    MOVE.run(searched(single))
    assert told == ["functions of sums over groups [] under x from 3"]


def test_one_group_of_all_inputs_is_no_group(told: list[str]) -> None:
    all_together = fixed_network([3, 1, 1], [*((0, i, 0, "x") for i in range(3)), (1, 0, 0, "exp")])
    search = searched(all_together)
    MOVE.run(search)
    assert (told, search.state.grouped) == ([], set())


def test_a_link_function_that_is_undone_shows_other_groups(told: list[str]) -> None:
    all_together = fixed_network([3, 1, 1], [*((0, i, 0, "x") for i in range(3)), (1, 0, 0, "exp")])
    search = searched(all_together)
    search.state.doing.turn = [link.name for link in LINKS].index("exp")
    MOVE.run(search)
    assert told == ["functions of sums over groups [] under exp from 3"]


@pytest.mark.parametrize(
    ("factor", "unexplained", "together"),
    [(0.06, 1e-9, True), (0.006, 1e-9, False), (0.06, 1e-3, False), (0.6, 1e-3, True)],
)
def test_what_the_network_does_not_explain_may_look_like_interaction(
    told: list[str], factor: float, unexplained: float, together: bool
) -> None:
    """A product whose mixed differences are a small part of the variance, beside a network's own errors."""
    edges = [*PAIR[:3], (1, 0, 0, "x"), (1, 1, 0, "x", 1.0, 0.0, factor)]
    MOVE.run(searched(fixed_network([3, [1, 1], 1], edges), unexplained))
    assert any("[[0, 1]]" in text for text in told) is together


@pytest.mark.parametrize(("unexplained", "sharpened"), [(2.9e-3, True), (3e-3, False), (0.1, False)])
def test_the_best_of_each_kind_is_sharpened_and_considered_where_it_is_promising(
    monkeypatch: pytest.MonkeyPatch, unexplained: float, sharpened: bool
) -> None:
    told = planned(monkeypatch, unexplained)
    search = searched(pair(), 0.2)
    monkeypatch.setattr(module, "interacting", lambda *_: [[0, 1], [2]])  # which a network so far off does not show
    MOVE.run(search)
    assert search.state.reserve == []
    names = [f"{kind} over groups [[0, 1]]" for kind in ("functions of sums", "products", "functions of products")]
    more = [[f"sharpen {name}", f"consider {name}"] if sharpened else [] for name in names]
    assert told == [text for name, then in zip(names, more, strict=True) for text in (f"{name} under x from 3", *then)]


@pytest.mark.parametrize(("unexplained", "read"), [(8e-7, True), (9e-7, False), (1e-5, False)])
def test_groups_that_explain_no_more_than_the_network_are_kept_for_the_end(
    monkeypatch: pytest.MonkeyPatch, unexplained: float, read: bool
) -> None:
    """Where all that is left is noise, every sum over groups leaves it."""
    told = planned(monkeypatch, unexplained)
    search = searched(pair(), 1e-6)
    MOVE.run(search)
    assert any(text.startswith("consider") for text in told) is read
    assert len(search.state.reserve) == (0 if read else 3)


@pytest.mark.parametrize("why", ["settled", "over"])
def test_none_is_sharpened_any_more_where_it_is_enough(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    told = planned(monkeypatch, 1e-7)
    search = searched(pair())

    def after(_: Any, sharp: Trial) -> None:
        told.append(f"consider {sharp.structure}")
        search.state.findings.explained = why == "settled"
        search.context.spend(2000.0 * (why == "over"))

    monkeypatch.setattr(module, "consider", after)
    MOVE.run(search)
    assert len([text for text in told if text.startswith("sharpen")]) == 1
