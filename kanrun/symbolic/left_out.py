"""How far off a form is on rows that its constants have not seen, without fitting it again: by leverages."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import relative_loss
from kanrun.symbolic.constants import MOST, Columns, constants_of, jacobian, sizes_of

LARGEST = 0.99  # leverage of a row that alone decides a constant
UNTOLD = 1e-6  # part of what all rows tell of a constant that is next to nothing


def leverages(slopes: Array) -> Array:
    """The part of each row in its own prediction [rows], by the derivatives by the constants [rows, constants]."""
    return np.minimum(leverages_in(directions(slopes)), LARGEST)


def leverages_in(moved: Array) -> Array:
    """The same, up to 1, by the `directions` in which the constants move the values."""
    return np.asarray((moved**2).sum(axis=1))


def directions(slopes: Array) -> Array:
    """Orthonormal directions in which the constants move the values, by the same derivatives: [rows, directions]."""
    scaled = slopes / np.maximum(sizes_of(slopes), np.finfo(np.float64).tiny)
    if not scaled.shape[1] or not np.isfinite(scaled).all():
        return np.zeros((len(slopes), 0))
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    rank = sizes > len(slopes) * np.finfo(np.float64).eps * sizes[0]
    return np.asarray(left[:, rank])


def directions_of(expression: sp.Expr, columns: Columns, factors: Array | float, rows: int) -> Array:
    """The same of a form, where errors count times the `factors` of so many rows."""
    own = np.broadcast_to(np.asarray(factors, dtype=np.float64), (rows,))
    return directions(own[:, None] * slopes_of(expression, columns))


def rows_alone(moved: Array) -> Array:
    """The places of the rows each of which `decides_alone`."""
    return np.flatnonzero(1 - leverages_in(moved) < UNTOLD)


def decides_alone(part: Array, moved: Array) -> bool:
    """Whether the other rows tell next to nothing of some constants, by the `directions` that these move the values."""
    own = moved[part]
    return bool(own.size and 1 - np.linalg.norm(own, ord=2) ** 2 < UNTOLD)


def left_out_loss(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """The mean squared error times `weights` of the rows, each predicted with constants fitted to the others.

    To first order in the constants (Allen 1974, Technometrics 16, eq. 2.3), which is exact where the form is linear in
    them; they must be at their best already. A row that alone decides constants is `unfounded`.
    """
    off = weights * (evaluate(expression, columns) - y)
    if not np.isfinite(off).all():
        return float("inf")
    moved = directions_of(expression, columns, weights, len(y))
    squares = (off / (1 - np.minimum(leverages_in(moved), LARGEST))) ** 2
    return float(np.mean(np.maximum(squares, unfounded(off, y, weights, moved))))


def founded_loss(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """The mean squared error times `weights` of the rows, to which those are added that are `unfounded`."""
    off = weights * (evaluate(expression, columns) - y)
    if not np.isfinite(off).all():
        return float("inf")
    return float(np.mean(off**2 + unfounded(off, y, weights, directions_of(expression, columns, weights, len(y)))))


def unfounded(off: Array, y: Array, weights: Array | float, moved: Array) -> Array:
    """Squares by which rows would be missed that alone decide constants, which they meet whatever they are: [rows].

    What is expected without such a row, sigma^2 / (1 - h) with its leverage h and the variance sigma^2 of the residuals
    `off`, but no more than it lies from the mean of all; 0 of other rows. `moved` are the `directions` of the form.
    """
    leverage = leverages_in(moved)
    alone = leverage > LARGEST
    if not alone.any():
        return np.zeros(len(y))
    own = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape)
    apart = (own * (y - np.average(y, weights=own**2))) ** 2
    variance = float(off @ off) / max(len(y) - moved.shape[1], 1)
    return np.where(alone, np.minimum(variance / np.maximum(1 - leverage, np.finfo(np.float64).eps), apart), 0.0)


def left_out_relative_loss(expression: sp.Expr, columns: Columns, y: Array) -> float:
    """The same of errors relative to the values, in the unit of symbolic.compare.relative_loss."""
    ours = evaluate(expression, columns)
    there = y != 0
    loss = relative_loss(ours, y)
    if not np.isfinite(loss) or not loss > 0:
        return loss
    slopes = (slopes_of(expression, columns) / ours[:, None])[there]
    off = np.log(np.abs(ours[there] / y[there]))
    return loss * float(np.mean((off / (1 - leverages(slopes))) ** 2) / np.mean(off**2))


def slopes_of(expression: sp.Expr, columns: Columns) -> Array:
    """The derivatives by its decimals [rows, constants]; none of too many."""
    constants = constants_of(expression)
    return jacobian(expression, constants if len(constants) <= MOST else [], columns)
