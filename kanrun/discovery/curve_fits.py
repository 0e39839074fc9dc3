"""Curves of one input fitted to rows: many beginnings at once, then the best ones by variable projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.functions.curves import CURVES, Curve, Span, X
from kanrun.functions.evaluate import Array
from kanrun.functions.parser import symbol as input_called
from kanrun.symbolic.constants import Columns
from kanrun.symbolic.description import description
from kanrun.symbolic.expression import number
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.snap import is_sound

SCREENED, REFINED = 150, 400  # rows by which beginnings are chosen, and by which curves are
BEGINNINGS, MOST = 3, 40  # of a curve that are refined, and evaluations of each
ROWS = 2  # that there must be for each constant
LARGEST = 1e100  # values of shapes whose squares are still numbers
SCREENING = 25.0  # units of work of a curve
ROUNDING = 1e-24  # part of the spread that is left where nothing is
HOPELESS = 300.0  # bits, more than any curve has for its form and its constants
RIDGE = 1e-12  # part of the largest curvature
DIFFERENCE = 1.5e-8  # part of a constant by which it moves for a slope

Rows = tuple[Array, Array, Array]  # of an input, targets and weights


@dataclass(frozen=True)
class Found:
    """A curve as an expression, and the bits of the rows by it."""

    name: str
    expression: sp.Expr
    bits: float


@dataclass(frozen=True)
class Fitted:
    """A curve with its constants, and the squared error that it leaves of the rows, as a part of their spread."""

    curve: Curve
    constants: Array
    unexplained: float

    def expression(self, x: Array, y: Array, weights: Array, symbol: sp.Symbol) -> sp.Expr | None:
        """The curve of a symbol with these constants and the best factors; None where it has no value."""
        factors = projected(self.curve, self.constants, x, y, weights)[0]
        given = {c: number(float(v)) for c, v in zip(self.curve.constants, self.constants, strict=True)}
        terms = [
            number(float(f)) * s.xreplace({**given, X: symbol}) for f, s in zip(factors, self.curve.shapes, strict=True)
        ]
        whole = sp.factor_terms(sp.Add(*terms))
        return whole if is_sound(whole) and whole.free_symbols else None


def best_curves(
    columns: Columns,
    name: str,
    y: Array,
    weights: Array,
    known: Callable[[sp.Expr], bool],
    context: Context = UNLIMITED,
) -> list[Found]:
    """The curves of the input `name` that describe `y` [rows] shortest, best first, by `fits_of_curves`."""
    return found_of(fits_of_curves(columns[name], y, weights, known, context), columns, name, y, weights)


def fits_of_curves(
    x: Array, y: Array, weights: Array, known: Callable[[sp.Expr], bool], context: Context = UNLIMITED
) -> list[Fitted]:
    """All curves of an input fitted to `y` [rows].

    Errors count times `weights` [rows]. Only those whose shapes are `known`, with two rows or more for each constant,
    and positive ones for inputs that are not below 0. Factors are solved for (variable projection, Golub and Pereyra
    1973, SIAM J. Numer. Anal. 10(2)).
    """
    span, rows = Span.of(x), sampled(x, y, weights)
    found = []
    for curve in CURVES:
        if (curve.positive and span.low < 0) or not all(map(known, curve.shapes)):
            continue
        if context.over():
            break
        context.spend(SCREENING)
        for variant in curve.variants():
            best = best_fit(variant, np.array(list(variant.starts(span)), dtype=np.float64), *rows)
            if best is not None:
                found.append(best)
    return found


def best_fit(curve: Curve, starts: Array, x: Array, y: Array, weights: Array) -> Fitted | None:
    """A curve fitted from the best of these `starts` [starts, constants] to rows that are `sampled`.

    None where there are too few rows for its constants, or where it has no value.
    """
    if ROWS * (len(curve.shapes) + len(curve.constants)) > len(x):
        return None
    few = slice(SCREENED)
    fits = [refined(curve, c, x, y, weights) for c in beginnings(curve, starts, x[few], y[few], weights[few])]
    best = min(fits, key=lambda fit: fit.unexplained, default=None)
    return best if best is not None and np.isfinite(best.unexplained) else None


def sampled(x: Array, y: Array, weights: Array) -> Rows:
    """So many rows as curves are fitted to, in an order by chance."""
    chosen = np.random.default_rng(0).permutation(len(x))[:REFINED]
    return x[chosen], y[chosen], weights[chosen]


def found_of(fits: list[Fitted], columns: Columns, name: str, y: Array, weights: Array) -> list[Found]:
    """Fitted curves of an input as expressions with the bits of the rows by each, best first."""
    x, symbol = columns[name], input_called(name)
    named = [(fit.curve.name, fit.expression(x, y, weights, symbol)) for fit in within_reach(fits, len(x))]
    return described([(n, e) for n, e in named if e is not None], columns, y, weights)


def within_reach(fits: list[Fitted], rows: int) -> list[Fitted]:
    """Those whose errors, of so many rows or fewer, cost few enough bits more than the least ones to be chosen."""
    least = max(min((fit.unexplained for fit in fits), default=0.0), ROUNDING)
    rows = min(rows, REFINED)
    return [fit for fit in fits if 0.5 * rows * math.log2(max(fit.unexplained, ROUNDING) / least) < HOPELESS]


def described(named: list[tuple[str, sp.Expr]], columns: Columns, y: Array, weights: Array) -> list[Found]:
    """Expressions with the bits of the rows by each, those with a value on every row."""
    found = [Found(name, e, description(e, columns, y, weights)) for name, e in named]
    return sorted((f for f in found if np.isfinite(f.bits)), key=lambda f: f.bits)


def power_laws(columns: Columns, y: Array, weights: Array) -> list[Found]:
    """A constant times powers of all inputs, with a level and without, for inputs above 0 and values of one sign.

    Begun by linear least squares of the logarithms.
    """
    inputs = {name: x for name, x in columns.items() if (x > 0).all() and np.ptp(x) > 0}
    sign = float(np.sign(y[0]))
    if not inputs or not (sign * y > 0).all() or ROWS * (len(inputs) + 2) > len(y):
        return []
    design = np.stack([np.ones(len(y)), *(np.log(x) for x in inputs.values())], axis=1)
    constant, *exponents = np.linalg.lstsq(design, np.log(sign * y), rcond=None)[0].tolist()
    powers = [input_called(n) ** number(p) for n, p in zip(inputs, exponents, strict=True)]
    whole = number(sign * math.exp(constant)) * sp.Mul(*powers)
    level = number(float(0.1 * np.abs(y).min()))
    named = [("powers", whole), ("powers and a level", level + whole)]
    return described([(n, polished(e, columns, y, weights)) for n, e in named if is_sound(e)], columns, y, weights)


@lru_cache(maxsize=256)
def compiled(curve: Curve) -> Callable[..., Any]:
    """The shapes as a function of the input and the constants, which may be arrays of any shapes."""
    return sp.lambdify([X, *curve.constants], list(curve.shapes), "numpy")


def shapes_at(curve: Curve, constants: Array, x: Array) -> Array:
    """The shapes at `x` [rows] for many `constants` [beginnings, constants]: [beginnings, rows, shapes]."""
    with np.errstate(all="ignore"):
        values = compiled(curve)(x[None, :], *(c[:, None] for c in constants.T))
    result = np.empty((len(constants), len(x), len(values)))
    for n, value in enumerate(values):
        result[:, :, n] = value
    return result


def beginnings(curve: Curve, starts: Array, x: Array, y: Array, weights: Array) -> list[Array]:
    """The best of these `starts` [starts, constants] to begin with."""
    if not curve.constants:
        return [np.zeros(0)]
    design = weights[None, :, None] * shapes_at(curve, starts, x)
    usable = (np.abs(design) < LARGEST).all((1, 2))
    starts, design = starts[usable], design[usable]
    if not len(starts):
        return []
    sizes = np.linalg.norm(design, axis=1, keepdims=True)
    design = design / np.where(sizes > 0, sizes, 1.0)
    gram = np.einsum("brs,brt->bst", design, design) + RIDGE * np.eye(design.shape[2])
    target = weights * y
    factors = np.linalg.solve(gram, np.einsum("brs,r->bs", design, target)[..., None])
    left = ((target[None] - (design @ factors)[..., 0]) ** 2).sum(1)
    return [starts[k] for k in np.argsort(left)[:BEGINNINGS]]


def projected(curve: Curve, constants: Array, x: Array, y: Array, weights: Array) -> tuple[Array, Array]:
    """The factors of the shapes, and what they leave of the weighted targets: [shapes], [rows]."""
    design = weights[:, None] * shapes_at(curve, np.asarray(constants)[None], x)[0]
    if not (np.abs(design) < LARGEST).all():
        return np.zeros(design.shape[1]), np.full(len(x), 1e3) * np.abs(weights * y).max()
    sizes = np.sqrt((design**2).sum(0))
    sizes = np.where(sizes > 0, sizes, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):  # of shapes that are next to nothing
        factors = np.linalg.lstsq(design / sizes, weights * y, rcond=1e-14)[0] / sizes
        return factors, weights * y - design @ factors


def slopes_of_left(curve: Curve, constants: Array, scale: Array, factors: Array, x: Array, weights: Array) -> Array:
    """Slopes of what `projected` leaves, by constants in units of `scale`: [rows, constants].

    The shapes' own slopes, which are differences, with the `factors` as they are, and without what other factors would
    take back (Kaufman 1975, BIT 15).
    """
    moved = scale * DIFFERENCE * np.maximum(1.0, np.abs(constants / scale))
    there = shapes_at(curve, np.vstack([constants, constants + np.diag(moved)]), x)
    design = weights[:, None] * there[0]
    slopes = weights[:, None] * ((there[1:] - there[0]) @ factors).T * (scale / moved)
    if not (np.abs(design) < LARGEST).all() or not (np.abs(slopes) < LARGEST).all():
        return np.zeros((len(x), len(constants)))
    sizes = np.sqrt((design**2).sum(0))
    basis = np.linalg.qr(design / np.where(sizes > 0, sizes, 1.0))[0]
    return basis @ (basis.T @ slopes) - slopes


def refined(curve: Curve, start: Array, x: Array, y: Array, weights: Array) -> Fitted:
    """The curve with constants at the least squared error near where they begin."""
    from scipy.optimize import leastsq  # a quarter of a second that no run needs before it searches curves

    scale = np.where(start != 0, np.abs(start), 1.0)
    size = float(np.linalg.norm(weights * (y - np.average(y, weights=weights**2)))) or 1.0
    if not len(start):
        return Fitted(curve, start, float(np.sum((projected(curve, start, x, y, weights)[1] / size) ** 2)))

    reached: list[Array] = []  # the constants last seen, and their factors: slopes are asked for where values were

    def left(steps: Array) -> Array:
        constants = start + scale * steps
        factors, rest = projected(curve, constants, x, y, weights)
        reached[:] = constants, factors
        return rest / size

    def slopes(steps: Array) -> Array:
        constants = start + scale * steps
        if not np.array_equal(constants, reached[0]):
            left(steps)
        return slopes_of_left(curve, constants, scale, reached[1], x, weights) / size

    try:
        with np.errstate(all="ignore"):
            # SciPy's least_squares goes by MINPACK too, and takes as long again for all that it does around it.
            steps, _, end, *_ = leastsq(
                left, np.zeros(len(start)), Dfun=slopes, full_output=True, maxfev=MOST, xtol=1e-12, ftol=1e-12,
                gtol=1e-14,
            )  # fmt: skip
    except (ValueError, np.linalg.LinAlgError):
        return Fitted(curve, start, float("inf"))
    unexplained = float(end["fvec"] @ end["fvec"])
    return Fitted(curve, start + scale * steps, unexplained if math.isfinite(unexplained) else math.inf)
