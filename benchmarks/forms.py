"""Whether a formula found from noisy data has the form of the truth, and whether its constants are right."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import least_squares

from kanrun.functions.evaluate import evaluate
from kanrun.symbolic.prior import skeleton as bare_skeleton

SIGMAS = 3.0  # standard errors that a constant may be off
SAME = 1e-10  # NMSE from which two formulas are the same function on the test rows
LONG = 60  # operations above which an expression is only expanded


def same_form(found: sp.Expr, truth: sp.Expr, positive: Iterable[str] = ()) -> bool:
    """Whether the two differ by their constants only.

    Both are written in several equal ways (expanded, factored, logarithms apart and together, ...), also `found` with
    its decimals put to the nearest fractions and multiples of pi within 1 %; one way of writing in common is enough.
    What is compared has no constants (see `skeleton`). `positive` names the inputs whose domain is above 0. A constant
    term, or any other term, that the truth has not is another form, however small it is.
    """
    known = {s: sp.Symbol(s.name, positive=True) for s in found.free_symbols | truth.free_symbols if s.name in positive}
    found, truth = found.xreplace(known), truth.xreplace(known)
    goals: set[str] = set()
    for thorough in (False, True):
        goals |= {skeleton(way) for way in ways(truth, thorough)}
        if any(skeleton(way) in goals for start in (found, snapped(found)) for way in ways(start, thorough)):
            return True
    return False


def skeleton(node: sp.Expr) -> str:
    """The expression as a text without its constants; exponents are those of the nearest small fraction."""
    return bare_skeleton(node, lambda exponent: near(float(exponent)) or exponent, None)


def ways(expression: sp.Expr, thorough: bool) -> Iterator[sp.Expr]:
    """The expression, written in several ways; in more and slower ones where `thorough`."""
    yield expression
    yield sp.expand(expression)
    if not thorough or sp.count_ops(expression) > LONG:
        return
    plain = expression.replace(sp.tanh, lambda z: 1 - 2 / (sp.exp(2 * z) + 1))
    sums = [f.args[0] for f in expression.atoms(sp.tanh, sp.tan) if f.args[0].is_Add and not f.has(sp.atanh, sp.atan)]
    apart = expression if sums else sp.expand_trig(expression)  # tanh(a + b) by tanh(a) and tanh(b) is no shorter
    rewrites: list[Callable[[sp.Expr], sp.Expr]] = [
        sp.expand,
        lambda e: sp.expand(sp.expand_log(e, force=True)),
        lambda e: sp.together(e, deep=True),
        lambda e: sp.factor(e, deep=True),
        lambda e: sp.simplify(sp.logcombine(e, force=True)),
    ]
    for rewrite in rewrites:
        for start in dict.fromkeys((expression, plain, apart)):
            try:
                if sp.count_ops(start) <= LONG:
                    yield rewrite(start)
            except (sp.PolynomialError, ValueError, TypeError, NotImplementedError):
                continue


def near(value: float, most: int = 12, within: float = 0.01) -> Fraction | None:
    """The fraction with the smallest denominator close to `value`, or None."""
    for below in range(1, most + 1):
        fraction = Fraction(round(value * below), below)
        if abs(float(fraction) - value) <= within * abs(value):
            return fraction
    return None


def snapped(expression: sp.Expr) -> sp.Expr:
    """Decimals put to close fractions, or multiples of pi by them."""
    closest: dict[sp.Expr, sp.Expr] = {}
    for decimal in expression.atoms(sp.Float):
        plain, turns = near(float(decimal)), near(float(decimal) / np.pi)
        if turns and (not plain or turns.denominator < plain.denominator):
            closest[decimal] = sp.pi * sp.Rational(turns.numerator, turns.denominator)
        elif plain:
            closest[decimal] = sp.Rational(plain.numerator, plain.denominator)
    return expression.xreplace(closest)


def constants_fit(
    found: sp.Expr, constants: list[dict[str, Any]], columns: Mapping[str, np.ndarray], truth: np.ndarray
) -> bool:
    """Whether constants within 3 standard errors of those of `found` make it the truth at the rows of `columns`.

    They are looked for by least squares within these bounds. Constants without a standard error stay as they are.
    """
    free: dict[str, tuple[float, float]] = {}
    symbols: dict[sp.Expr, sp.Expr] = {}
    for decimal in found.atoms(sp.Float):
        for i, constant in enumerate(constants):
            value, error = constant.get("value"), constant.get("standard_error")
            if value and error and abs(abs(value) - abs(float(decimal))) <= 1e-9 * abs(value):
                free[f"c_{i}"] = float(value), float(error)
                symbols[decimal] = sp.Symbol(f"c_{i}", real=True) * (1 if value * float(decimal) > 0 else -1)
    open_form, spread = found.xreplace(symbols), float(np.var(truth))

    def residuals(steps: np.ndarray) -> np.ndarray:
        given = {n: np.full(len(truth), v + s * e) for (n, (v, e)), s in zip(free.items(), steps, strict=True)}
        values = (evaluate(open_form, {**columns, **given}) - truth) / np.sqrt(spread)
        return np.where(np.isfinite(values), values, 1e3)

    steps = np.zeros(len(free))
    if free and np.mean(residuals(steps) ** 2) > SAME:
        fit = least_squares(residuals, steps, bounds=(-SIGMAS, SIGMAS), xtol=1e-12, ftol=1e-12, gtol=1e-12)
        steps = fit.x
    return bool(np.mean(residuals(steps) ** 2) <= SAME)


def is_law(found: sp.Expr, constants: list[dict[str, Any]], law: sp.Expr, columns: Mapping[str, np.ndarray]) -> bool:
    """Whether a formula of measured rows is the law: its own constants, within 3 standard errors, make it so.

    It must not be longer than half as long again with a few nodes on top, nor have constants beyond those of the law,
    those that only name a scale (0, 1, 2, 1/2) aside, so that nothing is in it that only vanishes.
    """
    longer = sp.count_ops(found) > 1.5 * sp.count_ops(law) + 3
    return not longer and free(found) <= free(law) and constants_fit(found, constants, columns, evaluate(law, columns))


def free(expression: sp.Expr) -> int:
    """How many different constants an expression has, as far as `numbers_of` counts them."""
    return len(numbers_of(expression))


def numbers_of(expression: sp.Expr) -> list[sp.Expr]:
    """The sizes of its different constants, without 0, 1, 2, 1/2 and whole exponents."""
    exponents = {abs(p.exp) for p in expression.atoms(sp.Pow) if p.exp.is_Integer}
    plain = {sp.Integer(0), sp.Integer(1), sp.Integer(2), sp.Rational(1, 2)} | exponents
    return sorted({abs(n) for n in expression.atoms(sp.Number)} - plain, key=float)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the block when it takes longer; for the main thread of a process."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took over {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
