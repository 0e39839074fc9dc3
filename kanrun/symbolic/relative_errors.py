"""Whether errors can be relative to the size of values, or whether a formula goes through the largest too closely."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp
from scipy.special import chdtr

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.uncertainty import MOST, STEPS, Columns, constants_of, least_squared

LARGE = 0.1  # part of the largest value from which values are large
COARSE = 0.2  # size of relative errors from which they are seen in any picture of the large values
CHANCE = 1e-3  # of taking errors that are relative for others


def is_refuted(expression: sp.Expr, columns: Columns, y: Array) -> bool:
    """Whether coarse relative errors of a formula for `y` [rows] cannot be, by what the largest values say.

    With its constants at their least squares the same formula must leave as much of these as their number allows (a
    chi-square test of the lower side). One that misses the top of a peak by half, as it is off by no less where next
    to nothing is left of the peak, is refuted by the same through the top.
    """
    there, constants = y != 0, constants_of(expression)
    with np.errstate(all="ignore"):
        size = float(np.mean(np.log(np.abs(evaluate(expression, columns)[there] / y[there])) ** 2))
    if not COARSE**2 < size < math.inf or len(constants) > MOST:
        return False
    plain = evaluate(least_squared(expression, columns, y, steps=2 * STEPS), columns)
    large = np.abs(y) >= LARGE * float(np.abs(y).max())
    free = int(large.sum()) - len(constants)
    off = float(np.sum((plain[large] / y[large] - 1) ** 2)) / size
    return free > 0 and float(chdtr(free, off)) < CHANCE
