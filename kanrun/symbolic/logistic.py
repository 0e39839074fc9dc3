"""Log-odds of two classes by a formula: its constants by maximum likelihood, and bits of the classes by it.

Where classes do not overlap the likelihood has no maximum: it grows with the scale of the log-odds without end. With
half the logarithm of the determinant of the Fisher information added (Jeffreys' prior) it always has one, and where
they do overlap the constants are less biased (Firth 1993, Biometrika 80, 27; Heinze and Schemper 2002, Statistics in
Medicine 21, 2409). Without overlap the boundary is that of the likelihood alone, and only the scale is Firth's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import sympy as sp
from scipy.special import expit

from kanrun.functions.evaluate import Array
from kanrun.symbolic.constants import (
    MOST,
    Columns,
    Form,
    constants_of,
    in_units_of_effect,
    sizes_of,
)
from kanrun.symbolic.description import bits_of_inputs, bits_of_waves
from kanrun.symbolic.expression import number
from kanrun.symbolic.prior import bits_of_form
from kanrun.symbolic.snap import is_sound

STEPS, HALVINGS = 60, 12
GAIN = 1e-8  # of the likelihood, in nats, below which a step is the last one
TOLD = 1e-3  # nats a row below which classes are told apart
FLAT = 1e-12  # of the largest eigenvalue of the information, below which the rows do not determine a direction


class Curve(Protocol):
    """Log-odds with constants; `Form` is one."""

    def values(self, constants: Array, columns: Columns) -> Array: ...
    def slopes(self, constants: Array, columns: Columns) -> Array: ...


@dataclass(frozen=True)
class Classes:
    """Rows of two classes: `second` [rows] is 1 for the second of them, else 0; `weights` [rows] say how they count."""

    columns: Columns
    second: Array
    weights: Array

    def nats(self, log_odds: Array) -> float:
        """Minus the log likelihood at the log-odds [rows] of the second class; infinite where one is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            each = np.logaddexp(0.0, log_odds) - self.second * log_odds
        total = float(self.weights @ each)
        return total if math.isfinite(total) else math.inf

    def right(self, log_odds: Array) -> bool:
        """Whether the log-odds have the sign of every row that counts."""
        return bool((((log_odds > 0) == (self.second > 0.5)) | (self.weights == 0)).all())


@dataclass(frozen=True)
class LogOdds:
    """A formula of the log-odds fitted to classes: `bits` describe the classes by it at its likeliest constants.

    Where it is `separated` all rows lie on their side of it, so that no odds can be told: any larger scale is likelier.
    """

    expression: sp.Expr
    bits: float
    separated: bool


def log_odds(expression: sp.Expr, classes: Classes) -> LogOdds | None:
    """The formula with the likeliest constants; None where it has no value on some row, or too many."""
    constants = constants_of(expression)
    form, start = Form.of(expression, constants), np.array([float(f) for f in constants])
    if not constants or len(constants) > MOST or not math.isfinite(classes.nats(form.values(start, classes.columns))):
        return None
    likeliest = climbed(form, start, classes, firth=False)
    best = form.values(likeliest, classes.columns)
    separated = classes.right(best)
    final = likeliest if separated else climbed(form, likeliest, classes, firth=True)
    result = expression.xreplace({f: number(float(c)) for f, c in zip(constants, final, strict=True)})
    result = scaled(result, classes) if separated and is_sound(result) else result
    if not is_sound(result):
        return None
    return LogOdds(result, bits_of_classes(expression, classes.nats(best), classes), separated)


def scaled(expression: sp.Expr, classes: Classes) -> sp.Expr:
    """The formula times the factor that is the likeliest after Firth, so that it stays the same boundary."""
    factor = sp.Symbol("constant 0", real=True)
    best = float(climbed(Form(factor * expression, (factor.name,)), np.ones(1), classes, firth=True)[0])
    terms = [term.as_coeff_Mul() for term in sp.Add.make_args(expression)]
    return sp.Add(*(number(best * float(c)) * rest for c, rest in terms))


def is_separated(expression: sp.Expr, classes: Classes) -> bool:
    """Whether some constants put all rows on their side of the formula, so that no odds can be told."""
    constants = constants_of(expression)
    form, start = Form.of(expression, constants), np.array([float(f) for f in constants])
    if classes.right(form.values(start, classes.columns)):
        return True
    return classes.right(form.values(climbed(form, start, classes, firth=False), classes.columns))


def bits_of_classes(expression: sp.Expr, nats: float, classes: Classes) -> float:
    """Bits of the classes by log-odds with these nats, of their form and of their constants."""
    form = bits_of_form(expression) + bits_of_inputs(expression, classes.columns)
    digits = 0.5 * math.log2(len(classes.second)) * len(constants_of(expression))
    return nats / math.log(2) + form + bits_of_waves(expression, classes.columns) + digits


def climbed(form: Curve, start: Array, classes: Classes, firth: bool) -> Array:
    """The constants of the most likelihood from `start` on, by Fisher's scoring with halved steps."""
    constants, least = start, objective(form, start, classes, firth)
    for _ in range(STEPS):
        step = scoring_step(form, constants, classes, firth)
        if step is None:
            break
        trials = (constants + step * 0.5**k for k in range(HALVINGS))
        moved, reached = next(
            ((t, o) for t in trials if (o := objective(form, t, classes, firth)) < least), (constants, least)
        )
        gained, constants, least = least - reached, moved, reached
        if gained < GAIN or (not firth and least < TOLD * len(classes.second)):
            break
    return constants


def weighted_slopes(form: Curve, constants: Array, classes: Classes) -> tuple[Array, Array, Array]:
    """Slopes [rows, constants] times the root of the information of their rows, that root, and chances, [rows]."""
    chances = expit(form.values(constants, classes.columns))
    root = np.sqrt(np.maximum(classes.weights * chances * (1 - chances), 1e-12))
    return root[:, None] * form.slopes(constants, classes.columns), root, chances


def objective(form: Curve, constants: Array, classes: Classes, firth: bool) -> float:
    """Minus the log likelihood, penalized where it is Firth's."""
    with np.errstate(over="ignore", invalid="ignore"):
        value = classes.nats(form.values(constants, classes.columns))
        if not firth or not math.isfinite(value):
            return value
        slopes = weighted_slopes(form, constants, classes)[0]
    sizes = sizes_of(slopes)
    if not (np.isfinite(sizes).all() and sizes.all()):
        return math.inf
    eigenvalues = np.linalg.eigvalsh((slopes / sizes).T @ (slopes / sizes))
    determined = eigenvalues[eigenvalues > FLAT * eigenvalues[-1]]
    return value - float(np.log(sizes).sum()) - 0.5 * float(np.log(determined).sum())


def scoring_step(form: Curve, constants: Array, classes: Classes, firth: bool) -> Array | None:
    """A step of Fisher's scoring; Firth's adds the leverage of each row, half to either class."""
    with np.errstate(over="ignore", invalid="ignore"):
        slopes, root, chances = weighted_slopes(form, constants, classes)
    if not np.isfinite(slopes).all() or not slopes.any():
        return None
    missing = classes.weights * (classes.second - chances)
    scaled, scale = in_units_of_effect(slopes, constants, missing)
    sizes_squared, directions = np.linalg.eigh(scaled.T @ scaled)
    kept = sizes_squared > FLAT * sizes_squared[-1]
    directions, sizes_squared = directions[:, kept], sizes_squared[kept]
    if firth:
        missing = missing + ((scaled @ directions) ** 2 / sizes_squared).sum(1) * (0.5 - chances)
    along = directions.T @ (scaled.T @ (missing / root)) / sizes_squared
    return np.asarray(directions @ along / scale)
