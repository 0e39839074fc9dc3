"""What a search that has just begun knows, and what it counts of the networks that it has tried."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from kanrun.discovery.findings import Findings
from kanrun.discovery.problem import Problem
from kanrun.discovery.state import Doing, SearchState, SumsOfTerms, Tried


def begun() -> SearchState:
    return SearchState(Findings(1e-20, 3), 5, 100.0, 100.0, (0.0, 0.0))


def test_a_search_begins_with_nothing_and_the_first_turn_of_its_first_move() -> None:
    state = begun()
    assert (state.move, state.doing.turn) == (0, 0)
    assert Doing().until == math.inf  # nothing ends it before the budget does
    assert (state.seconds, state.work, state.result, state.leader) == (0.0, 0.0, None, None)
    assert (state.structures, state.networks) == (0, 0)
    assert SumsOfTerms({}).level == 0


def test_two_searches_share_nothing() -> None:
    first, second = begun(), begun()
    first.doing.turn = 3
    first.own["x"] = first.sums[True] = SumsOfTerms({})
    first.failed.append("no")
    assert (second.doing.turn, second.own, second.sums, second.failed) == (0, {}, {}, [])


def test_a_network_that_is_tried_is_the_first_one_of_the_whole_and_unread_unless_it_says_otherwise() -> None:
    one = Tried("sum", 0.1, 2.0)
    assert (one.read, one.within, one.structures, one.least) == (False, False, 1, math.inf)


def test_networks_are_counted_once_and_structures_as_the_last_one_says() -> None:
    state = begun()
    state.tried += [Tried("a", 0.1, 0.0, structures=1), Tried("b", 0.1, 0.0, structures=2)]
    state.tried.append(Tried("a", 0.1, 0.0, read=True, structures=4))
    assert state.networks == 2
    assert state.structures == 4


def test_a_search_is_empty_only_where_it_was_cancelled_before_it_had_found_anything() -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    problem = Problem(x, 2 * x**2, [])
    state = SearchState(Findings.of(problem), 0, 1.0, 1.0, (0.0, 0.0))
    assert not state.is_empty  # it goes on, or has ended by itself
    state.stopped = "cancelled"
    assert state.is_empty
    state.findings.all.append(problem.constant())
    assert not state.is_empty


@pytest.mark.parametrize(("bits", "first"), [(-10.0, False), (10.0, True)])
def test_of_two_searches_for_the_same_targets_the_better_formula_counts_and_why_the_second_ended(
    bits: float, first: bool
) -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    constant = Problem(x, 2 * x**2, []).constant()
    result = replace(constant, symbolic=replace(constant.symbolic, bits=0.0))
    later = replace(constant, symbolic=replace(constant.symbolic, bits=bits))
    one = replace(begun(), result=result, looked_at=[1], tried=[Tried("a", 0.1, 0.0, structures=3)], work=5.0)
    one = replace(one, stopped="noise")
    two = replace(begun(), result=later, looked_at=[1, 4], tried=[Tried("b", 0.1, 0.0)], work=2.0, stopped="work")
    both = one.followed_by(two)
    assert (both.result is result, both.looked_at) == (first, [1] if first else [1, 4])
    assert (both.stopped, both.structures, both.networks, both.work) == ("work", 4, 2, 7.0)
    empty = replace(two, stopped="cancelled")
    assert one.followed_by(empty).result is result
