"""Expressions as program text: one walk over the tree, told by a small table how a language writes its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from kanrun.exporters.source import CannotExportError

# How strongly the parts of a text hold together.
SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4

Template = str | Callable[..., str]


def floating(value: float) -> str:
    """A number that no language takes for a whole one, with all digits of float64."""
    return repr(float(value))


def shortest(value: float) -> str:
    """The same for languages whose numbers are all alike."""
    return repr(int(value)) if float(value).is_integer() and abs(value) < 10**15 else repr(float(value)).upper()


@dataclass(frozen=True)
class Language:
    """How a language writes an expression.

    `functions` has a template, such as "sin({0})", or a function of the arguments' texts for every function of SymPy's
    that there is; `power` and `root` (the square root) likewise. With `power_binds` a power is an operator, whose
    operands are put in brackets, and binds more strongly than a product.
    """

    name: str
    functions: Mapping[Any, Template]
    power: Template = "pow({0}, {1})"
    root: Template = "sqrt({0})"
    power_binds: bool = False
    times: str = "*"
    over: str = "/"
    number: Callable[[float], str] = floating
    pi: str = floating(float(sp.pi))
    names: Mapping[str, str] = field(default_factory=dict)


# The functions that all of them call by the same name and define in the same way.
ELEMENTARY: dict[Any, Template] = {
    f: f"{f.__name__}({{0}})"
    for f in (sp.sin, sp.cos, sp.tan, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.exp, sp.floor, sp.sign)
}

# Names that no variable may have in any of them.
MATHEMATICAL = [
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "log",
    "sqrt", "floor", "erf", "erfc",
]  # fmt: skip

# What no language needs to know.
WITHOUT = {
    sp.cot: lambda z: 1 / sp.tan(z), sp.sec: lambda z: 1 / sp.cos(z), sp.csc: lambda z: 1 / sp.sin(z),
    sp.coth: lambda z: 1 / sp.tanh(z), sp.acoth: lambda z: sp.atanh(1 / z),
}  # fmt: skip


def folded(name: str) -> Callable[..., str]:
    """A template for a function of two arguments that SymPy has with more."""

    def written(*arguments: str) -> str:
        text = arguments[0]
        for one in arguments[1:]:
            text = f"{name}({text}, {one})"
        return text

    return written


def code_of(expression: sp.Expr, language: Language) -> str:
    """The text of an expression. Raises CannotExportError where the language has no such function or number."""
    for function, rewrite in WITHOUT.items():
        expression = expression.replace(function, rewrite)
    return Writer(language).inside(expression, SUM)


@dataclass(frozen=True)
class Writer:
    """Writes the parts of one expression."""

    language: Language

    def inside(self, node: sp.Expr, least: int) -> str:
        """A part, in brackets where it holds together less strongly than it has to."""
        text, strength = self.write(node)
        return f"({text})" if strength < least else text

    def write(self, node: sp.Expr) -> tuple[str, int]:
        """The text of a part, and how strongly it holds together."""
        if node.is_Symbol:
            return self.language.names.get(node.name, node.name), ATOM
        if node.is_Add:
            return self.total(node), SUM
        if node.is_Mul or (node.is_Rational and not node.is_Integer):
            return self.product(node)
        if node.is_Pow:
            return self.power(node.base, node.exp)
        return self.leaf(node)

    def leaf(self, node: sp.Expr) -> tuple[str, int]:
        """A number, or a function."""
        if node == sp.pi:
            return self.language.pi, ATOM
        if node.is_Number or node.is_NumberSymbol:
            text = self.language.number(float(node))
            return text, SUM if text.startswith("-") else ATOM
        template = self.language.functions.get(node.func)
        if template is None:
            raise CannotExportError(f"{self.language.name} has no {node.func.__name__}: {node}")
        return filled(template, *(self.inside(a, SUM) for a in node.args)), ATOM

    def total(self, node: sp.Expr) -> str:
        """A sum, whose negative terms are taken away."""
        text = ""
        for term in node.as_ordered_terms():
            negative = bool(term.as_coeff_Mul()[0].is_negative)
            part = self.quotient(term) if negative else self.inside(term, PRODUCT)
            text += f" {'-' if negative else '+'} {part}" if text else f"{'-' * negative}{part}"
        return text

    def product(self, node: sp.Expr) -> tuple[str, int]:
        """A product or a quotient with its sign."""
        text = self.quotient(node)
        return (f"-{text}", SUM) if node.as_coeff_Mul()[0].is_negative else (text, PRODUCT)

    def quotient(self, node: sp.Expr) -> str:
        """The size of a product: its factors, divided by those with a negative power."""
        coefficient, rest = node.as_coeff_Mul()
        size = abs(coefficient)
        above: list[sp.Expr] = []
        below: list[sp.Expr] = []
        if size.is_Rational and size.q != 1:
            above, below = [sp.Integer(size.p)] * (size.p != 1), [sp.Integer(size.q)]
        elif size != 1:
            above = [size]
        for factor in rest.as_ordered_factors() if rest != 1 else ():
            if factor.is_Pow and factor.exp.is_Number and factor.exp.is_negative:
                below.append(sp.Pow(factor.base, -factor.exp))
            else:
                above.append(factor)
        parts = [self.inside(f, POWER) for f in above] or [self.language.number(1.0)]
        text = self.language.times.join(parts)
        if not below:
            return text
        parts = [self.inside(f, POWER) for f in below]
        bottom = self.language.times.join(parts)
        return f"{text}{self.language.over}{bottom if len(parts) == 1 else f'({bottom})'}"

    def power(self, base: sp.Expr, exponent: sp.Expr) -> tuple[str, int]:
        """A power, or a root."""
        if exponent.is_Number and exponent.is_negative:
            return self.quotient(sp.Pow(base, exponent)), PRODUCT
        if exponent == sp.Rational(1, 2):
            return filled(self.language.root, self.inside(base, SUM)), ATOM
        least = ATOM if self.language.power_binds else SUM
        text = filled(self.language.power, self.inside(base, least), self.inside(exponent, least))
        return text, POWER if self.language.power_binds else ATOM


def filled(template: Template, *arguments: str) -> str:
    """A template with its arguments."""
    return template.format(*arguments) if isinstance(template, str) else template(*arguments)
