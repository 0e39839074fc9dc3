"""One sum of terms divided by another as a move of the search."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.moves import fractions as module
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.state import SumsOfTerms
from kanrun.functions.library import library
from tests.helpers import uniform_rows

X = uniform_rows(150, 2, seed=1, low=1.0, high=3.0)
Y = (2 * X[:, :1] - 3) / (1 + X[:, :1] * X[:, 1:])


def searched(y: Tensor = Y, **more: Any) -> Search:
    problem = Problem(X, y, library(["x", "x^2", "1/x"]), **more)
    return Search.begun(problem, 3, Context(Budget.of(Meter(), work=1000.0)), lambda _: [])


@pytest.mark.parametrize(("shaped", "wanted"), [([], False), ([True], False), ([False], True), ([False, True], True)])
def test_it_is_wanted_after_sums_without_constants_where_no_width_is_given(shaped: list[bool], wanted: bool) -> None:
    for width, expected in ((None, wanted), ([2, 1], False)):
        search = searched(width=width)
        search.state.sums.update({kind: SumsOfTerms({}) for kind in shaped})
        assert Fractions(0.1).wanted(search) is expected
    assert Fractions(0.1).despite == frozenset()


def test_a_fraction_is_found_and_kept_as_a_formula() -> None:
    search = searched()
    assert Fractions(0.9).run(search) is False
    (found,) = search.state.findings.all
    assert search.state.findings.exact
    torch.testing.assert_close(found.symbolic.model(X).detach(), Y)
    assert [t.structure for t in search.state.tried] == ["fraction"]
    assert found.bits < 0  # so much shorter than the numbers themselves


def test_the_factor_of_every_term_counts_as_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    plain = module.bits_of
    monkeypatch.setattr(
        module, "bits_of", lambda network, loss, count, y: counted.append(count) or plain(network, loss, count, y)
    )
    Fractions(0.9).run(searched())
    assert counted == [2]  # of x_1 above and x_1 x_2 below


def test_what_is_no_fraction_leaves_nothing() -> None:
    search = searched(torch.randn(150, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    assert Fractions(0.9).run(search) is False
    assert search.state.findings.all == []
    assert search.state.tried == []


def test_it_has_its_part_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []
    monkeypatch.setattr(module, "find_fraction", lambda *given: left.append(given[2].budget.left()))
    search = searched()
    Fractions(0.2).run(search)
    assert left == pytest.approx([200.0])
