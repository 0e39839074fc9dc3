"""Which parts of a formula of noisy rows are worth their length."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.functions.evaluate import Array
from kanrun.symbolic.bare import LARGE, fewer, nodes, straighter, without_identities, work_of_look
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.description import description
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.polishing import is_rounding, polished, squares
from kanrun.symbolic.snap import is_sound

SMALL = 1e-3  # constants that may be nothing together


def worthwhile(
    expression: sp.Expr, columns: Columns, y: Array, context: Context = UNLIMITED, weights: Array | float = 1.0
) -> sp.Expr:
    """The expression without the parts that do not pay for themselves, constants fitted again.

    Whatever shortens the description of the rows most goes first, until nothing does. Errors count times the `weights`
    of their rows. It ends when the budget is used up.
    """
    bits, refused = description(expression, columns, y, weights), set[sp.Expr]()
    while len(constants_of(expression)) <= MOST and complexity(expression) <= LARGE:
        if is_rounding(squares(expression, columns, y, weights), weights * y):
            break
        best, least = expression, bits
        for trial in simpler(expression, columns):
            skeleton = trial.xreplace(dict.fromkeys(trial.atoms(sp.Float), sp.Symbol("c")))
            if skeleton in refused or context.over() or not is_sound(trial):
                continue
            context.spend(work_of_look(trial))
            trial = polished(trial, columns, y, weights)
            reached = description(trial, columns, y, weights)
            if reached < least:
                best, least = trial, reached
            elif not reached < bits:
                refused.add(skeleton)
        if best is expression:
            break
        expression, bits = best, least
    return expression


def simpler(expression: sp.Expr, columns: Columns) -> Iterator[sp.Expr]:
    """The expression with one part fewer: a term, a factor, or a function that may be a line."""
    small = {f: sp.Integer(0) for f in expression.atoms(sp.Float) if abs(float(f)) < SMALL}
    if len(small) > 1:  # each may make up for another one that is not quite right
        yield expression.xreplace(small)
    yield from without_identities(expression, columns)
    yield from fewer(expression)
    for node in nodes(expression, sp.Mul):
        varying = [factor for factor in node.args if factor.free_symbols]
        for factor in varying if len(varying) > 1 else []:
            yield expression.xreplace({node: node / factor})
    yield from straighter(expression)
    yield from whole_exponents(expression)
    yield from from_zero(expression)


def whole_exponents(expression: sp.Expr) -> Iterator[sp.Expr]:
    """The expression with whole numbers for all exponents that are decimals, and for each."""
    decimals = {p.exp for p in expression.atoms(sp.Pow) if p.exp.is_Float}
    whole = {f: sp.Integer(round(float(f))) for f in sorted(decimals, key=float) if round(float(f)) != 0}
    if len(whole) > 1:
        yield expression.xreplace(whole)
    yield from (expression.xreplace({f: n}) for f, n in whole.items())


def from_zero(expression: sp.Expr) -> Iterator[sp.Expr]:
    """The expression with a saturation that begins at 0: a*g/(g + c) in the place of a - b/(g + c)."""
    for node in nodes(expression, sp.Add):
        level = node.as_coeff_Add()[0]
        for term in node.args if level != 0 else ():
            below = next((p.base for p in sp.Mul.make_args(term) if p.is_Pow and p.exp == -1 and p.base.is_Add), None)
            if below is None or (term * below).free_symbols:
                continue
            growing = below - below.as_coeff_Add()[0]
            yield expression.xreplace({node: node - level - term + level * growing / below})
