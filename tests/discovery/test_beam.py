"""The search for sums of terms."""

from __future__ import annotations

import pytest
import torch

from kanrun.discovery.beam import SumsOfTerms, fronts
from kanrun.functions.library import library
from kanrun.symbolic.snap import EXACT
from tests.helpers import uniform_rows


def found_within(x: torch.Tensor, y: torch.Tensor, shaped: bool, levels: int) -> tuple[str, list[set[str]]] | None:
    """The link function and the functions of the terms of the first exact sum."""
    sums = SumsOfTerms(x, y, library(), shaped)
    for _ in range(levels):
        for search in sums.grow(lambda: False):
            if search.exact:
                assert search.shortest.unexplained <= EXACT
                return search.link.name, [{f.function.name for f in term} for term in search.shortest.sum.terms]
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
    x = uniform_rows(400, 1, seed=3, low=-1.0, high=1.5)
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
    x = uniform_rows(500, 2, seed=4, low=0.0, high=1.0)
    y = torch.sin(x[:, :1]) + torch.sin(x[:, 1:] ** 2)
    found = found_within(x, y, False, 4)
    assert found is not None
    assert found[1] == [{"sin"}, {"sin"}]


def test_nothing_exact_is_found_in_noise() -> None:
    x = uniform_rows(300, 2, seed=5)
    noise = torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert found_within(x, noise, False, 2) is None


def test_fronts_come_one_after_the_other() -> None:
    points = [(1, 0.5, "a"), (2, 0.6, "b"), (2, 0.1, "c"), (3, 0.2, "d"), (4, float("nan"), "e")]
    assert fronts(points, 10) == ["a", "c", "b", "d"]
    assert fronts(points, 2) == ["a", "c"]
