"""Exact formulas with decimals where people write them: `9.3*exp(-0.77*x)` for `93*exp(-77*x/100)/10`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import sympy as sp

from kanrun.functions.algebra import LONG
from kanrun.functions.evaluate import Array, evaluate
from kanrun.symbolic.compare import AGREEMENT, ROUNDED, agrees
from kanrun.symbolic.constants import Columns
from kanrun.symbolic.expression import number
from kanrun.symbolic.snap import SHOWN, decimal, where_positive
from kanrun.symbolic.textbook import ODD, Rewrite, as_in_textbooks, odd_spellings, over, with_bare_term

DIGIT, OPERATION = math.log2(10), 4.0  # bits of a digit, and of an operation
AS_IT_IS = 16  # digits of a decimal that is not short
FEW_DIGITS = 2  # of a number that stays as it is
SIMPLE = 50  # a numerator times a denominator up to which halves, quarters and eighths stay fractions
MOST_TERMS = 4  # of a denominator, each of which may be the bare one


def with_decimals(expression: sp.Expr, columns: Columns, y: Array) -> sp.Expr:
    """An equal expression with decimals for fractions that nobody writes, if it has such ones and leaves as little.

    Of two spellings the one that takes fewer bits: with decimals for the fractions that have an end, or for all, so
    that other terms of sums can be the bare ones.
    """
    if sp.count_ops(expression) > LONG:
        return expression
    odd = any(digits_of(r) > FEW_DIGITS or is_meant_as_decimal(r) for r in expression.atoms(sp.Rational))
    values = evaluate(expression, columns)
    if not (odd or expression.atoms(sp.Float)) or not agrees(values, y):
        return expression
    nearest = ROUNDED if agrees(values, y, ROUNDED) else AGREEMENT
    rewrites: list[Rewrite] = [factored_out, factor_inside, *(partial(with_bare_term, k=k) for k in range(MOST_TERMS))]
    above = [name for name, values in columns.items() if (values > 0).all()]

    def respelled(e: sp.Expr) -> sp.Expr:
        return as_in_textbooks(all_decimals(e), bits_of_spelling, rewrites)

    spellings = [decimals_in(expression), tidied(where_positive(respelled, expression, above))]
    for spelling in sorted(spellings, key=bits_of_spelling):
        shorter = bits_of_spelling(spelling) < bits_of_spelling(expression)
        if shorter and agrees(evaluate(spelling, columns), y, nearest):
            return spelling
    return expression


def is_meant_as_decimal(value: sp.Rational) -> bool:
    """Whether a fraction is a decimal with an end that is as short: 21/10 and 43/80, and not 1/2, 3/8 or 1/64."""
    return has_end(value) and (value.q % 5 == 0 or (abs(value.p) * value.q > SIMPLE and is_as_short(value)))


def has_end(value: sp.Rational) -> bool:
    """Whether the decimal of a fraction has an end."""
    rest = int(value.q)
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def is_as_short(value: sp.Rational) -> bool:
    """Whether the decimal of a fraction has no more digits than the fraction."""
    return digits_of(as_decimal(value)) <= digits_of(value)


def digits_of(value: sp.Expr) -> int:
    """How many digits a number is written with."""
    if value.is_Rational:
        return len(str(abs(value.p))) + (len(str(value.q)) if value.q > 1 else 0)
    short = decimal(float(value))
    return AS_IT_IS if short is None else len(f"{float(short):.14e}".partition("e")[0].replace(".", "").strip("-0"))


def as_decimal(value: sp.Expr) -> sp.Expr:
    """A number as a decimal."""
    return sp.Float(float(value), SHOWN)


def decimals_in(expression: sp.Expr) -> sp.Expr:
    """The expression with its fractions that are meant as decimals as such, but for factors of pi and the like."""
    return with_numbers(expression, where_meant)


def all_decimals(expression: sp.Expr) -> sp.Expr:
    """The expression with all its rational numbers but 1 and -1 as decimals, exponents and factors of pi left alone."""
    return with_numbers(expression, lambda value: value if abs(value) == 1 else number(float(value)))


def where_meant(value: sp.Rational) -> sp.Expr:
    """A fraction as a decimal where it is meant as one."""
    return as_decimal(value) if is_meant_as_decimal(value) else value


def with_numbers(expression: sp.Expr, written: Callable[[sp.Rational], sp.Expr]) -> sp.Expr:
    """The expression with its rational numbers as they are `written`; those of exponents `where_meant`."""
    if expression.is_Rational:
        return written(expression)
    if expression.is_number or not expression.args:
        return expression
    if expression.is_Pow and expression.exp.is_number:
        return with_numbers(expression.base, written) ** with_numbers(expression.exp, where_meant)
    alone = has_factor_like_pi(expression)
    return expression.func(*(a if alone and a.is_number else with_numbers(a, written) for a in expression.args))


def has_factor_like_pi(expression: sp.Expr) -> bool:
    """Whether one of its factors is a number that is none of digits, which a decimal beside it would swallow."""
    return expression.is_Mul and any(a.is_number and not a.is_Rational and not a.is_Float for a in expression.args)


def factored_out(expression: sp.Expr) -> sp.Expr:
    """c*u*v - c*u*w as c*u*(v - w)."""

    def factored(e: sp.Expr) -> sp.Expr:
        size, *others = {abs(t.as_coeff_Mul()[0]) for t in e.args}
        if others or size == 1:
            return e
        return sp.Mul(size, sp.factor_terms(sp.Add(*(over(t, size) for t in e.args))), evaluate=False)

    return expression.replace(lambda e: e.is_Add, factored)


def factor_inside(expression: sp.Expr) -> sp.Expr:
    """c*(u + v)**n as (c**(1/n)*u + c**(1/n)*v)**n."""

    def inside(e: sp.Expr) -> sp.Expr:
        factor, rest = e.as_coeff_Mul()
        sums = [p for p in sp.Mul.make_args(rest) if p.is_Pow and p.base.is_Add and p.exp.is_Rational]
        if not (factor.is_Float and factor > 0 and len(sums) == 1):
            return e
        scale = number(float(factor) ** (1 / float(sums[0].exp)))
        return rest.xreplace({sums[0]: sp.Add(*(scale * term for term in sums[0].base.args)) ** sums[0].exp})

    return expression.replace(lambda e: e.is_Mul, inside)


def tidied(expression: sp.Expr) -> sp.Expr:
    """The expression with the decimals of few digits that its decimals are but for rounding, and whole numbers."""
    short = {f: decimal(float(f)) for f in expression.atoms(sp.Float)}
    whole = {f: sp.Integer(int(s)) if float(s).is_integer() else s for f, s in short.items() if s is not None}
    return expression.xreplace(whole)


def bits_of_spelling(expression: sp.Expr) -> float:
    """Bits of writing an expression, by its operations and digit by digit."""
    tidy = tidied(expression)
    digits = sum(map(digits_of, (node for node in sp.preorder_traversal(tidy) if node.is_Number)))
    return OPERATION * sp.count_ops(tidy) + DIGIT * digits + ODD * odd_spellings(tidy)
