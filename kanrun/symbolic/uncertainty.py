"""How far the training rows determine the constants of a formula: a standard error each, and their last polish."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import sympy as sp
from sympy.printing.str import StrPrinter

from kanrun.functions.evaluate import Array, Evaluation, at_rows, evaluate
from kanrun.symbolic.expression import number
from kanrun.symbolic.snap import EXACT, is_sound

MOST = 60  # constants of a formula beyond which nobody reads their errors
ROUNDING = 1e-30  # squared error of rounding itself, as part of the squared targets
SINGULAR = 1e-10  # part of the largest singular value of the scaled Jacobian below which a direction is not determined
TOUCHED = 1e-5  # share of a constant in such directions that makes it undetermined
STEPS, HALVINGS = 8, 6
NO_EFFECT = 1e-100  # part of what is missing that a constant moves by its size, or by 1, if it is left where it is
GAIN = 1e-9  # part of the squared error that polishing must win

Columns = Mapping[str, Array]


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


class _Recorder(StrPrinter):  # type: ignore[misc]
    """Notes the sizes of the decimals in the order in which the text has them; signs are the text's own."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[sp.Float] = []

    def _print_Float(self, expr: sp.Float) -> str:  # noqa: N802
        self.sizes.append(abs(expr))
        return super()._print_Float(expr)


def constants_of(expression: sp.Expr) -> list[sp.Float]:
    """The decimals of an expression in order of appearance in its text, each value once; snapped ones are none."""
    recorder = _Recorder()
    recorder.doprint(expression)
    atoms = expression.atoms(sp.Float)
    found = [f for size in recorder.sizes for f in (size, -size) if f in atoms]
    rest = sorted(atoms.difference(found), key=float)
    return list(dict.fromkeys([*found, *rest]))


@dataclass(frozen=True)
class Form:
    """An expression with parameters in the place of its constants."""

    general: sp.Expr
    names: tuple[str, ...]

    @classmethod
    def of(cls, expression: sp.Expr, constants: list[sp.Float]) -> Form:
        """The form of an expression in these of its constants."""
        names = tuple(f"constant {k}" for k in range(len(constants)))  # with a space: no input is called so
        symbols = [sp.Symbol(name, real=True) for name in names]
        return cls(expression.xreplace(dict(zip(constants, symbols, strict=True))), names)

    def given(self, constants: Array, columns: Columns) -> Columns:
        """The columns with the constants beside them."""
        return {**columns, **{n: np.asarray(c) for n, c in zip(self.names, constants.tolist(), strict=True)}}

    def values(self, constants: Array, columns: Columns) -> Array:
        """The values with these constants at every row: [rows]."""
        return evaluate(self.general, self.given(constants, columns))

    def slopes(self, constants: Array, columns: Columns) -> Array:
        """The derivatives by the constants at every row: [rows, constants]."""
        values = self.given(constants, columns)
        result, evaluation = np.empty((len(next(iter(columns.values()))), len(constants))), Evaluation(values)
        for k, name in enumerate(self.names):
            try:
                result[:, k] = at_rows(slope_of(self.general, sp.Symbol(name, real=True)), evaluation)
            except (TypeError, KeyError, ValueError):  # a function whose derivative has no evaluator
                result[:, k] = np.nan
            lost = ~np.isfinite(result[:, k])  # as of x**p by p where x is 0
            if lost.any():
                step = 1e-5 * max(1.0, abs(float(constants[k])))
                ends = [evaluate(self.general, {**values, name: np.asarray(constants[k] + s)}) for s in (step, -step)]
                result[lost, k] = ((ends[0] - ends[1]) / (2 * step))[lost]
        return result


def jacobian(expression: sp.Expr, constants: list[sp.Float], columns: Columns) -> Array:
    """Derivatives of `expression` by these of its constants at every row: [rows, constants]."""
    return Form.of(expression, constants).slopes(np.array([float(f) for f in constants]), columns)


@lru_cache(maxsize=512)
def slope_of(general: sp.Expr, constant: sp.Symbol) -> sp.Expr:
    """The derivative by a constant, which every step of a fit asks for again."""
    return sp.diff(general, constant).replace(sp.DiracDelta, lambda *_: sp.Integer(0))


def sizes_of(columns: Array) -> Array:
    """Norms of the columns [rows, columns], whose squares may be too large or too small to be numbers."""
    largest = np.abs(columns).max(axis=0, initial=0.0)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    sizes: Array = unit * np.linalg.norm(np.nan_to_num(columns / unit, posinf=0.0, neginf=0.0), axis=0)
    return np.where(np.isfinite(largest), sizes, largest)


def in_units_of_effect(slopes: Array, constants: Array, missing: Array) -> tuple[Array, Array]:
    """The slopes [rows, constants] with columns of norm 1, and these norms.

    0 and 1 for constants on which nothing depends beside what is `missing` [rows]: a step of them has no bounds.
    """
    sizes = sizes_of(slopes)
    with np.errstate(over="ignore", invalid="ignore"):
        telling = sizes * np.maximum(np.abs(constants), 1.0) > NO_EFFECT * np.abs(missing).max(initial=0.0)
    scale = np.where(telling, sizes, 1.0)
    return np.where(telling, slopes / scale, 0.0), scale


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


def squares(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> float:
    """The squared error over the rows, each times its weight; infinite where the expression is not finite on all."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.square(weights * (evaluate(expression, columns) - y)).sum())
    return total if math.isfinite(total) else math.inf


def is_rounding(squares: float, y: Array) -> bool:
    """Whether a sum of squared errors over the targets `y` is nothing but rounding."""
    return squares <= len(y) * max(EXACT * float(np.var(y)), ROUNDING * float(np.mean(y**2)))


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


def polished(expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0) -> sp.Expr:
    """The expression with its decimals at the least squared error over the rows, by a few Gauss-Newton steps.

    The same expression where that wins nothing, or where only rounding is left to win. Errors count by the `weights` of
    their rows.
    """
    if is_rounding(squares(expression, columns, y, weights), weights * y):
        return expression
    return least_squared(expression, columns, y, weights)


def least_squared(
    expression: sp.Expr, columns: Columns, y: Array, weights: Array | float = 1.0, steps: int = STEPS
) -> sp.Expr:
    """The same down to the last digit of the constants."""
    constants = constants_of(expression)
    before = squares(expression, columns, y, weights)
    if not 0 < len(constants) <= MOST or not np.isfinite(before):
        return expression
    form, start = Form.of(expression, constants), np.array([float(f) for f in constants])
    rows = np.broadcast_to(np.asarray(weights, dtype=np.float64), y.shape)
    best, least = start, before
    for _ in range(steps):
        reached, moved = stepped(form, best, least, columns, y, rows)
        if not reached < least:
            break
        gained, best, least = least - reached, moved, reached
        if gained < GAIN * least:
            break
    if not least < (1 - GAIN) * before:
        return expression
    result = expression.xreplace({f: number(float(c)) for f, c in zip(constants, best, strict=True)})
    return result if is_sound(result) else expression


def stepped(
    form: Form, constants: Array, least: float, columns: Columns, y: Array, weights: Array
) -> tuple[float, Array]:
    """The constants after a Gauss-Newton step, halved while its squared error is not below `least`; that error too."""
    slopes = weights[:, None] * form.slopes(constants, columns)
    if not np.isfinite(slopes).all():
        return math.inf, constants
    missing = weights * (y - form.values(constants, columns))
    scaled, scale = in_units_of_effect(slopes, constants, missing)
    moved, reached = constants, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.linalg.lstsq(scaled, missing, rcond=SINGULAR)[0] / scale
        for halving in range(HALVINGS):
            moved = constants + step * 0.5**halving
            reached = float(np.square(weights * (form.values(moved, columns) - y)).sum())
            if reached < least:
                break
    return reached if math.isfinite(reached) else math.inf, moved
