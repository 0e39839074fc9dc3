"""Whether the errors of targets are of one size, grow with the targets, or are those of counts, by their likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import relative_loss
from kanrun.symbolic.constants import Columns, constants_of
from kanrun.symbolic.description import description_at
from kanrun.symbolic.polishing import is_rounding, polished, squares
from kanrun.symbolic.relative_errors import is_refuted

CONSTANT, PROPORTIONAL, POISSON = "constant", "proportional", "poisson"
CLEAR = 6.0  # bits by which one model of errors describes the rows shorter than the others before it is believed
FREE = 4  # rows, beyond the constants, from which anything can be said
FITS = 4  # of a formula under a model whose sizes of errors follow from the formula
SMALLEST = 1e-6  # part of the largest value that the size of an error is reckoned from at least


@dataclass(frozen=True)
class Errors:
    """How large the errors of the rows are: by their `model`.

    It describes the rows by `bits` shorter than errors of one size do; where they are of one size, than the next model.

    `size` is the standard deviation of an error: in the unit of the target, as part of the value, or, for Poisson, the
    variance over the value, which is 1 of counts. `expression` is the formula that says so, `weights` [rows] are those
    of the rows under the model, with a mean of 1; `logarithmic` says that errors of the logarithm are of one size.
    """

    model: str
    bits: float
    size: float
    expression: sp.Expr
    weights: Array
    logarithmic: bool = False

    @property
    def clear(self) -> bool:
        """Whether the rows leave no doubt."""
        return CLEAR <= self.bits < math.inf

    def standardized(self, columns: Columns, y: Array) -> Array:
        """What the formula leaves of `y` [rows], in units that are alike for all rows."""
        ours = evaluate(self.expression, columns)
        off: Array = np.log(np.abs(y / ours)) if self.logarithmic else np.sqrt(self.weights) * (y - ours)
        return off


@dataclass(frozen=True)
class Fitted:
    """A formula with the constants that suit a model of errors: bits of the rows by both, and the weights then."""

    model: str
    bits: float
    size: float
    expression: sp.Expr
    weights: Array
    logarithmic: bool = False


def errors_of(expressions: Sequence[sp.Expr], columns: Columns, y: Array) -> Errors | None:
    """The model of errors under which the rows have the shortest description by one of these formulas.

    The likelihoods of the models are densities of the same targets, so that their description lengths can be compared
    (Box and Cox 1964; Carroll and Ruppert 1988, Transformation and Weighting in Regression). Each formula is fitted
    under each model; relative errors that the largest rows refute are not counted. None where a formula leaves nothing
    but rounding, or there are too few rows.
    """
    best = dict[str, Fitted]()
    for expression in expressions:
        if is_rounding(squares(expression, columns, y), y):
            return None
        if len(y) < FREE + len(constants_of(expression)):
            continue
        for found in fits_of(expression, columns, y):
            if found.bits < (best[found.model].bits if found.model in best else math.inf):
                best[found.model] = found
    if CONSTANT not in best:
        return None
    first, *others = sorted(best.values(), key=lambda found: found.bits)
    if first.model == PROPORTIONAL and is_refuted(first.expression, columns, y):
        first, *others = others
    if not others:
        return None
    against = others[0] if first.model == CONSTANT else best[CONSTANT]
    bits = against.bits - first.bits
    return Errors(first.model, bits, first.size, first.expression, first.weights, first.logarithmic)


def fits_of(expression: sp.Expr, columns: Columns, y: Array) -> Iterator[Fitted]:
    """A formula fitted under each model of errors that the targets allow."""
    ours = evaluate(expression, columns)
    one_sign = bool((y > 0).all() and (ours > 0).all()) or bool((y < 0).all() and (ours < 0).all())
    yield fitted(CONSTANT, lambda f, _: np.ones_like(f), expression, columns, y)
    yield fitted(PROPORTIONAL, lambda f, _: floored(f) ** -2, expression, columns, y)
    if one_sign:
        yield fitted(PROPORTIONAL, of_logarithms, expression, columns, y, logarithmic=True)
    if (y >= 0).all() and (y > 0).any():
        yield fitted(POISSON, lambda f, _: 1 / floored(np.maximum(f, 0.0)), expression, columns, y)


def floored(sizes: Array) -> Array:
    """The sizes of values, none of which is nothing beside the others."""
    own = np.abs(sizes)
    return np.maximum(own, SMALLEST * float(own.max(initial=0.0)) + np.finfo(np.float64).tiny)


def of_logarithms(ours: Array, y: Array) -> Array:
    """Weights under which squared errors are least where those of the logarithm are, once they no longer change."""
    ratio = np.maximum(y / np.where(ours == 0, np.nan, ours), np.finfo(np.float64).tiny)
    off = np.where(np.abs(ratio - 1) < 1e-4, 1 - (ratio - 1) / 2, np.log(ratio) / np.where(ratio == 1, 1, ratio - 1))
    weights: Array = np.nan_to_num(off, nan=1e-12) / floored(ours) ** 2
    return weights


def fitted(
    model: str, weigh: Callable[[Array, Array], Array], expression: sp.Expr, columns: Columns, y: Array,
    logarithmic: bool = False,
) -> Fitted:  # fmt: skip
    """A formula fitted under a model by iteratively reweighted least squares, with its bits.

    `weigh` gives weights [rows] from the values of the formula and the targets.
    """
    with np.errstate(all="ignore"):
        for step in range(2 if model == CONSTANT else FITS):
            ours = evaluate(expression, columns)
            raw = weigh(ours, y)
            weights = raw / raw.mean()
            if not (np.isfinite(weights).all() and np.isfinite(ours).all() and (weights > 0).all()):
                return Fitted(model, math.inf, math.nan, expression, np.ones_like(y))
            if step < FITS - 1 and not (model == CONSTANT and step):
                expression = polished(expression, columns, y, np.sqrt(weights))
        off = np.log(np.abs(y / ours)) if logarithmic else np.sqrt(raw) * (ours - y)
        loss = relative_loss(ours, y) if logarithmic else likely_loss(raw, ours - y)
    size = math.sqrt(float(np.mean(off**2)))
    bits = description_at(loss, expression, columns, y) if math.isfinite(loss) else math.inf
    return Fitted(model, bits, size**2 if model == POISSON else size, expression, weights, logarithmic)


def likely_loss(raw: Array, off: Array) -> float:
    """The squared error that errors of one size would have that are as likely as `off` [rows] with variances 1 / raw.

    The weighted mean square times the geometric mean of the variances: the likelihood depends on this alone once the
    common factor of the variances is at its best.
    """
    return float(np.mean(raw * off**2)) * math.exp(-float(np.mean(np.log(raw))))
