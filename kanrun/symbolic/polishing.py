"""Constants of a formula at the least squared error over the rows, to their last digit."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import MOST, SINGULAR, Columns, Form, constants_of, in_units_of_effect
from kanrun.symbolic.expression import number
from kanrun.symbolic.snap import EXACT, is_sound

ROUNDING = 1e-30  # squared error of rounding itself, as part of the squared targets
STEPS, HALVINGS = 8, 6
GAIN = 1e-9  # part of the squared error that polishing must win


def squares(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """The squared error over the rows, each times its weight; infinite where the expression is not finite on all."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.square(weights * (evaluate(expression, columns) - y)).sum())
    return total if math.isfinite(total) else math.inf


def is_rounding(squares: float, y: Array) -> bool:
    """Whether a sum of squared errors over the targets `y` is nothing but rounding."""
    return squares <= len(y) * max(EXACT * float(np.var(y)), ROUNDING * float(np.mean(y**2)))


def polished(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> sp.Expr:
    """The expression with its decimals at the least squared error over the rows, by a few Gauss-Newton steps.

    The same expression where that wins nothing, or where only rounding is left to win. Errors count by the `weights` of
    their rows.
    """
    if is_rounding(squares(expression, columns, y, weights), weights * y):
        return expression
    return least_squared(expression, columns, y, weights)


def least_squared(
    expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0, steps: int = STEPS
) -> sp.Expr:
    """The same down to the last digit of the constants."""
    constants = constants_of(expression)
    before = squares(expression, columns, y, weights)
    if not 0 < len(constants) <= MOST or not np.isfinite(before):
        return expression
    form, start = Form.of(expression, constants), np.array([float(f) for f in constants])
    rows = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape)
    best, least = start, before
    for _ in range(steps):
        reached, moved = stepped(form, best, least, columns, y, rows)
        if not reached < least:
            break
        gained, best, least = least - reached, moved, reached
        if gained < GAIN * least:
            break
    if not least < (1 - GAIN) * before:
        return expression
    result = expression.xreplace({f: number(float(c)) for f, c in zip(constants, best, strict=True)})
    return result if is_sound(result) else expression


def stepped(
    form: Form, constants: Array, least: float, columns: Columns, y: Array, weights: Array
) -> tuple[float, Array]:
    """The constants after a Gauss-Newton step, halved while its squared error is not below `least`; that error too."""
    slopes = weights[:, None] * form.slopes(constants, columns)
    if not np.isfinite(slopes).all():
        return math.inf, constants
    missing = weights * (y - form.values(constants, columns))
    scaled, scale = in_units_of_effect(slopes, constants, missing)
    moved, reached = constants, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.linalg.lstsq(scaled, missing, rcond=SINGULAR)[0] / scale
        for halving in range(HALVINGS):
            moved = constants + step * 0.5**halving
            reached = float(np.square(weights * (form.values(moved, columns) - y)).sum())
            if reached < least:
                break
    return reached if math.isfinite(reached) else math.inf, moved
