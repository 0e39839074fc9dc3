"""Whether errors can be relative to the size of values, or whether a formula goes through the largest too closely."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp
from scipy.special import chdtr

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.polishing import STEPS, least_squared

LARGE = 0.1  # part of the largest value from which values are large
COARSE = 0.2  # size of relative errors from which they are seen in any picture of the large values
CHANCE = 1e-3  # of taking errors that are relative for others


def is_refuted(expression: sp.Expr, columns: Columns, y: Array) -> bool:
    """Whether coarse relative errors of a formula for `y` [rows] cannot be, by what the largest values say.

    With its constants at their least squares the same formula must leave as much of these as their number allows (a
    chi-square test of the lower side). One that misses the top of a peak by half, as it is off by no less where next
    to nothing is left of the peak, is refuted by the same through the top.
    """
    constants = constants_of(expression)
    off = logarithms_off(evaluate(expression, columns), y)
    size = float(np.mean(off**2)) if len(off) else 0.0
    if not COARSE**2 < size < math.inf or len(constants) > MOST:
        return False
    plain = evaluate(least_squared(expression, columns, y, steps=2 * STEPS), columns)
    # By the formula, as rows that are large by chance have errors of one sign.
    large = np.abs(plain) >= LARGE * float(np.abs(plain).max())
    left, free = logarithms_off(plain[large], y[large]), int(large.sum()) - len(constants)
    return free > 0 and float(chdtr(free, np.sum(left**2) / size)) < CHANCE


def logarithms_off(ours: Array, y: Array) -> Array:
    """By how much the logarithms of values are off, of the rows where `y` [rows] is not 0."""
    there = y != 0
    with np.errstate(all="ignore"):
        off: Array = np.log(np.abs(ours[there] / y[there]))
    return off
