"""How far the training rows determine the constants of a formula: a standard error each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import MOST, SINGULAR, Columns, constants_of, jacobian, sizes_of
from kanrun.symbolic.polishing import is_rounding

TOUCHED = 1e-5  # share of a constant in such directions that makes it undetermined


@dataclass(frozen=True)
class Constant:
    """A decimal constant of a formula.

    `standard_error` is None where the rows do not determine it, and 0 where they show no noise at all; `unit` makes
    both sides of the formula agree, None where that is not known; `perhaps` is a simple number that it may be.
    """

    value: float
    standard_error: float | None
    unit: str | None = None
    perhaps: str | None = None


@dataclass(frozen=True)
class Spread:
    """(J^T J)^-1 for J [equations, constants], as far as J determines the constants.

    `matrix` [constants, constants] is the pseudo-inverse, `lost` [directions, constants] are combinations of slopes
    that J says nothing about: what depends on one of them is not determined. `rank` is that of J.
    """

    matrix: Array
    lost: Array
    touched: list[bool]  # constants with a share in a lost direction
    rank: int


def spread_of(slopes: Array) -> Spread | None:
    """What the slopes [equations, constants] say of the constants; None where they are 0, or say nothing finite."""
    sizes = sizes_of(slopes)
    if not sizes.any() or not np.isfinite(sizes).all():
        return None
    scale = np.where(sizes > 0, sizes, 1.0)
    _, singular, directions = np.linalg.svd(slopes / scale, full_matrices=len(slopes) < len(sizes))
    singular = np.concatenate([singular, np.zeros(len(directions) - len(singular))])
    known = singular > SINGULAR * singular[0]
    lost = directions[~known]
    touched = ((lost**2).sum(0) > TOUCHED**2).tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        half = directions[known] / singular[known, None] / scale
        matrix = half.T @ half
    return Spread(matrix, lost / scale, touched, int(known.sum())) if np.isfinite(matrix).all() else None


def standard_errors(slopes: Array) -> tuple[list[float | None], int]:
    """Roots of the diagonal of (J^T J)^-1 for J = `slopes` [equations, constants], and the rank of J.

    The pseudo-inverse is taken where constants are redundant; those that share in a redundant direction get None.
    """
    spread = spread_of(slopes)
    if spread is None:
        return [None] * slopes.shape[1], 0
    errors = np.sqrt(np.diagonal(spread.matrix))
    return [None if gone else float(e) for e, gone in zip(errors, spread.touched, strict=True)], spread.rank


@dataclass(frozen=True)
class Estimate:
    """The constants of a formula, and how their errors go together: what the error of its values follows from.

    `covariance` [constants, constants] is None where it is not known; a value whose slopes have a part along one of
    `undetermined` [directions, constants] is not determined by the rows. `reduced` is chi square over the degrees of
    freedom where the errors of the rows are known, and about 1 where the formula leaves nothing but these.
    """

    constants: list[Constant]
    covariance: list[list[float]] | None = None
    undetermined: list[list[float]] = field(default_factory=list)
    reduced: float | None = None


def of_values(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> list[Constant]:
    """The constants of a formula for `y` [rows] with their errors by `estimate`."""
    return estimate(expression, columns, y, weights).constants


def estimate(
    expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0, noise: float | None = None,
    absolute: bool = False,
) -> Estimate:  # fmt: skip
    """The constants of a formula for `y` [rows] with the covariance of least squares: s^2 (J^T J)^-1.

    s^2 is the squared error over rows less determined constants. Where it is nothing but rounding the rows show no
    noise, and the errors are 0; without more rows than constants noise cannot be told from signal, and they are None.
    Errors count times the `weights` of their rows. Where the variance of an error of weight 1 is known, it is `noise`,
    which is taken for s^2 where errors are `absolute` (as by scipy.optimize.curve_fit with absolute_sigma).
    """
    constants = constants_of(expression)
    unknown = Estimate([Constant(float(f), None) for f in constants])
    if len(constants) > MOST:
        return unknown
    rows = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape)
    residuals = rows * (evaluate(expression, columns) - y)
    slopes = rows[:, None] * jacobian(expression, constants, columns)
    kept = np.isfinite(residuals) & np.isfinite(slopes).all(1)
    residuals, slopes = residuals[kept], slopes[kept]
    spread, squares = spread_of(slopes), float(residuals @ residuals)
    free = len(residuals) - (spread.rank if spread else 0)
    if noise and free > 0 and math.isfinite(squares):
        unknown = replace(unknown, reduced=squares / free / noise)
    absolute = absolute and noise is not None
    if spread is None or not (free > 0 or absolute):
        return unknown
    if absolute:
        variance = noise or 0.0
    else:
        variance = 0.0 if is_rounding(squares, (rows * y)[kept]) else squares / free
    matrix = variance * spread.matrix
    errors = [
        None if gone else math.sqrt(v) for v, gone in zip(np.diagonal(matrix).tolist(), spread.touched, strict=True)
    ]
    known = [Constant(float(f), e) for f, e in zip(constants, errors, strict=True)]
    return Estimate(known, matrix.tolist(), spread.lost.tolist(), unknown.reduced)


def errors_of_values(
    expression: sp.Expr, columns: Columns, covariance: list[list[float]], undetermined: list[list[float]]
) -> Array:
    """Standard errors of the values of a formula at the rows of `columns`, [rows]: sqrt(g^T C g) for its slopes g.

    The delta method: to first order in the errors of the constants, for the form as it is, without the noise of a
    single measurement. NaN where a value depends on what the rows do not determine. Raises ValueError where the
    covariance is not that of its constants.
    """
    constants = constants_of(expression)
    matrix = np.asarray(covariance, dtype=np.float64)
    lost = np.asarray(undetermined, dtype=np.float64).reshape(-1, len(constants))
    if matrix.shape != (len(constants), len(constants)):
        raise ValueError("the covariance is that of other constants")
    slopes = jacobian(expression, constants, columns)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.sqrt(np.maximum(np.einsum("rp,pq,rq->r", slopes, matrix, slopes), 0.0))
        along, sizes = np.abs(slopes @ lost.T), np.abs(slopes) @ np.abs(lost).T
        return np.where((along > TOUCHED * sizes).any(1), np.nan, errors)


def of_classes(logits: list[sp.Expr], columns: Columns, weights: Array | float = 1.0) -> list[list[Constant]]:
    """The constants of the logits of classes, with errors by the Fisher information of all of them together.

    Rows count by the squares of their `weights`. Only differences of logits matter, so a constant added to each of them
    is not determined.
    """
    constants = [constants_of(e) for e in logits]
    unknown = [[Constant(float(f), None) for f in group] for group in constants]
    total = sum(map(len, constants))
    if not 0 < total <= MOST:
        return unknown
    values = np.stack([evaluate(e, columns) for e in logits], axis=1)
    slopes = np.zeros((*values.shape, total))
    starts = np.cumsum([0, *map(len, constants)])
    for k, (expression, group) in enumerate(zip(logits, constants, strict=True)):
        slopes[:, k, starts[k] : starts[k + 1]] = jacobian(expression, group, columns) if group else 0.0
    kept = np.isfinite(values).all(1) & np.isfinite(slopes).all((1, 2))
    own = np.broadcast_to(np.asarray(weights, dtype=np.float64), kept.shape)[kept]
    values, slopes = values[kept], slopes[kept]
    odds = np.exp(values - values.max(1, keepdims=True, initial=-np.inf))
    root = np.sqrt(odds / odds.sum(1, keepdims=True))
    # diag(p) - p p^T = A A^T with A = diag(sqrt p) - p sqrt(p)^T
    weighted = (own[:, None] * root)[:, :, None] * (slopes - np.einsum("nk,nkp->np", root**2, slopes)[:, None, :])
    errors, _ = standard_errors(weighted.reshape(-1, total))
    return [
        [Constant(float(f), e) for f, e in zip(group, errors[start:], strict=False)]
        for group, start in zip(constants, starts, strict=False)
    ]
