"""Whether values are those of a formula: row by row, relative to their size; and whether a formula is the truth."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from kanrun.functions.algebra import is_zero
from kanrun.functions.evaluate import Array, evaluate

POINTS, WIDER, AGREEMENT = 4000, 1.5, 1e-9
ROUNDED = 1e-11  # how near the formula of rows comes to them once its constants are at their best
CANCELLED = 1e-13  # part of the largest value that differences may be off by
DIGITS_LOST = 8.0  # times the rounding of a value, which is still rounding
NOTHING = 1e-300  # what is left where numbers end
DECADES = 3.0  # between the 2nd and the 98th percentile of values that are judged relative to their size
FEW = 0.1  # part of the rows that may be zero where the others are
RELATIVE_LEAST = 1e-6


def sizes(y: Array) -> Array:
    """What errors of the values `y` [rows] are held against: their size, or their spread where that is smaller.

    Rows of less than a millionth of the largest count as if they had this size: they may be differences of larger ones.
    """
    largest = float(np.abs(y).max(initial=0.0))
    if not largest > 0:
        return np.ones_like(y)
    own = np.minimum(np.abs(y), largest * float(np.std(y / largest)) or largest)
    return np.maximum(own, RELATIVE_LEAST * float(own.max()))


def agrees(ours: Array, theirs: Array, nearest: float = AGREEMENT) -> bool:
    """Whether two sets of values [rows] are the same but for rounding, row by row, relative to what `sizes` says.

    Large rows must come as near as `nearest`; small ones, which may be differences of large ones, to AGREEMENT.
    """
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return False
    own = sizes(theirs)
    lost = np.minimum(AGREEMENT * own, CANCELLED * own.max(initial=0.0))
    last = DIGITS_LOST * np.finfo(np.float64).eps * np.abs(theirs) + NOTHING
    return bool((np.abs(ours - theirs) <= np.maximum(np.maximum(nearest * own, lost), last)).all())


def has_digits(y: Array) -> bool:
    """Whether the values `y` [rows] differ by so much that rounding leaves all digits that `agrees` asks for."""
    return bool(DIGITS_LOST * np.finfo(np.float64).eps * float(np.abs(y).max()) <= AGREEMENT * float(sizes(y).max()))


def weights_by_size(y: Array) -> Array:
    """Weights [rows] by which errors of the values `y` become relative to what `sizes` says."""
    return 1 / sizes(y)


def relative_weights(y: Array) -> Array:
    """Weights [rows] by which errors of the values `y` become relative to them alone; 0 where they are 0."""
    there = np.abs(y) > np.finfo(np.float64).tiny
    return np.where(there, 1 / np.where(there, np.abs(y), 1.0), 0.0)


def over_decades(y: Array) -> bool:
    """Whether the values `y` [rows] are of one sign and of so many sizes that squared errors see the largest only."""
    there = y[y != 0]
    if len(there) < (1 - FEW) * len(y) or not (np.all(there > 0) or np.all(there < 0)):
        return False
    low, high = np.quantile(np.log10(np.abs(there)), (0.02, 0.98))
    return bool(high - low > DECADES)


def relative_loss(ours: Array, y: Array) -> float:
    """The squared error that the relative errors of `ours` would have if all values `y` [rows] had their typical size.

    The mean square of the difference of logarithms times the square of the geometric mean of y: in this unit errors of
    the logarithm are as likely as those of the values themselves are in theirs (a change of variables). Rows where y is
    0 say nothing; infinite where a sign is another one.
    """
    there = y != 0
    if not there.any() or not (np.sign(ours[there]) == np.sign(y[there])).all():
        return math.inf
    sizes = np.log(np.abs(y[there]))
    with np.errstate(all="ignore"):
        off = float(np.mean((np.log(np.abs(ours[there])) - sizes) ** 2))
    return off * math.exp(2 * float(sizes.mean())) if math.isfinite(off) else math.inf


def is_exact(found: sp.Expr, truth: sp.Expr, inputs: list[str], domain: list[tuple[float, float]]) -> bool | None:
    """True where `found` equals `truth` symbolically, or on fresh points, row by row, over 1.5 times the domain.

    None where the two are the same on the domain itself but not beyond it: no rows could tell. Points where either is
    not finite do not count, but at least a tenth must be left, and on the domain itself the two must be finite
    together.
    """
    if found == truth or is_zero(found - truth):
        return True
    draw = np.random.default_rng(12345)
    middle = np.array([(low + high) / 2 for low, high in domain])
    half = np.array([(high - low) / 2 for low, high in domain])
    unit = draw.uniform(-1, 1, (POINTS, len(domain)))
    for factor in (1.0, WIDER):
        points = middle + factor * half * unit
        columns = {name: points[:, i] for i, name in enumerate(inputs)}
        ours, theirs = evaluate(found, columns), evaluate(truth, columns)
        both = np.isfinite(ours) & np.isfinite(theirs)
        if factor == 1.0 and (both.mean() < 0.1 or (np.isfinite(ours) != np.isfinite(theirs)).any()):
            return False
        if both.mean() < 0.1 or not agrees(ours[both], theirs[both]):
            return False if factor == 1.0 else None
    return True
