"""Rows that lie too far from a formula to belong to the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import sympy as sp
from scipy.special import ndtri

from kanrun.data.dataset import Dataset
from kanrun.data.robust import STUDENT, scale_of
from kanrun.errors import listed
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.polishing import is_rounding
from kanrun.symbolic.robust_fit import robustly_fitted
from kanrun.symbolic.values import columns_of, factors_of_errors

FAR = 4.0  # robust standard deviations from which a row may be one
CHANCE = 0.01  # of naming any row where errors are normal
FEW = 12.0  # over the degrees of freedom: by this part the scale of few rows is off, and a row has to be farther
LEAST_FREE = 6  # degrees of freedom without which nothing is said
MOST = 0.2  # part of the rows that may be outliers: more are a law of their own
SHARED = 0.5  # part of what a row is off that its neighbours may be
MOST_NAMED = 10  # rows in a message
NEAR, MOST_NEAR = 6, 4000  # neighbours of a row, and rows up to which neighbours are looked at


def outliers_of(expression: sp.Expr, j: int, data: Dataset) -> list[int]:
    """The numbers of the training rows that lie too far from the formula of output `j`; none of classes.

    How far is reckoned in the errors that the user or the rows have told; a robust loss knows one size of them. Where
    all rows count alike, the formula is fitted robustly first, as outliers draw least squares to them.
    """
    if not data.loss.least_squares:
        return []
    columns, y = columns_of(data.train.x, data.inputs), data.train.y[:, j].double().cpu().numpy()
    ours = evaluate(expression, columns)
    off = y - ours
    if is_rounding(float(off @ off), y):
        return []
    if data.recognized.get("logarithmic") and (y * ours > 0).all():
        off = np.log(y / ours)  # of large relative errors this is normal, and the errors themselves are not
    elif not data.robust and data.train.weights is not None:
        off = factors_of_errors(data) * off
    elif not data.robust and far_rows(off, data.train.x.double().cpu().numpy(), len(constants_of(expression))):
        off = y - evaluate(robustly_fitted(expression, columns, y, STUDENT).expression, columns)
    return row_numbers(data, far_rows(off, data.train.x.double().cpu().numpy(), len(constants_of(expression))))


def row_numbers(data: Dataset, places: Iterable[int]) -> list[int]:
    """What the training rows in these places are called: their numbers in the user's file, from 1."""
    numbers = data.train.numbers
    return [int(k) + 1 if numbers is None else int(numbers[k]) for k in places]


def far_rows(off: Array, x: Array, constants: int) -> list[int]:
    """Places of the rows that lie `off` [rows] much farther than the others, where so many constants were fitted.

    The scale is that of the median (Huber 1964). A row whose neighbours in `x` [rows, inputs] are as far off on the
    same side is none: there the formula is wrong, not the row.
    """
    free = len(off) - constants
    if free < LEAST_FREE or not np.isfinite(off).all():
        return []
    scale = scale_of(off, constants)
    if not scale > 0:
        return []
    limit = max(FAR, float(-ndtri(CHANCE / (2 * len(off))))) * (1 + FEW / free) * scale
    far = np.flatnonzero(np.abs(off) > limit)
    if not 0 < len(far) <= MOST * len(off):
        return []
    return [int(k) for k in far if is_alone(int(k), off, x)]


def rows_in_words(numbers: Sequence[int]) -> str:
    """rows 4, 17, 23 by their numbers, of many the first ten."""
    return f"row{'s' * (len(numbers) > 1)} {listed(numbers, MOST_NAMED)}"


def is_alone(row: int, off: Array, x: Array) -> bool:
    """Whether the neighbours of a row are off by less than half as much, in their median, on the same side."""
    if len(x) > MOST_NEAR or len(x) <= NEAR:
        return True
    spread = np.std(x, axis=0)
    apart = (((x - x[row]) / np.where(spread > 0, spread, 1.0)) ** 2).sum(axis=1)
    apart[row] = math.inf
    near = np.argsort(apart, kind="stable")[:NEAR]
    return bool(float(np.median(off[near])) / off[row] < SHARED)
