"""Equal forms as textbooks write them: logistic curves for tanh, one wave for sine and cosine, 1 where a sum begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import sympy as sp
from sympy.utilities.iterables import sift

from kanrun.symbolic.expression import number
from kanrun.symbolic.prior import bits_of_nodes

DIGITS = 7.0  # bits of a constant, about
ODD = 12.0  # bits of a part that nobody writes so
MOST_STEPS = 6  # rewritings one after the other

Rewrite = Callable[[sp.Expr], sp.Expr]


def length(expression: sp.Expr) -> float:
    """Bits of writing an expression: its form, and constants of usual precision."""
    constants = len({abs(f) for f in expression.atoms(sp.Float)})
    return bits_of_nodes(expression) + DIGITS * constants + ODD * odd_spellings(expression)


def odd_spellings(expression: sp.Expr) -> int:
    """How many parts are as nobody writes them: inverses in denominators, and c + exp(z) in powers."""
    found = 0
    for power in expression.atoms(sp.Pow):
        if power.base.is_Add and power.exp.is_number:
            factors = [f for term in power.base.args for f in sp.Mul.make_args(term)]
            found += any(f.is_Pow and f.exp.is_negative is True for f in factors)
            found += any(isinstance(f, sp.exp) for f in factors) and power.base.as_coeff_Add()[0].is_Float
    return found


def as_in_textbooks(
    expression: sp.Expr, size: Callable[[sp.Expr], float] = length, more: Sequence[Rewrite] = ()
) -> sp.Expr:
    """An equal expression that is shorter to write, constants and all; the same where none is.

    `size` is what it takes to write one, and `more` are rewritings beside the usual ones.
    """
    best = folded(expression)
    least = size(best)
    for _ in range(MOST_STEPS):
        others = [e for e in dict.fromkeys(folded(rewrite(best)) for rewrite in (*REWRITES, *more)) if e != best]
        shortest, e = min(((size(e), e) for e in others), key=lambda found: found[0], default=(least, best))
        if not shortest < least:
            return best
        best, least = e, shortest
    return best


def folded(expression: sp.Expr) -> sp.Expr:
    """The expression with every product of a decimal and other numbers as one decimal.

    A number before a sum whose terms have decimals all goes into these: it could be any.
    """

    def one(product: sp.Expr) -> sp.Expr:
        numbers, others = sift(product.args, lambda f: f.is_number, binary=True)
        whole = next((f for f in others if f.is_Add and all(t.as_coeff_Mul()[0].is_Float for t in f.args)), None)
        is_sign = all(f == -1 for f in numbers)
        if is_sign or (whole is None and not any(f.is_Float for f in numbers)):
            return product
        factor = number(float(sp.Mul(*numbers)))
        if whole is None:
            return factor * sp.Mul(*others) if len(numbers) > 1 else product
        others.remove(whole)
        return sp.Mul(sp.Add(*(factor * term for term in whole.args)), *others)

    return expression.replace(lambda e: e.is_Mul, one)


def logistic(expression: sp.Expr) -> sp.Expr:
    """a + b*tanh(z) as a - b + 2*b/(1 + exp(-2*z))."""
    return expression.replace(sp.tanh, lambda z: 2 / (1 + sp.exp(-2 * z)) - 1)


def joined_waves(expression: sp.Expr) -> sp.Expr:
    """a*sin(z) + b*cos(z) as r*sin(z + p)."""
    return expression.replace(lambda e: e.is_Add, joined_in)


def joined_in(total: sp.Expr) -> sp.Expr:
    """A sum with its first sine and cosine of one argument, up to equal factors, as one wave."""
    terms = [term.as_coeff_Mul() for term in total.args]
    for i, (a, first) in enumerate(terms):
        for wave in [w for w in sp.Mul.make_args(first) if isinstance(w, sp.sin)]:
            other = first.xreplace({wave: sp.cos(wave.args[0])})
            for j, (b, second) in enumerate(terms):
                if second == other and a.is_number and b.is_number:
                    size, phase = math.hypot(float(a), float(b)), math.atan2(float(b), float(a))
                    whole = number(size) * first.xreplace({wave: sp.sin(wave.args[0] + number(phase))})
                    return sp.Add(whole, *(t for k, t in enumerate(total.args) if k not in (i, j)))
    return total


def over(term: sp.Expr, by: sp.Expr) -> sp.Expr:
    """A term divided by a number, without a factor of 1.0."""
    factor, rest = term.as_coeff_Mul()
    ratio = factor / by
    return int(ratio) * rest if abs(float(ratio)) == 1 else ratio * rest


def begun_with_one(expression: sp.Expr) -> sp.Expr:
    """(c + z)**n as c**n * (1 + z/c)**n, so that sums in powers and denominators begin with 1."""

    def begun(e: sp.Expr) -> sp.Expr:
        constant, rest = e.base.as_coeff_Add()
        if not (constant.is_Float and (constant > 0 or e.exp.is_Integer)):
            return e
        return constant**e.exp * sp.Add(1, *(over(t, constant) for t in sp.Add.make_args(rest))) ** e.exp

    return expression.replace(lambda e: e.is_Pow and e.base.is_Add and e.exp.is_number, begun)


def with_bare_term(expression: sp.Expr, k: int) -> sp.Expr:
    """(c + a*z)**n as a**n * (c/a + z)**n, so that term `k` of sums in powers and denominators is bare."""

    def divided(e: sp.Expr) -> sp.Expr:
        factor = e.base.args[k].as_coeff_Mul()[0] if k < len(e.base.args) else sp.Integer(1)
        usable = factor.is_Float and (factor > 0 or e.exp.is_Integer)
        return factor**e.exp * sp.Add(*(over(t, factor) for t in e.base.args)) ** e.exp if usable else e

    return expression.replace(lambda e: e.is_Pow and e.base.is_Add and e.exp.is_number, divided)


ended_with_one = partial(with_bare_term, k=-1)


def without_inner_inverse(expression: sp.Expr) -> sp.Expr:
    """1/(c + a/z) as z/(c*z + a)."""

    def turned(e: sp.Expr) -> sp.Expr:
        below = [f for t in e.base.args for f in sp.Mul.make_args(t) if f.is_Pow and f.exp.is_negative is True]
        if not below:
            return e
        up = 1 / below[0]
        return up / sp.Add(*(t * up for t in e.base.args))

    return expression.replace(lambda e: e.is_Pow and e.base.is_Add and e.exp == -1, turned)


def placed_exponentials(expression: sp.Expr) -> sp.Expr:
    """1 + c*exp(z) as 1 + exp(z + log(c)), within powers and denominators."""

    def placed(e: sp.Expr) -> sp.Expr:
        terms = []
        for term in e.base.args:
            factor, rest = term.as_coeff_Mul()
            inside = isinstance(rest, sp.exp) and factor.is_Float
            sign = 1 if factor > 0 else -1
            terms.append(sign * sp.exp(rest.args[0] + number(math.log(abs(factor)))) if inside else term)
        return sp.Add(*terms) ** e.exp

    return expression.replace(lambda e: e.is_Pow and e.base.is_Add and e.exp.is_number, placed)


def in_one_exponential(expression: sp.Expr) -> sp.Expr:
    """exp(u)*exp(v) as exp(u + v)."""

    def may_be_joined(e: sp.Expr) -> bool:  # SymPy takes long to see that there is nothing to do
        factors = [f for f in e.args if not f.is_Number] if e.is_Mul else []
        return len(factors) > 1 and any(f.is_Pow or isinstance(f, sp.exp) for f in factors)

    return expression.replace(may_be_joined, lambda e: sp.powsimp(e, combine="exp"))


def normal(expression: sp.Expr) -> sp.Expr:
    """1/(c + a/z) as z/(z + a/c) at once."""
    return ended_with_one(without_inner_inverse(expression))


def added_by_tanh(expression: sp.Expr) -> sp.Expr:
    """tanh(atanh(u) + atanh(v)) as (u + v)/(1 + u*v)."""

    def added(e: sp.Expr) -> sp.Expr:
        total = sp.Integer(0)
        for term in sp.Add.make_args(e.args[0]):
            factor, rest = term.as_coeff_Mul()
            if not isinstance(rest, sp.atanh) or factor not in (1, -1):
                return e
            part = factor * rest.args[0]
            total = (total + part) / (1 + total * part)
        return total

    return expression.replace(lambda e: isinstance(e, sp.tanh), added)


REWRITES: tuple[Rewrite, ...] = (
    logistic, joined_waves, begun_with_one, ended_with_one, without_inner_inverse, normal,
    placed_exponentials, lambda e: placed_exponentials(begun_with_one(e)), in_one_exponential, added_by_tanh,
)  # fmt: skip
