"""A search that puts two inputs together where what it knows says so."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.composites import Composite
from kanrun.discovery.moves import composites as module
from kanrun.discovery.moves.composites import Composites, spellings
from kanrun.discovery.moves.sums import Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.functions.library import library
from tests.helpers import fixed_network, uniform_rows

X = uniform_rows(100, 2, seed=1, low=0.5, high=2.0)


def searched(y: Tensor, *moves: Composites | Sums, **more: object) -> Search:
    """A search over both inputs by these moves, and over what they are put together to by sums alone."""
    problem = Problem(X, y, library(["x", "x^2", "exp", "1/x"]), **more)  # type: ignore[arg-type]
    sums = Sums(shaped=True, terms=2, part=0.9)
    begun = Search.begun(
        problem, 0, Context(Budget.of(Meter(), math.inf, 1500.0)), lambda p: moves if p.n == 2 else [sums]
    )
    begun.run()
    return begun


def test_a_formula_that_is_only_near_says_which_inputs_belong_together() -> None:
    u = X[:, :1] / X[:, 1:]
    near, law = Sums(shaped=False, terms=2, part=0.5), u * torch.exp(-2.5 * u)
    alone, together = searched(law, near), searched(law, near, Composites())
    assert not alone.state.findings.exact
    assert together.state.findings.exact and together.state.joined == {(0, 1)}


def test_it_is_not_wanted_without_anything_promising_or_where_the_width_is_given() -> None:
    begun = searched(torch.sin(9 * X[:, :1] * X[:, 1:] ** 2), Composites())
    assert not Composites().wanted(begun) and not begun.state.joined
    assert not Composites("sum").wanted(begun)


def test_a_product_over_more_than_a_decade_comes_by_its_logarithm_too() -> None:
    product = Composite({0: 1.0, 1: 1.0}, "log", "exp")
    wide = torch.tensor([[0.5, 0.5], [2.0, 2.0]], dtype=torch.float64)  # products from 1/4 to 4
    assert spellings(product, wide) == [product, Composite({0: 1.0, 1: 1.0}, "log")]
    assert spellings(product, 1 + X / 10) == [product]
    assert spellings(Composite({0: 1.0, 1: 1.0}), X) == [Composite({0: 1.0, 1: 1.0})]


@pytest.mark.parametrize("works", [[1e6], [0.0, 1e6]])
def test_once_time_is_over_no_other_spelling_is_tried(works: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    product, tried = Composite({0: 1.0, 1: 1.0}, "log", "exp"), list[Composite]()
    monkeypatch.setattr(Search, "known", lambda *_: torch.sin)
    monkeypatch.setattr(module, "composites", lambda *_: [(0, 1, product)])

    def explained(search: Search, argument: Composite, _: list[int]) -> None:
        search.context.spend(works[len(tried)])
        tried.append(argument)

    monkeypatch.setattr(module, "explain", explained)
    begun = Search.begun(Problem(3 * X, X[:, :1], []), 0, Context(Budget.of(Meter(), math.inf, 100.0)), lambda _: [])
    assert not Composites().run(begun) and begun.state.joined == {(0, 1)}
    assert tried == spellings(product, 3 * X)[: len(works)] and len(tried) == len(works)


def test_what_a_search_over_the_argument_does_not_explain_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = list[object]()
    monkeypatch.setattr(module, "keep_polished", lambda _, model: kept.append(model))
    begun = Search.begun(Problem(X, X[:, :1], []), 0, Context(Budget.of(Meter(), math.inf, 10.0)), lambda _: [])
    model = fixed_network([1, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0)])
    for found in (None, model):
        monkeypatch.setattr(module, "explained", lambda *_, found=found: found)
        module.explain(begun, Composite({0: 1.0, 1: 1.0}), [])
    assert len(kept) == 1
