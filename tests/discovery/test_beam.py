"""The search for sums of terms under one link function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kanrun.context import UNLIMITED, Budget, Context, Meter
from kanrun.discovery.beam import Beam, TermSearch, fronts
from kanrun.discovery.links import LINK_NAMED, LINKS
from kanrun.discovery.terms import Table
from kanrun.functions.library import library
from kanrun.symbolic.snap import EXACT
from tests.helpers import uniform_rows


def found_within(x: torch.Tensor, y: torch.Tensor, shaped: bool, levels: int) -> tuple[str, list[set[str]]] | None:
    """The link function and the functions of the terms of the first exact sum."""
    table = Table(x, {f.name: f for f in library()}, shaped)
    searches = [TermSearch.of(table, y, link, UNLIMITED) for link in LINKS if link.allows(y)]
    beams = [(s, s.begun(link)) for s, link in zip(searches, [k for k in LINKS if k.allows(y)], strict=True) if s]
    for level in range(levels):
        for search, beam in beams:
            assert search.grow(beam)
            if level == 1 and not shaped and not beam.exact:
                search.whole_polynomial(beam)
            if beam.exact:
                assert beam.shortest.unexplained <= EXACT
                return beam.link_name, [{f.function.name for f in term} for term in beam.shortest.sum.terms]
    return None


@pytest.mark.parametrize(
    ("name", "link", "terms", "shaped"),
    [
        ("sum of two functions", "x", [{"sin"}, {"x"}], True),
        ("product of two functions", "x", [{"exp", "sin"}], True),
        ("whole polynomial", "x", [{"x"}, {"x^2"}, {"x^3"}, {"x^4"}, {"x^5"}], False),
        ("under a link function", "1/x", [{"x^2"}, {"x"}], False),
        ("power and function", "x", [{"x", "gaussian"}], False),
    ],
)
def test_formulas_of_one_input_are_found(name: str, link: str, terms: list[set[str]], shaped: bool) -> None:
    x = uniform_rows(150, 1, seed=3, low=-1.0, high=1.5)
    y = {
        "sum of two functions": 2.5 * torch.sin(3 * x + 0.7) + 0.3 * x,
        "product of two functions": torch.exp(-1.7 * x) * torch.sin(5 * x + 1),
        "whole polynomial": x**5 + x**4 + x**3 + x**2 + x,
        "under a link function": 1 / (3 + x + x**2),
        "power and function": x * torch.exp(-(x**2)),
    }[name]
    found = found_within(x, y, shaped, 2)
    assert found is not None
    assert found[0] == link
    assert sorted(map(sorted, found[1])) == sorted(map(sorted, terms))


def test_terms_that_only_helped_on_the_way_are_dropped() -> None:
    x = uniform_rows(150, 2, seed=4, low=0.0, high=1.0)
    y = torch.sin(x[:, :1]) + torch.sin(x[:, 1:] ** 2)
    found = found_within(x, y, False, 4)
    assert found is not None
    assert found[1] == [{"sin"}, {"sin"}]


def test_nothing_exact_is_found_in_noise() -> None:
    x = uniform_rows(100, 2, seed=5)
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert found_within(x, noise, False, 2) is None


def test_fronts_come_one_after_the_other() -> None:
    points = [(1, 0.5, "a"), (2, 0.6, "b"), (2, 0.1, "c"), (3, 0.2, "d"), (4, float("nan"), "e")]
    assert fronts(points, 10) == ["a", "c", "b", "d"]
    assert fronts(points, 2) == ["a", "c"]


# ---- time that is over ---------------------------------------------------------------------------------------------


def search_of(
    x: torch.Tensor, y: torch.Tensor, context: Context = UNLIMITED, link: str = "x", few: str = "x x^2 1/x sin exp"
) -> TermSearch | None:
    table = Table(x, {f.name: f for f in library() if f.name in few.split()})
    return TermSearch.of(table, y, LINK_NAMED[link], context)


def described(beam: Beam) -> list[tuple[float, list[float]]]:
    return [(s.unexplained, s.sum.vector.tolist()) for s in [*beam.sums, *beam.best]]


def test_a_level_that_is_cut_goes_on_from_there_and_ends_with_the_same_sums() -> None:
    x = uniform_rows(30, 2, seed=7)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2 + 0.1 * x[:, :1] * x[:, 1:]
    whole = search_of(x, y, few="x x^2 sin")
    assert whole is not None
    plain, cut = (whole.begun(LINK_NAMED["x"]) for _ in range(2))
    over = Context(Budget(Meter(), end=-1.0, of_work=True))
    pauses = 0
    for _ in range(2):
        assert whole.grow(plain)
        while True:
            short = search_of(x, y, over, few="x x^2 sin")
            assert short is not None
            if short.grow(cut):
                break
            pauses += 1
        assert described(cut) == described(plain)
    assert pauses > 20


# ---- what cannot be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "link"),
    [("one is zero", "1/x^2"), ("tiny", "1/sqrt(x)"), ("one is zero", "sqrt"), ("all the same", "x")],
)
def test_targets_that_cannot_be_used_without_the_link_function_have_no_search(name: str, link: str) -> None:
    """More rows than are looked at: what is left of them must not be held against all."""
    x = uniform_rows(1000, 1, seed=8, low=0.1)
    y = {"tiny": 1e-170 * x, "one is zero": x.clone(), "all the same": torch.ones_like(x)}[name]
    y[0] = 0.0 if name == "one is zero" else y[0]
    assert search_of(x, y, link=link) is None


def test_terms_without_a_finite_solution_are_no_candidates() -> None:
    x = uniform_rows(80, 1, seed=9, low=1.0, high=2.0)
    search = search_of(x, x**2)
    assert search is not None
    factor = next(term[0] for term in search.table.shapes[1:] if term[0].function.name == "exp" and term[0].shaped)
    for a in (1e6, -1e6):  # infinite on every row, and zero on every row
        lost = search.trained(search.with_term(search.begun(LINK_NAMED["x"]).sums[0].sum, (replace(factor, a=a),)))
        assert lost.unexplained == lost.bits == float("inf")


# ---- what a search is held against ---------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["x", "exp", "1/x"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_search_begins_with_the_constant_that_leaves_least(link: str, weighted: bool) -> None:
    x = uniform_rows(50, 1, seed=11, low=0.5)
    y = 2 + torch.cos(3 * x)
    rows = 0.5 + uniform_rows(50, 1, seed=12, low=0.0)[:, 0] if weighted else None
    table = Table(x, {f.name: f for f in library(["x"])})
    search = TermSearch.of(table, y, LINK_NAMED[link], UNLIMITED, rows)
    assert search is not None
    slopes = {"x": torch.ones(50), "exp": y[:, 0], "1/x": y[:, 0] ** 2}[link]  # of y by what is left of it
    z = {"x": y[:, 0], "exp": y[:, 0].log(), "1/x": 1 / y[:, 0]}[link]
    wanted = slopes.double() if rows is None else slopes.double() * rows.sqrt()
    torch.testing.assert_close(search.weights, wanted / wanted.square().mean().sqrt())
    torch.testing.assert_close(search.targets / search.weights * float(z.std()), z)
    level, left, *_ = np.linalg.lstsq(search.weights[:, None].numpy(), search.targets.numpy(), rcond=None)
    assert float(search.level) == pytest.approx(float(level[0]))
    assert search.variance == pytest.approx(float(left[0]) / 50)
    (begun,) = search.begun(LINK_NAMED[link]).sums
    assert (begun.unexplained, begun.sum.vector.tolist()) == (1.0, [float(search.level)])
    assert search.trained(begun.sum).unexplained == pytest.approx(1.0)


def test_a_sum_with_one_more_term_gives_it_back_as_it_was() -> None:
    x = uniform_rows(80, 1, seed=13, low=1.0, high=2.0)
    search = search_of(x, x**2)
    assert search is not None
    shapes = [term for term in search.table.shapes[1:] if term[0].shaped][:3]
    whole = search.begun(LINK_NAMED["x"]).sums[0].sum
    for term in shapes:
        whole = search.with_term(whole, term)
    whole = replace(whole, vector=torch.arange(10.0, 10.0 + len(whole.vector), dtype=torch.float64))
    assert len(whole.vector) == 1 + 3 + 2 * 3
    less = search.without_term(whole, 1)
    assert less.terms == [shapes[0], shapes[2]]
    assert less.vector.tolist() == [10.0, 11.0, 13.0, 14.0, 15.0, 18.0, 19.0]
    again = search.with_term(less, shapes[1])
    assert again.vector.tolist() == [10.0, 11.0, 13.0, 0.0, 14.0, 15.0, 18.0, 19.0, shapes[1][0].a, shapes[1][0].b]


@pytest.mark.parametrize(
    ("few", "rows", "power", "found"),
    [("x x^2 x^3", 40, 3, True), ("x x^2 x^3", 14, 3, False), ("x x^2 x^3", 14, 2, True), ("x x^2", 40, 3, False),
     ("x x^3", 40, 2, False)],
)  # fmt: skip
def test_a_whole_polynomial_is_tried_where_its_powers_are_known_and_there_are_five_rows_a_term(
    few: str, rows: int, power: int, found: bool
) -> None:
    x = uniform_rows(rows, 1, seed=14)
    search = search_of(x, x**power - 0.3 * x, few=few)
    assert search is not None
    beam = search.begun(LINK_NAMED["x"])
    search.whole_polynomial(beam)
    assert beam.exact is found
    assert not found or len(beam.shortest.sum.terms) == 2  # those that it does not need are gone
