"""Constants to whole numbers, small fractions and multiples of pi, kept only while the loss stays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.functions.algebra import rewritten, simplified
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.square import with_squares
from kanrun.symbolic.textbook import as_in_textbooks, length

EXACT = 1e-20  # a mean squared error below this part of the variance means that only rounding is left


# unit, largest denominator
UNITS = [
    *((sp.Integer(1), 1), (sp.pi, 2), (sp.Integer(1), 4)),
    *((1 / sp.pi, 4), (sp.E, 2), (sp.pi, 12), (sp.Integer(1), 12), (1 / sp.pi, 64), (sp.sqrt(sp.pi), 4)),
    *((1 / sp.sqrt(sp.pi), 4), (1 / sp.sqrt(2 * sp.pi), 4), (sp.sqrt(2 * sp.pi), 4), (sp.Integer(1), 1000)),
]
# Constants that may be 0 together, as each makes up for another one that is not quite right: of formulas that leave
# nothing but rounding, and of others.
TINY, SMALL = 1e-6, 0.05
MOST_ZEROS = 40  # constants of which each is tried without
TRIAL = 1.0  # units of work of an expression that is tried
EXPONENT, PHASE = "exponent", "phase"  # places of constants
NEAR = 0.02  # part of a constant with errors by which a simple number may be beside it
CHANCE = 1e-3  # how likely a nice number may be near by accident
MOST_DIGITS = 11  # of a decimal that more than chance speaks for
SHOWN = 15  # digits with which it is a float64 and written as it was meant


def nice_numbers(value: float, exact: bool, place: str = "", ones: bool = False) -> Iterator[sp.Expr]:
    """Simple numbers near `value`, the simplest first; with `exact` those that need many digits to be believed.

    Whether a constant may be 0 depends on what is beside it, not on its size. Where there are errors it keeps its value
    as measured, unless it may be gone: as an exponent with a whole or half number, as a phase with quarters of a turn;
    with `ones`, where the scale of the whole is free, as 1 elsewhere.
    """
    if not exact:
        for number in savings(value, place) or ([unity(value)] if ones and not place else []):
            if abs(value - float(number)) < NEAR * abs(value):
                yield number
        return
    for unit, limit in UNITS:
        fraction = Fraction(value / float(unit)).limit_denominator(limit)
        if fraction and believable(value, float(fraction) * float(unit), fraction):
            yield sp.Rational(fraction.numerator, fraction.denominator) * unit
    square = Fraction(value * value).limit_denominator(60)
    if square and believable(value * value, float(square), square):
        yield int(math.copysign(1, value)) * sp.sqrt(sp.Rational(square.numerator, square.denominator))
    if (short := decimal(value)) is not None:
        yield short


def unity(value: float) -> sp.Expr:
    """1 with the sign of the value."""
    return sp.Integer(1 if value > 0 else -1)


def whole_or_half(value: float) -> list[sp.Expr]:
    """The whole number and the half that are next to the value, but for 0."""
    near = [sp.Integer(round(value)), sp.Rational(round(2 * value), 2)]
    return [number for number in dict.fromkeys(near) if number != 0]


def savings(value: float, place: str) -> list[sp.Expr]:
    """Numbers beside 0 near the value that save a constant in its place."""
    if place == EXPONENT:
        return whole_or_half(value)
    if place == PHASE:
        quarters = round(2 * value / math.pi)
        return [quarters * sp.pi / 2] if quarters else []
    return []


def places_of(expression: sp.Expr) -> Callable[[sp.Expr], str]:
    """What a constant is in an expression: an exponent, the phase of a sine or cosine, or anything else."""
    exponents = {power.exp for power in expression.atoms(sp.Pow)}
    phases = {wave.args[0].as_coeff_Add()[0] for wave in expression.atoms(sp.sin, sp.cos)}
    return lambda constant: EXPONENT if constant in exponents else PHASE if constant in phases else ""


def decimal(value: float) -> sp.Float | None:
    """The decimal of few digits that `value` is but for rounding; None where there is none."""
    for digits in range(1, MOST_DIGITS + 1):
        short = float(f"{value:.{digits - 1}e}")
        if abs(short - value) * 10**digits < CHANCE * abs(value):
            return sp.Float(short, SHOWN)
    return None


def believable(value: float, other: float, fraction: Fraction) -> bool:
    """Whether `fraction`, which stands for the number `other` near `value`, is too simple to be there by accident.

    The more digits it has itself, the closer it must be.
    """
    digits = abs(fraction.numerator) * fraction.denominator
    error = max(abs(value - other) / abs(value), 1e-14)
    return error < 1e-6 and error * digits < CHANCE


def snap(
    expressions: list[sp.Expr],
    loss_of: Callable[[list[sp.Expr]], float],
    rows: int,
    exact_below: float,
    context: Context = UNLIMITED,
    ones: bool = False,
) -> list[sp.Expr]:
    """The expressions with as many nice constants as the loss on the training rows allows.

    Where the loss shows an exact structure (below `exact_below`) it must stay there; otherwise replacing one constant
    may cost a factor of 1 + ln(rows) / rows: what a constant is worth by the Bayesian information criterion; 1 may be
    a nice one with `ones`. It ends when the budget is used up.
    """
    loss = loss_of(expressions)
    if not math.isfinite(loss):
        return list(expressions)
    exact = loss < exact_below
    share = 0.0 if exact else math.log(rows) / rows

    def fine(trial: list[sp.Expr], limit: float) -> bool:
        reached = loss_of(trial)
        return reached < exact_below or reached <= limit

    def exchanged(result: list[sp.Expr], candidates: Callable[[sp.Float, str], Iterable[sp.Expr]]) -> list[sp.Expr]:
        nonlocal loss
        changed = True
        while changed:
            changed = False
            for index, expression in enumerate(result):
                place = places_of(expression)
                for constant in sorted(expression.atoms(sp.Float), key=lambda f: abs(float(f))):
                    for candidate in candidates(constant, place(constant)) if not context.over() else ():
                        context.spend(TRIAL)
                        smaller = result[index].xreplace({constant: candidate})
                        trial = [*result[:index], smaller, *result[index + 1 :]]
                        if is_kept(smaller, result[index]) and fine(trial, loss * (1 + share)):
                            result, loss, changed = trial, max(loss, loss_of(trial)), True
                            break
        return result

    if sum(len(e.atoms(sp.Float)) for e in expressions) <= MOST_ZEROS:  # before they look like whole numbers
        expressions = exchanged(list(expressions), lambda *_: [sp.Integer(0)])
    for least in (TINY if exact else SMALL, 0.0):
        together = [e.xreplace(simplest(e, exact, least, ones)) for e in expressions]
        if all(map(stays_one, together, expressions)) and fine(together, loss):
            return together
    return exchanged(list(expressions), lambda f, place: nice_numbers(float(f), exact, place, ones))


def is_kept(smaller: sp.Expr, before: sp.Expr) -> bool:
    """Whether a replacement has changed an expression into one that is sound, and still one of inputs if it was."""
    return smaller != before and stays_one(smaller, before)


def stays_one(smaller: sp.Expr, before: sp.Expr) -> bool:
    """Whether an expression is sound, and still one of inputs if it was before."""
    return is_sound(smaller) and (bool(smaller.free_symbols) or not before.free_symbols)


def simplest(expression: sp.Expr, exact: bool, least: float = 0.0, ones: bool = False) -> dict[sp.Expr, sp.Expr]:
    """The simplest nice number for every decimal constant that has one; 0 for those of a size below `least`."""
    zero, place = sp.Integer(0), places_of(expression)
    pairs = (
        (f, zero if abs(float(f)) < least else next(nice_numbers(float(f), exact, place(f), ones), None))
        for f in expression.atoms(sp.Float)
    )
    return {f: nice for f, nice in pairs if nice is not None}


def is_sound(expression: sp.Expr) -> bool:
    """Whether no replacement has made the expression infinite or complex."""
    return not expression.has(sp.zoo, sp.nan, sp.oo, sp.I)


def shortest(expression: sp.Expr) -> sp.Expr:
    """An equal expression, the shortest to write among a few: by its nodes, with decimals as textbooks have it."""
    rewrites = (sp.factor_terms, sp.powsimp, with_squares, with_squares_outside)
    plain = [rewritten(rewrite, expression) for rewrite in rewrites]
    if expression.atoms(sp.Float):
        return rewritten(as_in_textbooks, min([expression, *plain], key=length))
    return min([expression, *plain, *simplified(expression)], key=complexity)


def with_squares_outside(expression: sp.Expr) -> sp.Expr:
    """With powers of sums as factors of the whole."""
    return sp.factor_terms(with_squares(expression))


def work_of_rewriting(expression: sp.Expr) -> float:
    """Units of work of `shortest` or `expanded`, about; without decimals SymPy takes its time to simplify."""
    size = complexity(expression)
    return 0.3 * size if expression.atoms(sp.Float) else 0.8 * size + 0.02 * size**2


def expanded(expression: sp.Expr) -> sp.Expr:
    """The expression multiplied out, inside functions and roots too, without terms that only rounding has left."""
    powers = [p.exp for p in expression.atoms(sp.Pow) if p.base.is_Add and p.exp.is_Integer]
    if any(abs(n) > 4 for n in powers) or len(powers) > 6:
        return expression
    return rewritten(multiplied_out, expression)


def multiplied_out(expression: sp.Expr) -> sp.Expr:
    """The same for any expression."""
    return sp.expand(expression, power_exp=False, log=False).replace(lambda e: e.is_Add, without_rounding)


def without_rounding(total: sp.Expr) -> sp.Expr:
    """A sum without the terms that are nothing beside its largest."""
    sizes = {term: abs(float(term.as_coeff_Mul()[0])) for term in total.args}
    return sp.Add(*[term for term, size in sizes.items() if size > 1e-9 * max(sizes.values())])


def where_positive(rewrite: Callable[[sp.Expr], sp.Expr], expression: sp.Expr, names: Iterable[str]) -> sp.Expr:
    """The expression rewritten with the knowledge that the inputs called `names` are above 0."""
    known = {s: sp.Dummy(s.name, positive=True) for s in expression.free_symbols if s.name in set(names)}
    return rewrite(expression.xreplace(known)).xreplace({dummy: s for s, dummy in known.items()})
