"""Fewer constants for noisy data: one by one they become simple numbers while the others are fitted again."""

from __future__ import annotations

import math
from collections.abc import Iterator

import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.functions.evaluate import Array
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.polishing import is_rounding, polished, squares
from kanrun.symbolic.snap import EXPONENT, PHASE, is_sound, places_of, savings, unity
from kanrun.symbolic.uncertainty import Constant, of_values

SURE = 0.1  # part of the distance to its neighbours to which a constant must be known to be taken for a simple number
STRAIGHT_AT_0 = (sp.sin, sp.tan, sp.tanh, sp.asin, sp.atan, sp.atanh)  # with slope 1 there


def settled(
    expression: sp.Expr, columns: Columns, y: Array, context: Context = UNLIMITED, weights: Array | float = 1.0
) -> sp.Expr:
    """The expression without the decimals that the rows do not need; the others stay as measured.

    0 or 1 in the place of a constant saves it, and most exponents are whole or half. Any other simple number would have
    to be named, which takes as many bits as a constant of that precision (Rissanen 1978). A constant c with standard
    error s may become v where |c - v| < s * sqrt(ln(rows)), the squared error then grows by less than what a constant
    costs by the Bayesian information criterion (Schwarz 1978; the Wald form of the test), and the squared error after
    fitting the others again confirms it. Errors count by the `weights` of their rows. It ends when the budget is used
    up.
    """
    context.spend(work_of_polish(expression))
    expression = straightened(polished(expression, columns, y, weights), columns, y, context, weights)
    refused: set[tuple[float, sp.Expr]] = set()
    rows = len(y)
    while len(constants_of(expression)) <= MOST and not context.over():
        before = squares(expression, columns, y, weights)
        if is_rounding(before, weights * y):
            return expression
        for constant, target in proposals(expression, columns, y, weights):
            if (float(constant), target) in refused or context.over():
                continue
            trial = expression.xreplace({constant: target})
            if not is_sound(trial) or not trial.free_symbols:
                continue
            context.spend(work_of_polish(trial))
            trial = polished(trial, columns, y, weights)
            if rows * math.log(max(squares(trial, columns, y, weights), 1e-300) / before) < math.log(rows):
                expression = trial
                break
            refused.add((float(constant), target))
        else:
            return expression
    return expression


def work_of_polish(expression: sp.Expr) -> float:
    """Units of work of `polished`: a derivative by every constant, a few times, of formulas of this size."""
    size = complexity(expression)
    return 0.2 + (0.5 + 0.05 * size) * len(constants_of(expression))


def straightened(
    expression: sp.Expr, columns: Columns, y: Array, context: Context, weights: Array | float = 1.0
) -> sp.Expr:
    """The expression without functions that the rows only see as straight lines, such as the sine of a small angle."""
    before, rows = squares(expression, columns, y, weights), len(y)
    if is_rounding(before, weights * y) or len(constants_of(expression)) > MOST:
        return expression
    for node in sorted(expression.atoms(*STRAIGHT_AT_0), key=sp.default_sort_key):
        if context.over() or not expression.has(node):
            continue
        context.spend(work_of_polish(expression))
        trial = polished(expression.xreplace({node: node.args[0]}), columns, y, weights)
        after = squares(trial, columns, y, weights) if is_sound(trial) else math.inf
        if rows * math.log(max(after, 1e-300) / before) < math.log(rows):
            expression, before = trial, after
    return expression


def proposals(
    expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0
) -> list[tuple[sp.Float, sp.Expr]]:
    """Constants and simple numbers for them, what drops a constant first, then the least unlikely."""
    limit, place = math.sqrt(math.log(len(y))), places_of(expression)
    found = []
    for symbol, constant in zip(constants_of(expression), of_values(expression, columns, y, weights), strict=True):
        for rank, target in enumerate(simple_numbers(constant, place(symbol))):
            error = constant.standard_error
            distance = abs(constant.value - float(target)) / error if error else 0.0
            if distance < limit:
                found.append((target != 0, rank, distance, symbol, target))
    return [(symbol, target) for _, _, _, symbol, target in sorted(found, key=lambda f: f[:3])]


def simple_numbers(constant: Constant, place: str = "") -> Iterator[sp.Expr]:
    """Numbers that would save the constant: 0, 1 with its sign; of exponents and phases those of `savings`."""
    value, error = constant.value, constant.standard_error
    yield sp.Integer(0)
    if error is None:
        yield unity(value)
        return
    for number in savings(value, place):
        apart = math.pi / 2 if place == PHASE else 0.5 if place == EXPONENT and not number.is_Integer else 1.0
        if error < SURE * apart:
            yield number
