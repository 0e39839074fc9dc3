"""How many bits a form takes by what people write: a documented table of what stands within what in named laws.

Every node of a formula is told by its kind, given what it stands in, with -log2 of how often that is so in
benchmarks/named_laws.txt: a prior over trees of operators (Guimerà et al. 2020, Science Advances 6, eaav6971) by what
stands around a node (Bartlett et al. 2023, arXiv:2304.06333). Powers, exponentials, logarithms, sums and ratios come
out cheap, inverse tangents and functions of functions dear. `python benchmarks/prior.py` makes the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import sympy as sp

KINDS = (
    "constant", "number", "input", "sum", "product", "power", "root", "inverse", "inverse power", "any power", "exp",
    "log", "wave", "tangent", "hyperbolic", "inverse wave", "bend", "other",
)  # fmt: skip
PLACES = ("formula", "sum", "product", "denominator", "power", "exp", "log", "wave", "function")
FUNCTIONS = {
    sp.exp: "exp", sp.log: "log", sp.sin: "wave", sp.cos: "wave", sp.tan: "tangent", sp.tanh: "hyperbolic",
    sp.sinh: "hyperbolic", sp.cosh: "hyperbolic", sp.asin: "inverse wave", sp.acos: "inverse wave",
    sp.atan: "inverse wave", sp.atanh: "inverse wave", sp.asinh: "inverse wave", sp.acosh: "inverse wave",
    sp.Abs: "bend", sp.Max: "bend", sp.Min: "bend", sp.sign: "bend",
}  # fmt: skip
# Bits of each of KINDS in each of PLACES.
# fmt: off
BITS: dict[str, tuple[float, ...]] = {
    "formula": (7.9, 10.9, 7.7, 2.1, 0.5, 10.7, 6.0, 5.7, 11.3, 11.5, 8.3, 12.3, 11.7, 16.6, 14.1, 7.0, 8.6, 18.1),
    "sum": (2.1, 3.1, 2.6, 4.9, 1.4, 4.5, 11.8, 6.3, 8.8, 8.8, 6.1, 7.9, 8.8, 17.0, 14.4, 15.4, 15.7, 18.5),
    "product": (1.6, 7.0, 2.3, 6.0, 3.1, 4.5, 5.0, 3.6, 4.8, 5.0, 4.3, 6.0, 5.5, 10.6, 8.0, 10.6, 9.6, 20.1),
    "denominator": (6.9, 10.0, 0.8, 1.4, 6.6, 9.7, 10.5, 9.1, 10.4, 10.6, 9.8, 7.6, 5.6, 15.6, 7.6, 14.0, 14.4, 17.2),
    "power": (6.9, 10.0, 0.4, 2.8, 6.6, 9.7, 10.5, 6.4, 10.4, 10.5, 9.7, 7.5, 5.3, 15.6, 7.6, 14.0, 14.4, 17.2),
    "exp": (5.8, 5.4, 5.6, 5.1, 0.2, 8.6, 9.4, 8.0, 9.3, 9.4, 8.7, 10.3, 9.6, 14.5, 12.0, 12.9, 13.3, 16.1),
    "log": (4.4, 7.5, 1.0, 3.3, 1.7, 7.2, 8.0, 6.6, 7.9, 8.0, 7.3, 8.9, 8.3, 13.1, 10.6, 11.5, 11.9, 14.7),
    "wave": (4.9, 8.0, 1.1, 2.3, 2.0, 7.7, 8.5, 7.1, 8.4, 8.6, 7.8, 9.4, 8.8, 13.6, 11.1, 12.0, 12.4, 15.2),
    "function": (4.0, 3.6, 3.2, 2.5, 1.0, 6.8, 7.5, 6.1, 7.4, 7.6, 6.8, 8.4, 7.8, 12.7, 10.1, 11.1, 11.4, 14.2),
}
# fmt: on


def events(expression: sp.Expr) -> Iterator[tuple[str, str, float]]:
    """Every node of an expression: where it stands, its kind, and the bits of the number that it names.

    Signs are not told; a quotient is a product with an inverse in it, a root of an inverse an inverse power.
    """
    waiting = [("formula", expression)]
    while waiting:
        place, e = waiting.pop()
        if e.is_Add:
            yield from ((p, "sum", 0.0) for p in (place, *["sum"] * (len(e.args) - 2)))
            waiting += [("sum", a) for a in e.args]
        elif e.is_Mul:
            factors = [a for a in e.args if a != -1]
            yield from ((p, "product", 0.0) for p in (place, *["product"] * (len(factors) - 2)) if len(factors) > 1)
            waiting += [("product" if len(factors) > 1 else place, a) for a in factors]
        elif e.is_Pow:
            yield from power(place, e, waiting)
        elif e.is_Symbol:
            yield place, "input", 0.0
        elif e.is_Float:
            yield place, "constant", 0.0
        elif e.is_number:
            yield place, "number", named(e)
        else:
            kind = FUNCTIONS.get(e.func, "other")
            yield place, kind, 0.0
            waiting += [(kind if kind in PLACES else "function", a) for a in e.args]


def power(place: str, e: sp.Expr, waiting: list[tuple[str, sp.Expr]]) -> Iterator[tuple[str, str, float]]:
    """A power: its kind; what is in it goes to those that are waiting."""
    base, exponent = e.args
    if base.is_number:  # 2^x is told as an exponential
        yield place, "exp", named(base)
        waiting.append(("exp", exponent))
    elif exponent.is_Rational:
        inner = "denominator" if exponent < 0 else "power"
        if exponent == -1:
            yield place, "inverse", 0.0
        elif exponent < 0:
            yield place, "inverse power", named(exponent)
        else:
            yield place, "power" if exponent.is_Integer else "root", named(exponent) - named(sp.Integer(2))
        waiting.append((inner, base))
    else:
        yield place, "any power", 0.0
        waiting.append(("power", base))
        if not exponent.is_Float:
            waiting.append(("power", exponent))


def named(value: sp.Expr) -> float:
    """Bits of a number by the digits of its numerator and denominator, and of how many these are (Elias 1975)."""
    if value.is_Rational:
        return 2 * math.log2(max(1, abs(value.p) * value.q))
    return 4.0


def bits_of_form(expression: sp.Expr) -> float:
    """Bits of an expression but for the precision of its constants."""
    return sum(BITS[place][KINDS.index(kind)] + more for place, kind, more in events(expression))
