"""A formula fitted so that outliers do not decide: least squares by weights that follow from what it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanrun.data.robust import loss_at, scale_of, weights_at
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import Columns, constants_of
from kanrun.symbolic.description import description_at
from kanrun.symbolic.polishing import is_rounding, polished, squares

AGAIN = 12  # times at most that rows are weighed by what a formula leaves of them
SETTLED = 1e-4  # change of the weights, whose mean is 1, that is none


@dataclass(frozen=True)
class RobustFit:
    """A formula with its constants at the least robust loss, the `weights` [rows] of the rows there, and the scale."""

    expression: sp.Expr
    weights: Array
    scale: float

    def bits(self, columns: Columns, y: Array, scale: float, loss: str) -> float:
        """The description length of the rows where their errors, in units of `scale`, cost what a robust loss says."""
        off = y - evaluate(self.expression, columns)
        mean = scale**2 * float(np.mean(loss_at(off / scale, loss)))
        return description_at(mean, self.expression, columns, y) if math.isfinite(mean) else math.inf


def robustly_fitted(
    expression: sp.Expr, columns: Columns, y: Array, loss: str, weights: Array | None = None
) -> RobustFit:
    """A formula fitted to `y` [rows] by the loss of this name, from `weights` [rows] that are known, or all alike.

    Least squares by weights that are chosen anew (Holland and Welsch 1977, Comm. Stat. A6), with the scale of the
    median; the scale is 0 where the formula leaves nothing but rounding.
    """
    weights = np.ones_like(y) if weights is None else weights
    scale = 0.0
    for _ in range(AGAIN):
        expression = polished(expression, columns, y, np.sqrt(weights))
        off = y - evaluate(expression, columns)
        scale = scale_of(off, len(constants_of(expression)))
        if not scale > 0 or is_rounding(squares(expression, columns, y), y):
            return RobustFit(expression, weights, 0.0)
        raw = weights_at(off / scale, loss)
        before, weights = weights, raw / raw.mean()
        if np.abs(weights - before).max() < SETTLED:
            break
    return RobustFit(expression, weights, scale)
