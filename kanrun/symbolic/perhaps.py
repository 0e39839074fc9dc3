"""Which simple number a measured constant may be, where its error and the odds of such numbers speak for it."""

from __future__ import annotations

import math
from fractions import Fraction

import sympy as sp

from kanrun.symbolic.prior import named

LARGEST = 12  # denominator of a fraction
UNITS = (sp.Integer(1), sp.pi)
OF_PI = 6.0  # bits of naming pi
TYPE = 1.0  # bits of saying that it is a simple number at all
ODDS = 10.0  # for the simple number from which on it is worth a word
WIDE = 2.0  # sizes over which a measured constant may lie anywhere, in its own


def simple_number(value: float, error: float | None) -> str | None:
    """The text of the likeliest simple number for a constant with a standard error; None where none is likely.

    The odds are those of a point beside a wide uniform density: 2^-bits times the density of the estimate at the
    number, over that of a constant that may be anything of its size (Jeffreys 1961, ch. V). An error that is large
    beside the value speaks for nothing, and a fraction of many digits needs a small one.
    """
    if not error or not math.isfinite(error) or value == 0:
        return None
    best, text = ODDS, None
    for unit in UNITS:
        for below in range(1, LARGEST + 1):
            fraction = Fraction(round(value / float(unit) * below), below)
            if fraction == 0 or fraction.denominator != below:
                continue
            number = sp.Rational(fraction.numerator, below) * unit
            bits = TYPE + named(sp.Rational(abs(fraction.numerator), below)) + (OF_PI if unit is sp.pi else 0.0)
            away = (value - float(number)) / error
            density = math.exp(-0.5 * away**2) / (error * math.sqrt(2 * math.pi))
            odds = 2.0**-bits * density * WIDE * abs(value)
            if odds > best:
                best, text = odds, str(number)
    return text
