"""What a search tries, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kanrun.discovery.moves import schedule as module
from kanrun.discovery.moves.composites import Composites
from kanrun.discovery.moves.curves import Curves
from kanrun.discovery.moves.dimensionless import Dimensionless
from kanrun.discovery.moves.edge_curves import EdgeCurves
from kanrun.discovery.moves.factors import Factors, of_leader, of_targets
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.groups import Groups
from kanrun.discovery.moves.reading import AsGood, Reading
from kanrun.discovery.moves.schedule import divided, register, schedule
from kanrun.discovery.moves.splines import Splines
from kanrun.discovery.moves.straight import Straight
from kanrun.discovery.moves.sums import SimplerSums, Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Move
from kanrun.discovery.structures import structures
from kanrun.symbolic.dimensions import Units
from tests.helpers import uniform_rows


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REGISTERED", [])


def problem(n: int, width: list[int | list[int]] | None = None) -> Problem:
    x = uniform_rows(20, n)
    return Problem(x, x[:, :1], [], width)


def moves_of(n: int, width: list[int | list[int]] | None = None) -> list[Any]:
    return list(schedule(problem(n, width)))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_structure_has_its_turn_in_order_and_what_its_best_network_is_looked_at_for(n: int) -> None:
    moves = moves_of(n)
    first = [move for move in moves if isinstance(move, Splines) and not move.round]
    assert [move.structure.name for move in first] == [s.name for s in structures(n, torch.float64)]
    for move in first:
        at = moves.index(move)
        after = [m for m in moves[at + 1 : at + 5] if not (isinstance(m, Factors) and not m.structure)][:3]
        name = move.structure.name
        assert after == [Factors(f"factors: {name}", of_leader, name), Composites(name), Groups(name)]
        assert divided(move.structure) == after


def test_dimensionless_groups_are_tried_early_where_units_are_known() -> None:
    measured = Units({"x_1": (1.0, 0.0)}, (2.0, 0.0))
    x = torch.ones(4, 1, dtype=torch.float64)
    known = Problem(x, x, [], names=("x_1",), measured=measured)
    assert [type(move) for move in schedule(known)].index(Dimensionless) == 3
    assert not any(isinstance(move, Dimensionless) for move in schedule(Problem(x, x, [], measured=Units())))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_cheap_and_simple_things_come_first_and_reading_last(n: int) -> None:
    moves = moves_of(n)
    first, *later = [k for k, move in enumerate(moves) if isinstance(move, Curves)]
    assert moves[first] == (Curves(part=0.3) if n == 1 else Curves(part=0.3, alone=True))
    assert first == 1
    assert [moves[k - 2 : k + 1] for k in later] == [[Composites(), EdgeCurves(part=0.15), Curves(part=0.3)]] * (n > 1)
    moves = [move for move in moves if not isinstance(move, Curves | Straight)]
    kinds = [type(move) for move in moves]
    assert moves[0] == Sums(shaped=False, terms=2, part=0.1)
    assert kinds[1] is Splines
    assert moves[2].powers is of_targets
    assert moves[2].structure == ""
    assert kinds[6:9] == [Sums, Sums, Fractions]
    assert kinds[-4:] == [SimplerSums, SimplerSums, AsGood, Reading]


def test_a_straight_line_in_many_inputs_comes_before_all_else() -> None:
    assert isinstance(moves_of(7)[0], Straight)
    assert not any(isinstance(move, Straight) for move in moves_of(7)[1:])


def test_in_few_inputs_it_comes_at_the_end_whatever_has_ended_the_search_but_the_user() -> None:
    *_, line, good, reading = moves_of(6)
    assert line == Straight(despite=frozenset({"noise", "stalled", "seconds", "work"}))
    assert (good, reading) == (AsGood(), Reading())
    assert not any(isinstance(move, Straight) for move in moves_of(1))


def sums(moves: list[Any]) -> list[tuple[type, bool, int, float]]:
    return [(type(m), m.shaped, m.terms, m.part) for m in moves if isinstance(m, Sums)]


def test_sums_grow_longer_and_those_with_constants_have_more_of_the_budget() -> None:
    usual = [(Sums, False, 2, 0.1), (Sums, False, 3, 0.1), (Sums, True, 2, 0.15)]
    longer = [(Sums, False, 6, 0.15), (Sums, True, 4, 0.2)]
    simpler = [(SimplerSums, False, 2, 0.1), (SimplerSums, True, 1, 0.1)]
    assert sums(moves_of(1)) == usual + simpler  # there are few structures
    assert sums(moves_of(2)) == usual + longer + simpler
    assert [m.part for m in moves_of(2) if isinstance(m, Fractions)] == [0.1]


@pytest.mark.parametrize("n", [2, 3])
def test_the_longest_sums_are_tried_after_the_first_structure_and_nine_others(n: int) -> None:
    moves = moves_of(n)
    longest = next(k for k, move in enumerate(moves) if isinstance(move, Sums) and move.terms == 6)
    assert sum(isinstance(move, Splines) for move in moves[:longest]) == 1 + 9
    assert isinstance(moves[longest + 2], Splines)


def test_longer_sums_need_more_than_nine_other_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(structures(2, torch.float64))
    for count, expected in ((10, 0), (11, 1)):
        monkeypatch.setattr(module, "structures", lambda *_, k=count: iter(names[:k]))
        assert sum(m.terms == 6 for m in moves_of(2) if isinstance(m, Sums)) == expected


@pytest.mark.parametrize("n", [1, 2])
def test_what_may_be_stuck_begins_anew_three_times_from_other_numbers(n: int) -> None:
    again = [(m.round, m.structure.name) for m in moves_of(n) if isinstance(m, Splines) and m.round]
    plain = [s.name for s in structures(n, torch.float64) if s.plain]
    assert again == [(number, name) for number in (1, 2, 3) for name in plain]


def test_the_first_structure_is_fitted_in_any_case_and_no_other_one_when_the_budget_is_used_up() -> None:
    first, *others = [move for move in moves_of(2) if isinstance(move, Splines)]
    assert first.despite == {"cancelled", "seconds", "work"}
    assert {move.despite for move in others} == {frozenset()}


def test_with_a_width_there_is_one_structure() -> None:
    names = [move.name for move in moves_of(2, [2, 1, 1]) if isinstance(move, Splines)]
    assert names == ["splines: the given width"]


# ---- moves from elsewhere ------------------------------------------------------------------------------------------


def named(name: str) -> Move:
    return SimpleNamespace(name=name)


def test_moves_are_put_before_the_first_one_of_a_name_and_before_reading_where_none_is_said() -> None:
    plain = [move.name for move in moves_of(2)]
    register(lambda p: [named("one"), named(f"for {p.n} inputs")])
    register(lambda _: [named("early")], before="fractions")
    register(lambda _: [named("last")], before="no such move")
    register(lambda _: [])
    names = [move.name for move in moves_of(2)]
    assert names[-4:] == ["one", "for 2 inputs", "reading what is left", "last"]
    assert names[names.index("early") + 1] == "fractions"
    assert [name for name in names if name not in ("one", "for 2 inputs", "early", "last")] == plain


def test_of_two_moves_of_a_name_it_is_the_first_one() -> None:
    register(lambda _: [named("twice"), named("twice")])
    register(lambda _: [named("before")], before="twice")
    names = [move.name for move in moves_of(1)]
    assert names[names.index("before") :][:3] == ["before", "twice", "twice"]
