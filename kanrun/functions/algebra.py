"""SymPy within bounds: what is asked of it ends soon, and leaves an expression as it was where it cannot be done."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType
from typing import TypeVar

import sympy as sp

T = TypeVar("T")

CALLS = 600_000  # function calls that one question to SymPy may take: about a second
LONG = 150  # operations of an expression that is still rewritten
LONG_TOGETHER = 600  # of several that are rewritten together, as those of all classes
DEGREE = 40  # of the polynomials that an expression may be turned into
TERMS = 400  # that it may have when it is multiplied out
DIGITS = 60  # of the whole numbers in it
SIMPLE = 60  # operations of an expression that is simplified in every way that SymPy knows


class OutOfBoundsError(BaseException):
    """SymPy has used up its calls. No Exception, so that nothing within SymPy takes it for one of its own."""


def bounded(compute: Callable[[], T], otherwise: T, calls: int = CALLS) -> T:
    """What `compute` gives; `otherwise` where it fails, or needs more than `calls` function calls.

    Calls are counted, not seconds, so that the outcome is the same on any machine.
    """
    left = calls

    def count(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001
        nonlocal left
        left -= 1
        if left < 0 and not is_ending(frame):
            raise OutOfBoundsError

    before = sys.gettrace()
    sys.settrace(count)
    try:
        return compute()
    except (OutOfBoundsError, Exception):
        return otherwise
    finally:
        sys.settrace(before)


def is_ending(frame: FrameType) -> bool:
    """Whether an error in this frame may be dropped by Python, and the counting with it.

    That is so where a generator is closed or an object goes because nobody needs it any more.
    """
    if frame.f_code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR):
        return True
    above: FrameType | None = frame
    while above is not None and above.f_code.co_name != "__del__":
        above = above.f_back
    return above is not None


@lru_cache(maxsize=2000)  # the same forms come up again and again, and half of the time goes into counting
def rewritten(rewrite: Callable[[sp.Expr], sp.Expr], expression: sp.Expr) -> sp.Expr:
    """The expression rewritten; as it was where it is too large for that, or where SymPy does not come to an end."""
    if sp.count_ops(expression) > LONG:  # looked at without the counting of calls, which makes Python slow
        return expression
    return bounded(lambda: rewrite(expression) if is_tractable(expression) else expression, expression)


def are_readable(expressions: Sequence[sp.Expr]) -> bool:
    """Whether expressions that stand together are short enough for anybody to gain by another spelling of them."""
    return sum(map(sp.count_ops, expressions)) <= LONG_TOGETHER


def is_tractable(expression: sp.Expr) -> bool:
    """Whether an expression is small enough to be rewritten: in operations, degree, terms and digits."""
    if sp.count_ops(expression) > LONG or degree(expression) > DEGREE or terms(expression) > TERMS:
        return False
    return all(max(abs(n.p), n.q) < 10**DIGITS for n in expression.atoms(sp.Rational))


def degree(expression: sp.Expr) -> int:
    """The largest power that polynomials in the parts of an expression would have.

    x**(3/7) + x**(1/2) is one of degree 7 in x**(1/14), and exp(x/3) + exp(2*x) one of degree 6 in exp(x/3): it is the
    denominators that make algorithms for polynomials endless.
    """
    exponents: dict[tuple[sp.Basic, sp.Basic], list[sp.Rational]] = {}
    for power in expression.atoms(sp.Pow, sp.exp):
        base, exponent = power.as_base_exp()
        for term in sp.Add.make_args(exponent):
            factor, rest = term.as_coeff_Mul()
            if factor.is_Rational:
                exponents.setdefault((base, rest), []).append(factor)
    largest = 1
    for factors in exponents.values():
        common = math.lcm(*(int(f.q) for f in factors))
        largest = max(largest, *(abs(int(f.p)) * (common // int(f.q)) for f in factors))
    return largest


def terms(expression: sp.Expr) -> float:
    """How many terms an expression would have, about, if it were multiplied out."""
    if expression.is_Add:
        return sum(terms(a) for a in expression.args)
    if expression.is_Mul:
        return math.prod(terms(a) for a in expression.args)
    if expression.is_Pow and expression.exp.is_Integer:
        count, power = terms(expression.base), abs(int(expression.exp))
        return float(math.comb(int(count) + power - 1, power)) if count < TERMS and power < TERMS else math.inf
    return max([1.0, *(terms(a) for a in expression.args)])


def simplified(expression: sp.Expr) -> list[sp.Expr]:
    """Equal expressions that may be shorter, of one without decimals and with few operations."""
    if expression.atoms(sp.Float) or sp.count_ops(expression) >= SIMPLE:
        return []
    return [rewritten(rewrite, expression) for rewrite in (sp.simplify, sp.factor, sp.expand)]


def is_zero(expression: sp.Expr) -> bool:
    """Whether algebra shows that the expression is 0; False also where it cannot say."""
    if expression.atoms(sp.Float) or sp.count_ops(expression) >= SIMPLE:
        return False
    return bool(rewritten(sp.simplify, expression) == 0)


def latex_of(expression: sp.Expr, symbols: Mapping[sp.Symbol, str] | None = None, dots: bool = False) -> str:
    """The expression as LaTeX, with other names for some symbols and maybe `dots` between factors.

    Its text where that cannot be made.
    """
    how = {"symbol_names": dict(symbols or {}), "mul_symbol": "dot" if dots else None}
    return bounded(lambda: str(sp.latex(expression, **how)), f"\\mathtt{{{expression}}}")
