"""Where a further measurement would tell two formulas apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate

BEYOND = 0.5  # of an input's range, how far beyond it one may measure on both sides
POINTS = 2000  # that are looked at
DIGITS = 3


def deciding_point(one: sp.Expr, other: sp.Expr, columns: Mapping[str, Array]) -> dict[str, float] | None:
    """The point, by the names of inputs, at which two formulas of them differ most; None where they have no values.

    `columns` [rows] of each input give its range, which may be left by half of itself; no input that is positive on all
    rows becomes zero or negative. Constants are those of the formulas, as they are.
    """
    spaces = {name: space(values) for name, values in columns.items()}
    draw = np.random.default_rng(0)
    points = {
        name: np.linspace(low, high, POINTS) if len(spaces) == 1 else draw.uniform(low, high, POINTS)
        for name, (low, high) in spaces.items()
    }
    apart = np.abs(evaluate(one, points) - evaluate(other, points))
    apart = np.where(np.isfinite(apart), apart, -1.0)
    best = int(np.argmax(apart))
    if apart[best] <= 0:
        return None
    return {name: float(f"{values[best]:.{DIGITS}g}") for name, values in points.items()}


def space(values: Array) -> tuple[float, float]:
    """From where to where an input with these values may be measured."""
    low, high = float(values.min()), float(values.max())
    reach = BEYOND * (high - low)
    least, most = low - reach, high + reach
    return (max(least, low / 2) if low > 0 else least), (min(most, high / 2) if high < 0 else most)
