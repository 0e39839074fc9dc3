"""How well a form does on rows that its constants have not seen, which are fitted again without each part."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array
from kanrun.symbolic.constants import MOST, Columns, Form, constants_of
from kanrun.symbolic.left_out import decides_alone, directions_of

ONE_BY_ONE, PARTS = 100, 10  # rows up to which every one is left out on its own, and parts of more rows
EVALUATIONS = 40  # of a form in a fit
TOLERANCES = {"ftol": 1e-8, "xtol": 1e-8, "gtol": 1e-8}


def cross_validated(
    expression: sp.Expr, columns: Columns, y: Array, seed: int, weights: Array | float = 1.0, scored: bool = True
) -> dict[str, float | int | None]:
    """`mse`, `rmse` and `r2` of a form for `y` [rows]: leave-one-out up to 100 rows, else ten parts drawn by the seed.

    Squared errors count by the `weights` of their rows, in the scores only where these are `scored` by them.

    Only the decimals of the form are fitted again, the form itself was chosen with all rows: the error is that of the
    constants, a little too low for the choice (Hastie, Tibshirani and Friedman, 2nd ed., sec. 7.10.2).
    """
    own = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape)
    predicted = predictions(expression, columns, y, parts(len(y), seed), own)
    if not np.isfinite(predicted).all():
        return {"mse": None, "rmse": None, "r2": None}
    own = own if scored else np.ones_like(own)
    mse = float(np.average((predicted - y) ** 2, weights=own))
    spread = float(np.average((y - np.average(y, weights=own)) ** 2, weights=own))
    return {"mse": mse, "rmse": math.sqrt(mse), "r2": 1 - mse / spread if spread > 0 else None}


def tells_of(expression: sp.Expr, columns: Columns, factors: Array | float, rows: int, seed: int) -> bool:
    """Whether a cross-validation of so many rows says anything of a form: its constants are fitted without each part.

    They stay as all rows have them where they are too many for that, or more than the rows that are left, or where the
    other rows say next to nothing of some of them. Errors count times the `factors` of the rows.
    """
    largest = 1 if rows <= ONE_BY_ONE else -(-rows // PARTS)
    if len(constants_of(expression)) > min(MOST, rows - largest):
        return False
    moved = directions_of(expression, columns, factors, rows)
    return not any(decides_alone(part, moved) for part in parts(rows, seed))


def folds_of(rows: int) -> str | int:
    """Into how many parts so many rows fall."""
    return "leave-one-out" if rows <= ONE_BY_ONE else PARTS


def parts(rows: int, seed: int) -> Iterator[Array]:
    """Which rows are left out together: numbers of rows."""
    if rows <= ONE_BY_ONE:
        yield from np.arange(rows)[:, None]
        return
    order = np.random.default_rng(seed).permutation(rows)
    yield from (np.sort(part) for part in np.array_split(order, PARTS))


def predictions(
    expression: sp.Expr, columns: Columns, y: Array, left_out: Iterator[Array], weights: Array | float = 1.0
) -> Array:
    """The form's value at every row, with its constants at the least squared error over the other rows."""
    constants = constants_of(expression)
    constants = constants if len(constants) <= MOST else []  # of too many the form is taken as it is
    form, start = Form.of(expression, constants), np.array([float(c) for c in constants])
    factors = np.sqrt(np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape))
    result = np.full(len(y), np.nan)
    for part in left_out:
        keep = np.ones(len(y), dtype=bool)
        keep[part] = False
        own = fitted(form, start, {n: v[keep] for n, v in columns.items()}, y[keep], factors[keep])
        result[part] = form.values(own, {n: v[part] for n, v in columns.items()})
    return result


def fitted(form: Form, start: Array, columns: Columns, y: Array, factors: Array | float = 1.0) -> Array:
    """The constants of a form at the least squared error, where errors count times `factors` [rows].

    Where they start if there are fewer rows than constants.
    """
    if not len(start) or len(y) < len(start):
        return start
    from scipy.optimize import leastsq  # a quarter of a second that no run needs before it has a formula

    scale = float(np.abs(factors * y).max()) or 1.0

    def residuals(steps: Array) -> Array:
        with np.errstate(all="ignore"):
            off = factors * (form.values(start * (1 + steps), columns) - y) / scale
        return np.where(np.isfinite(off), off, 1e6)

    def slopes(steps: Array) -> Array:
        with np.errstate(all="ignore"):
            by_steps = form.slopes(start * (1 + steps), columns) * start / scale
        return np.where(np.isfinite(by_steps), np.broadcast_to(factors, y.shape)[:, None] * by_steps, 0.0)

    try:
        # SciPy's least_squares goes by MINPACK too, and takes as long again for all that it does around it.
        steps = leastsq(
            residuals, np.zeros(len(start)), Dfun=slopes, full_output=True, maxfev=EVALUATIONS, **TOLERANCES
        )[0]
    except (ValueError, np.linalg.LinAlgError):
        return start
    return start * (1 + steps)
