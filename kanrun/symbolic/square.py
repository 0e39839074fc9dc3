"""Squares of sums and differences put together again from what they are when multiplied out."""

from __future__ import annotations

from itertools import combinations

import sympy as sp

SAME = 1e-9  # part of a coefficient by which rounding may have moved it


def with_squares(expression: sp.Expr) -> sp.Expr:
    """The expression with a*u**2 + b*u*v + c*v**2 as a*(u + v*b/(2*a))**2 in all sums where b**2 is 4*a*c."""
    return expression.replace(lambda e: e.is_Add, gathered)


def gathered(total: sp.Expr) -> sp.Expr:
    """One sum with its squares put together."""
    parts = {rest: factor for factor, rest in (term.as_coeff_Mul() for term in total.args)}
    bases = sorted({rest.base for rest in parts if rest.is_Pow and rest.exp == 2}, key=sp.default_sort_key)
    squares = []
    for u, v in combinations(bases, 2):
        a, b, c = (parts.get(key) for key in (u**2, u * v, v**2))
        if a is None or b is None or c is None:
            continue
        if abs(float(b**2 - 4 * a * c)) <= SAME * abs(float(b**2)):
            for key in (u**2, u * v, v**2):
                del parts[key]
            ratio = b / (2 * a)
            near = sp.Integer(round(float(ratio)))
            ratio = near if near != 0 and abs(float(ratio - near)) <= SAME else ratio
            squares.append(a * (u + ratio * v) ** 2)
    return sp.Add(*squares, *(factor * rest for rest, factor in parts.items())) if squares else total
