"""How many bits a form takes by what people write: a documented table of what stands within what in named laws.

Every node of a formula is told by its kind, given what it stands in, with -log2 of how often that is so in
benchmarks/named_laws.txt: a prior over trees of operators (Guimerà et al. 2020, Science Advances 6, eaav6971) by what
stands around a node (Bartlett et al. 2023, arXiv:2304.06333). Powers, exponentials, logarithms, sums and ratios come
out cheap, inverse tangents and functions of functions dear. A formula with the form of a law that has a name may be
told by that: named_forms.txt has the forms and how many laws have each. `python benchmarks/prior.py` makes both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files

import sympy as sp

KINDS = (
    "constant", "number", "input", "sum", "product", "power", "root", "inverse", "inverse power", "any power", "exp",
    "log", "wave", "tangent", "hyperbolic", "inverse wave", "bend", "other",
)  # fmt: skip
FORMULA, SUM, PRODUCT = "formula", "sum", "product"
OUTSIDE = (FORMULA, SUM, PRODUCT, "denominator", "power")
WITHIN = ("exp", "log", "wave", "function")  # what stands in these is within a function
PLACES = (*OUTSIDE, *WITHIN, *(f"{place} within" for place in OUTSIDE[1:]))
FUNCTIONS = {
    sp.exp: "exp", sp.log: "log", sp.sin: "wave", sp.cos: "wave", sp.tan: "tangent", sp.tanh: "hyperbolic",
    sp.sinh: "hyperbolic", sp.cosh: "hyperbolic", sp.asin: "inverse wave", sp.acos: "inverse wave",
    sp.atan: "inverse wave", sp.atanh: "inverse wave", sp.asinh: "inverse wave", sp.acosh: "inverse wave",
    sp.Abs: "bend", sp.Max: "bend", sp.Min: "bend", sp.sign: "bend",
}  # fmt: skip
NAMES = {*FUNCTIONS.values(), "other"}
LINE, LINE_INPUT = 5.0, 1.0  # bits of a line in several inputs, which has no law's name, and of one more input
NESTED = 6.6  # bits of a formula with functions of functions, which few laws have
# Bits of each of KINDS in each of PLACES.
# fmt: off
BITS: dict[str, tuple[float, ...]] = {
    "formula": (7.9, 10.9, 7.7, 2.1, 0.5, 10.7, 6, 5.7, 11.3, 11.5, 8.3, 12.3, 11.7, 16.6, 14.1, 7, 8.6, 18.1),
    "sum": (2.2, 3.1, 2.7, 4.7, 1.4, 4.4, 11.7, 6.2, 8.6, 8.6, 6, 8.7, 8.7, 16.8, 14.3, 15.2, 15.6, 18.4),
    "product": (1.7, 7.1, 2.6, 5.8, 2.8, 4.3, 4.8, 3.7, 4.5, 4.8, 4, 5.7, 5.5, 10.3, 7.7, 10.3, 9.3, 19.8),
    "denominator": (6.7, 9.8, 0.9, 1.3, 6.4, 9.5, 10.3, 8.9, 10.2, 10.3, 9.6, 7.4, 5.4, 15.4, 7.4, 13.8, 14.2, 17),
    "power": (6.8, 9.9, 0.3, 2.9, 6.5, 9.6, 10.4, 6.3, 10.3, 10.4, 9.7, 7.4, 5.2, 15.5, 7.5, 13.9, 14.3, 17.1),
    "exp": (5.8, 5.4, 5.6, 5.1, 0.2, 8.6, 9.4, 8, 9.3, 9.4, 8.7, 10.3, 9.6, 14.5, 12, 12.9, 13.3, 16.1),
    "log": (4.4, 7.5, 1, 3.3, 1.7, 7.2, 8, 6.6, 7.9, 8, 7.3, 8.9, 8.3, 13.1, 10.6, 11.5, 11.9, 14.7),
    "wave": (4.9, 8, 1.1, 2.3, 2, 7.7, 8.5, 7.1, 8.4, 8.6, 7.8, 9.4, 8.8, 13.6, 11.1, 12, 12.4, 15.2),
    "function": (4, 3.6, 2.8, 2.5, 1.1, 6.8, 7.6, 6.2, 7.5, 7.6, 6.9, 8.5, 7.8, 12.7, 10.2, 11.1, 11.5, 14.3),
    "sum within": (1.6, 3.6, 2.1, 6.6, 1.7, 8.1, 8.8, 7.4, 8.7, 8.9, 8.1, 5.9, 9.1, 14, 11.4, 12.4, 12.7, 15.5),
    "product within": (1.3, 6.5, 1.4, 7.4, 5.1, 5.7, 7, 3.3, 10.9, 6.1, 7.8, 11.8, 5.5, 16.1, 13.6, 14.5, 14.9, 17.7),
    "denominator within": (4.4, 7.5, 0.5, 2.9, 4.1, 7.2, 8, 6.6, 7.9, 8, 7.3, 8.9, 8.3, 13.1, 10.6, 11.5, 11.9, 14.7),
    "power within": (3.5, 6.6, 1.1, 2, 3.2, 6.3, 7.1, 5.7, 7, 7.1, 6.4, 8, 7.3, 12.2, 9.7, 10.6, 11, 13.8),
}
# fmt: on


def events(expression: sp.Expr) -> Iterator[tuple[str, str, float]]:
    """Every node of an expression: where it stands, its kind, and the bits of the number that it names.

    Signs are not told; a quotient is a product with an inverse in it, a root of an inverse an inverse power.
    """
    waiting = [(FORMULA, expression)]
    while waiting:
        place, e = waiting.pop()
        if e.is_Add:
            inner = beneath(place, SUM)
            yield from ((p, SUM, 0.0) for p in (place, *[inner] * (len(e.args) - 2)))
            waiting += [(inner, a) for a in e.args]
        elif e.is_Mul:
            factors, inner = [a for a in e.args if a != -1], beneath(place, PRODUCT)
            yield from ((p, PRODUCT, 0.0) for p in (place, *[inner] * (len(factors) - 2)) if len(factors) > 1)
            waiting += [(inner if len(factors) > 1 else place, a) for a in factors]
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
            waiting += [(kind if kind in WITHIN else "function", a) for a in e.args]


def beneath(place: str, inner: str) -> str:
    """The place in a sum, product or power that stands in a place."""
    return f"{inner} within" if place in WITHIN or place.endswith(" within") else inner


def power(place: str, e: sp.Expr, waiting: list[tuple[str, sp.Expr]]) -> Iterator[tuple[str, str, float]]:
    """A power: its kind; what is in it goes to those that are waiting."""
    base, exponent = e.args
    if base.is_number:  # 2^x is told as an exponential
        yield place, "exp", named(base)
        waiting.append(("exp", exponent))
    elif exponent.is_Rational:
        if exponent == -1:
            yield place, "inverse", 0.0
        elif exponent < 0:
            yield place, "inverse power", named(exponent)
        else:
            yield place, "power" if exponent.is_Integer else "root", named(exponent) - named(sp.Integer(2))
        waiting.append((beneath(place, "denominator" if exponent < 0 else "power"), base))
    else:
        yield place, "any power", 0.0
        waiting.append((beneath(place, "power"), base))
        if not exponent.is_Float:
            waiting.append(("function", exponent))


def named(value: sp.Expr) -> float:
    """Bits of a number by the digits of its numerator and denominator, and of how many these are (Elias 1975)."""
    if value.is_Rational:
        return 2 * math.log2(max(1, abs(value.p) * value.q))
    return 4.0


def is_nested(expression: sp.Expr) -> bool:
    """Whether a function stands within a function."""
    return any(place.split()[-1] in (*WITHIN, "within") and kind in NAMES for place, kind, _ in events(expression))


def bits_of_form(expression: sp.Expr) -> float:
    """Bits of an expression but for the precision of its constants: node by node, or by the name of a law's form.

    A line in several inputs, a regression, is a name too: it is what people write of a table without a law.
    """
    told, forms = bits_of_nodes(expression), named_forms()
    if inputs := inputs_of_line(expression):
        told = min(told, LINE + LINE_INPUT * inputs)
    count = forms.get(skeleton(expression))
    return told if count is None else min(told, 1 + math.log2(sum(forms.values()) / count))


def inputs_of_line(expression: sp.Expr) -> int:
    """How many inputs a line has; 0 for what is no line."""
    terms = [term for term in sp.Add.make_args(expression) if not term.is_number]
    return len(terms) if all(map(is_line_of_one, terms)) else 0


def is_line_of_one(term: sp.Expr) -> bool:
    """Whether a term is an input, or a number times one."""
    return term.is_Symbol or (term.is_Mul and len(term.args) == 2 and term.args[0].is_Number and term.args[1].is_Symbol)


def bits_of_nodes(expression: sp.Expr) -> float:
    """Bits of an expression told node by node."""
    told = sum(BITS[place][KINDS.index(kind)] + more for place, kind, more in events(expression))
    return told + NESTED * is_nested(expression)


@lru_cache(maxsize=1)
def named_forms() -> dict[str, int]:
    """The forms of the named laws, and how many laws have each."""
    lines = files("kanrun.symbolic").joinpath("named_forms.txt").read_text(encoding="utf-8").splitlines()
    return {form: int(count) for count, form in (line.split(" ") for line in lines)}


def exponent_of(exponent: sp.Expr) -> str:
    """An exponent that is a number, as a text; C for decimals."""
    return "C" if exponent.is_Float else str(exponent)


def skeleton(node: sp.Expr, exponent_text: Callable[[sp.Expr], object] = exponent_of, name: str | None = "x") -> str:
    """The expression as a text without its constants.

    Factors that are numbers go, also their signs; terms that are numbers become C, but go from the arguments of exp,
    where they are factors, and of sine and cosine, which become one function with any phase. Exponents stay, as their
    text says. Inputs are all called `name`, or by their own names.
    """

    def of(e: sp.Expr) -> str:
        return skeleton(e, exponent_text, name)

    parts = [of(a) for a in node.args if not a.is_number]
    if node.is_number:
        return "C"
    if node.is_Symbol:
        return name or str(node.name)
    if node.is_Mul:
        return "*".join(sorted(parts)) if len(parts) == 1 else f"({'*'.join(sorted(parts))})"
    if node.is_Add:
        return f"({'+'.join(sorted(parts) + ['C'] * (len(parts) < len(node.args)))})"
    if node.is_Pow:
        base, exponent = node.args
        if base.is_number:
            return f"exp({of(exponent)})"
        return f"{parts[0]}^{exponent_text(exponent)}" if exponent.is_number else f"{parts[0]}^({parts[1]})"
    if isinstance(node, (sp.exp, sp.sin, sp.cos)):
        argument = of(node.args[0].as_independent(*node.free_symbols, as_Add=True)[1])
        return f"{'exp' if isinstance(node, sp.exp) else 'sin'}({argument})"
    return f"{node.func.__name__}({','.join(parts)})"
