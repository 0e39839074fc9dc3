"""What an exact formula can go without, and whether its rows could tell it from a simpler one at all."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import numpy as np
import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import ROUNDED, agrees, has_digits, weights_by_size
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.expression import complexity, numbers_in
from kanrun.symbolic.polishing import least_squared, squares
from kanrun.symbolic.snap import is_sound

ODD = (sp.sin, sp.tan, sp.tanh, sp.asin, sp.atan, sp.atanh)  # with slope 1 at 0
UNDONE = {sp.atan: sp.tan, sp.asin: sp.sin, sp.acos: sp.cos, sp.atanh: sp.tanh, sp.log: sp.exp}
UNDONE |= {inner: outer for outer, inner in UNDONE.items() if inner is not sp.exp}
AS_WELL = 3.0  # times the error of rounding, which is still as good
ROUNDING = 1e-14  # relative error of a row that is rounding in any case
SMALL = 1e-12  # part of the largest term of a sum that is nothing
# Relative error that a part must make where it is missing, in one of a hundred rows, to be seen for what it is: what
# would tell it from the beginning of a series makes about the square of it.
UNSEEN = 3e-6
STEPS = 3  # of Gauss-Newton after something was left out
SPARE = 3  # rows beside one for each constant that must be right by themselves
LARGE = 120  # nodes of a formula that is not looked at part by part
LOOKED_AT, LOOKED_AT_NODE = 0.5, 0.07  # units of work of a formula that is tried, and of a node and constant of it


class Verdict(Enum):
    """What rows say of a formula: that it is no law, that it may be one among others, that it is the one."""

    NOT = "not"
    UNDECIDED = "undecided"
    EXACT = "exact"


def verdict(expression: sp.Expr, columns: Columns, y: Array, context: Context = UNLIMITED) -> Verdict:
    """Whether the values of a formula are those of `y`, row by row, and every part of it is needed for that.

    A part that only the last digits of the rows speak for could as well be another one: the data cannot decide. Nor can
    rows that are hardly more than the numbers of the formula.
    """
    values = evaluate(expression, columns)
    if not agrees(values, y):
        return Verdict.NOT
    if (
        not agrees(values, y, ROUNDED)
        or not has_digits(y)
        or complexity(expression) > LARGE
        or hardly_more(len(y), expression)
        or len(constants_of(expression)) > min(MOST, len(y) - SPARE)
    ):
        return Verdict.UNDECIDED
    weights = weights_by_size(y)
    for trial in [*fewer(expression), *straighter(expression)]:
        context.spend(work_of_look(trial))
        refitted = least_squared(trial, columns, y, weights, STEPS)
        off = weights * np.abs(evaluate(refitted, columns) - y)
        if np.isfinite(off).all() and float(np.quantile(off, 0.99)) < UNSEEN:
            return Verdict.UNDECIDED
    return Verdict.EXACT


def hardly_more(rows: int, expression: sp.Expr) -> bool:
    """Whether there are so few rows that formulas of many forms with as many numbers go through all of them."""
    return rows <= numbers_in(expression) + 1


def bare(expression: sp.Expr, columns: Columns, y: Array, context: Context = UNLIMITED) -> sp.Expr:
    """A formula whose values are those of `y` but for rounding, without what it can go without.

    The same expression where its values are others. Constants are at their best for errors relative to the size of y.
    """
    weights = weights_by_size(y)
    context.spend(work_of_look(expression))
    best = least_squared(expression, columns, y, weights)
    if not agrees(evaluate(best, columns), y):
        return expression
    large = least_squared(without_small(best, columns), columns, y, weights)
    best = large if agrees(evaluate(large, columns), y) else best
    limit = max(AS_WELL**2 * squares(best, columns, y, weights), len(y) * ROUNDING**2)
    refused: set[sp.Expr] = set()
    while complexity(best) <= LARGE and not context.over():
        shorter = next(shorter_ones(best, limit, columns, y, refused, context), None)
        if shorter is None:
            break
        best = shorter
    return best


def shorter_ones(
    expression: sp.Expr, limit: float, columns: Columns, y: Array, refused: set[sp.Expr], context: Context
) -> Iterator[sp.Expr]:
    """Shorter expressions whose squared error is within the limit, of those that were not `refused` before."""
    weights = weights_by_size(y)
    for trial in [*without_identities(expression, columns), *fewer(expression), *straighter(expression)]:
        skeleton = trial.xreplace(dict.fromkeys(trial.atoms(sp.Float), sp.Symbol("c")))
        if skeleton in refused or context.over():
            continue
        context.spend(work_of_look(trial))
        refitted = least_squared(trial, columns, y, weights, STEPS)
        if complexity(refitted) < complexity(expression) and squares(refitted, columns, y, weights) <= limit:
            yield refitted
        refused.add(skeleton)


def without_small(expression: sp.Expr, columns: Columns) -> sp.Expr:
    """The expression without the terms of its sums that are nothing beside the others on all rows."""
    smaller = {}
    for node in nodes(expression, sp.Add):
        values = np.stack([np.abs(evaluate(term, columns)) for term in node.args], axis=1)
        needed = (values > SMALL * values.max(1, keepdims=True)).any(0)
        if np.isfinite(values).all() and not needed.all():
            smaller[node] = sp.Add(*[term for term, keep in zip(node.args, needed, strict=True) if keep])
    while smaller:  # sums within sums: the inner ones first
        node = min(smaller, key=lambda e: (complexity(e), sp.default_sort_key(e)))
        less = smaller.pop(node)
        expression = expression.xreplace({node: less})
        smaller = {a.xreplace({node: less}): b.xreplace({node: less}) for a, b in smaller.items()}
    return expression


def work_of_look(expression: sp.Expr) -> float:
    """Units of work of fitting the constants of an expression again, about."""
    return LOOKED_AT + LOOKED_AT_NODE * complexity(expression) * (1 + len(constants_of(expression)))


def fewer(expression: sp.Expr) -> Iterator[sp.Expr]:
    """The expression without one term of one of its sums, what is most of it first."""
    for node in nodes(expression, sp.Add):
        for k in range(len(node.args)):
            trial = expression.xreplace({node: sp.Add(*node.args[:k], *node.args[k + 1 :])})
            if is_sound(trial) and (trial.free_symbols or not expression.free_symbols):
                yield trial


def straighter(expression: sp.Expr) -> Iterator[sp.Expr]:
    """The expression with the beginning of the Taylor series of one of its functions in the place of it."""
    for node in nodes(expression, *ODD, sp.exp, sp.cos):
        u = node.args[0]
        series = u if isinstance(node, ODD) else 1 + u if isinstance(node, sp.exp) else 1 - u**2 / 2
        yield expression.xreplace({node: series})
    for node in nodes(expression, sp.Pow):
        if node.base.is_Add and node.exp.is_Number and not (node.exp.is_Integer and node.exp > 0):
            first, rest = node.base.as_independent(*node.free_symbols, as_Add=True)
            if first != 0:
                yield expression.xreplace({node: first**node.exp * (1 + node.exp * rest / first)})


def without_identities(expression: sp.Expr, columns: Columns) -> Iterator[sp.Expr]:
    """The expression without a function that another one undoes on the rows, or the size of what has one sign there."""
    for node in nodes(expression, *UNDONE, sp.Abs):
        u = node.args[0]
        if isinstance(node, sp.Abs):
            values = evaluate(u, columns)
            sign = 1 if (values >= 0).all() else -1 if (values <= 0).all() else 0
            if sign:
                yield expression.xreplace({node: sp.Integer(sign) * u})
        elif isinstance(u, UNDONE[type(node)]):
            inner = u.args[0]
            values = np.asarray(evaluate(node, columns) - evaluate(inner, columns))
            if np.isfinite(values).all():
                turns = round(float(values.mean()) / float(np.pi))  # of functions that repeat themselves
                yield expression.xreplace({node: inner + turns * sp.pi})


def nodes(expression: sp.Expr, *kinds: type) -> list[sp.Expr]:
    """The parts of these kinds, large ones first, in an order that does not depend on memory."""
    found = [e for e in expression.atoms(*kinds) if isinstance(e, kinds)]
    return sorted(found, key=lambda e: (-complexity(e), sp.default_sort_key(e)))
