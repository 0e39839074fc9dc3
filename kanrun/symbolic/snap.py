"""Constants to whole numbers, small fractions and multiples of pi, kept only while the loss stays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import sympy as sp

from kanrun.symbolic.expression import complexity

EXACT = 1e-20  # a mean squared error below this part of the variance means that only rounding is left


def nice_numbers(value: float, exact: bool) -> Iterator[sp.Expr]:
    """Simple numbers near `value`, the simplest first; with `exact` also those that need many digits to be believed."""
    near = 1e-6 if exact else 0.02
    if abs(value) < (1e-6 if exact else 0.05):
        yield sp.Integer(0)
    for unit, limit in ((sp.Integer(1), 1), (sp.pi, 2), (sp.Integer(1), 4), (1 / sp.pi, 4), (sp.E, 2), (sp.pi, 12),
                        (sp.Integer(1), 12), (1 / sp.pi, 64), (sp.sqrt(sp.pi), 4), (1 / sp.sqrt(sp.pi), 4),
                        (1 / sp.sqrt(2 * sp.pi), 4), (sp.Integer(1), 1000)):  # fmt: skip
        if limit > 4 and not exact:
            continue
        fraction = Fraction(value / float(unit)).limit_denominator(limit)
        candidate = sp.Rational(fraction.numerator, fraction.denominator) * unit
        if abs(fraction.numerator) <= (10**6 if exact else 20) and fraction and close(value, float(candidate), near):
            yield candidate
    square = Fraction(value * value).limit_denominator(60 if exact else 4)
    if square and close(value * value, float(square), near) and (exact or square.numerator <= 10):
        yield int(math.copysign(1, value)) * sp.sqrt(sp.Rational(square.numerator, square.denominator))


def close(value: float, other: float, near: float) -> bool:
    """Whether the two agree to the relative tolerance `near`."""
    return abs(value - other) <= near * abs(value)


def snap(
    expressions: list[sp.Expr], loss_of: Callable[[list[sp.Expr]], float], rows: int, exact_below: float
) -> list[sp.Expr]:
    """The expressions with as many nice constants as the loss on the training rows allows.

    Where the loss shows an exact structure (below `exact_below`) it must stay there; otherwise replacing one constant may
    cost a factor of 1 + ln(rows) / rows, which is what a constant is worth by the Bayesian information criterion.
    """
    expressions = list(expressions)
    loss = loss_of(expressions)
    if not math.isfinite(loss):
        return expressions
    exact = loss < exact_below
    for index in range(len(expressions)):
        for constant in sorted(expressions[index].atoms(sp.Float), key=lambda f: abs(float(f))):
            for candidate in nice_numbers(float(constant), exact):
                changed = expressions[index].xreplace({constant: candidate})
                if changed.has(sp.zoo, sp.nan, sp.oo, sp.I) or complexity(changed) > complexity(expressions[index]) + 4:
                    continue
                trial = [*expressions[:index], changed, *expressions[index + 1 :]]
                reached = loss_of(trial)
                if reached < exact_below or (not exact and reached <= loss * (1 + math.log(rows) / rows)):
                    expressions, loss = trial, max(loss, reached)
                    break
    return expressions


def shortest(expression: sp.Expr) -> sp.Expr:
    """An equal expression with the fewest nodes among a few rewritings; decimals are left as they are."""
    forms = [expression, sp.factor_terms(expression), sp.powsimp(expression)]
    if not expression.atoms(sp.Float) and sp.count_ops(expression) < 60:
        forms += [sp.simplify(expression), sp.factor(expression), sp.expand(expression)]
    return min(forms, key=complexity)
