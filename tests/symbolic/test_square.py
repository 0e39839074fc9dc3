"""Squares put together again."""

from __future__ import annotations

import pytest
import sympy as sp

from kanrun.functions.parser import parse_formula
from kanrun.symbolic.square import with_squares

NAMES = [f"x_{i}" for i in range(1, 5)]


@pytest.mark.parametrize(
    ("text", "squares"),
    [
        ("x_1**2-2*x_1*x_2+x_2**2+x_3", 1),
        ("-x_1**2/2+x_1*x_2-x_2**2/2-x_3**2/2+x_3*x_4-x_4**2/2", 2),
        ("1/(2.5*x_1**2+10.0*x_1*x_2+10.0*x_2**2+1)", 1),
        ("x_1**2+x_1*x_2+x_2**2", 0),
        ("x_1**2-2*x_1*x_2-x_2**2", 0),
        ("sin(x_1)+x_1**2", 0),
    ],
)
def test_sums_that_are_squares_become_squares(text: str, squares: int) -> None:
    plain = parse_formula(text, NAMES)
    short = with_squares(plain)
    assert len([p for p in short.atoms(sp.Pow) if p.base.is_Add and p.exp == 2]) == squares
    at = {s: sp.Rational(k + 3, 7) for k, s in enumerate(sorted(plain.free_symbols, key=str))}
    assert float((short - plain).subs(at)) == pytest.approx(0.0, abs=1e-12)
    assert short == plain or squares


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_whether_a_sum_is_a_square_does_not_depend_on_its_unit(size: float) -> None:
    square, near = (parse_formula(f"0.1*x_1**2+0.2*x_1*x_2+{last}*x_2**2", NAMES) for last in ("0.1", "0.1000001"))
    short, other = with_squares(sp.expand(size * square)), sp.expand(size * near)
    assert short.is_Mul and with_squares(other) == other
    at = {s: sp.Rational(k + 3, 7) for k, s in enumerate(sorted(square.free_symbols, key=str))}
    assert float((short / size).subs(at)) == pytest.approx(float(square.subs(at)))
