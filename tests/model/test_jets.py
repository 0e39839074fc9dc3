from __future__ import annotations

from math import comb

import pytest
import sympy as sp
import torch

from kanrun.model.jets import Index, Jet, chain, closure, partitions, splits, times

X = sp.symbols("x y")
FIRST, SECOND = sp.sin(X[0] * X[1]) + X[0] ** 2, sp.exp(X[0] - 2 * X[1]) + X[1] ** 3
HERE = {X[0]: sp.Rational(3, 10), X[1]: sp.Rational(-7, 10)}
UP_TO_THIRD = closure([(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)])


def jet_of(expression: sp.Expr) -> Jet:
    """A formula's derivatives by SymPy: [1, 1] each."""
    slopes = {i: sp.diff(expression, *(X[n] for n in i)) if i else expression for i in UP_TO_THIRD}
    return {i: torch.tensor([[number(slope)]], dtype=torch.float64) for i, slope in slopes.items()}


def number(expression: sp.Expr) -> float:
    return float(expression.subs(HERE))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], [()]),
        ([(1,)], [(), (1,)]),
        ([(1, 0), (2, 2)], [(), (0,), (1,), (2,), (0, 1), (2, 2)]),
        ([(0, 1, 1)], [(), (0,), (1,), (0, 1), (1, 1), (0, 1, 1)]),
    ],
)
def test_the_closure_has_all_that_higher_derivatives_are_made_of(wanted: list[Index], expected: list[Index]) -> None:
    assert closure(wanted) == expected


@pytest.mark.parametrize("order", range(5))
def test_shares_occur_as_often_as_binomials_and_bell_numbers_say(order: int) -> None:
    assert sorted(count for _, _, count in splits((0,) * order)) == sorted(comb(order, n) for n in range(order + 1))
    assert len(partitions(tuple(range(order)))) == [1, 1, 2, 5, 15][order]


def test_products_have_the_derivatives_that_sympy_finds() -> None:
    product = times(jet_of(FIRST), jet_of(SECOND), UP_TO_THIRD)
    expected = jet_of(FIRST * SECOND)
    assert list(product) == UP_TO_THIRD
    for index in UP_TO_THIRD:
        torch.testing.assert_close(product[index], expected[index], rtol=1e-12, atol=1e-12)


def test_what_is_missing_is_zero() -> None:
    one, two = torch.ones(1, 1), torch.full((1, 1), 2.0)
    product = times({(0,): two}, {(): one, (1,): two}, closure([(0, 1), (1, 1)]))
    assert {index: part.item() for index, part in product.items()} == {(0,): 2.0, (0, 1): 4.0}


def test_a_function_of_a_jet_has_the_derivatives_that_sympy_finds() -> None:
    t = sp.Symbol("t")
    outer = sp.cos(t) * t**2
    parts = chain(jet_of(FIRST), UP_TO_THIRD)
    expected = jet_of(outer.subs(t, FIRST))
    slopes = [number(sp.diff(outer, t, n).subs(t, FIRST)) for n in range(4)]
    for index in UP_TO_THIRD:
        value = sum(slope * part[index].item() for slope, part in zip(slopes, parts, strict=True) if index in part)
        assert value == pytest.approx(expected[index].item(), rel=1e-12)
