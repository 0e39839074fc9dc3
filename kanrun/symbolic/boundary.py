"""The boundary of two classes as an equation whose constants do not depend on the scale of the log-odds.

Log-odds are a factor times left less right of the equation. Where an input stands alone in one term the equation is
solved for it, y = a + b*x**2; else the constant is 1, x**2/3**2 + y**2/2**2 = 1, or the first factor where there is no
constant. The errors of its constants are those of the Fisher information of factor and constants together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp

from kanrun.data.dataset import Dataset
from kanrun.functions.naming import as_shown
from kanrun.symbolic.adding_up import with_units
from kanrun.symbolic.constants import MOST, Form, constants_of
from kanrun.symbolic.expression import number
from kanrun.symbolic.logistic import Classes, is_separated, weighted_slopes
from kanrun.symbolic.uncertainty import Constant, standard_errors

PURE = "boundary"  # the name of what has no unit


@dataclass(frozen=True)
class Boundary:
    """left = right where the log-odds are 0: texts over the inputs, and `rounded` the equation in the user's names.

    The second class is predicted where left > right if it is `above`, else where left < right. `constants` are those of
    the equation in their order there; `factor` times (left - right) are the log-odds. Where the classes do not overlap
    (`separated`) the odds are not determined, and the factor has no standard error: any larger one is likelier.
    """

    left: str
    right: str
    rounded: str
    above: bool
    constants: list[Constant]
    factor: Constant
    separated: bool


@dataclass
class Equation:
    """Two sides with symbols in the place of constants, whose sizes are `values`."""

    left: sp.Expr = sp.Integer(0)
    right: sp.Expr = sp.Integer(0)
    factor: float = 1.0
    values: list[float] = field(default_factory=list)
    units: dict[int, str] = field(default_factory=dict)  # of constants that are lengths of an input

    def constant(self, value: float) -> sp.Expr:
        """A constant as a sign times a symbol; equal sizes are one constant, and 1 is none."""
        if abs(value) == 1.0:
            return sp.Integer(int(value))
        if abs(value) not in self.values:
            self.values.append(abs(value))
        return (-1 if value < 0 else 1) * symbol_of(self.values.index(abs(value)))

    def opened(self, expression: sp.Expr) -> sp.Expr:
        """An expression with symbols in the place of its decimals."""
        return expression.xreplace({f: self.constant(float(f)) for f in expression.atoms(sp.Float)})

    def filled(self, side: sp.Expr, numbers: Sequence[sp.Expr]) -> sp.Expr:
        """A side with these in the place of its constants."""
        return side.xreplace({symbol_of(k): n for k, n in enumerate(numbers)})


def symbol_of(k: int) -> sp.Symbol:
    """The symbol of a constant, called as `Form` calls it."""
    return sp.Symbol(f"constant {k}", real=True)


def boundary_of(log_odds: sp.Expr, classes: Classes, data: Dataset) -> Boundary | None:
    """The boundary where log-odds of the second class are 0; None for a constant or for very many of them."""
    equation = equation_of(log_odds, data)
    if equation is None or len(equation.values) > MOST:
        return None
    separated = is_separated(log_odds, classes)
    count = len(equation.values)
    scaled = symbol_of(count) * (equation.left - equation.right)
    form = Form(scaled, tuple(symbol_of(k).name for k in range(count + 1)))
    at = np.array([*equation.values, equation.factor])
    errors = standard_errors(weighted_slopes(form, at, classes)[0])[0]
    units = units_of(equation, data)
    constants = [Constant(v, e, units.get(k)) for k, (v, e) in enumerate(zip(equation.values, errors, strict=False))]
    whole = [equation.filled(side, [number(v) for v in equation.values]) for side in (equation.left, equation.right)]
    named = [sp.Symbol(f"{v:.4g}") for v in equation.values]
    shown = [as_shown(equation.filled(side, named), data.names) for side in (equation.left, equation.right)]
    factor, text = Constant(equation.factor, None if separated else errors[-1]), " = ".join(shown)
    constants.sort(key=lambda c: place_of(f"{c.value:.4g}", text))
    return Boundary(str(whole[0]), str(whole[1]), text, equation.factor > 0, constants, factor, separated)


def place_of(shown: str, text: str) -> int:
    """Where a constant is in the equation as it is shown."""
    found = re.search(rf"(?<!\*\*)(?<![\w.]){re.escape(shown)}(?![\w.])", text)
    return found.start() if found else len(text)


def equation_of(log_odds: sp.Expr, data: Dataset) -> Equation | None:
    """The equation in its natural form."""
    constant, terms = log_odds.as_coeff_Add()
    parts = [term.as_coeff_Mul() for term in sp.Add.make_args(terms)]
    if not terms.free_symbols or not all(c.is_number and c != 0 for c, _ in parts):
        return None
    at, parts = float(constant), [(float(c), rest) for c, rest in parts]
    alone = [k for k, (_, rest) in enumerate(parts) if rest.is_Symbol and occurs_once(rest, parts)]
    if len(parts) == 1:
        return solved_for(0, at, parts)
    if alone:
        return solved_for(max(alone, key=lambda k: data.inputs.index(parts[k][1].name)), at, parts)
    if at == 0:
        return solved_for(0, at, parts)
    equation = Equation(right=sp.Integer(1), factor=-at)
    for c, rest in parts:
        equation.left += with_length(equation, -c / at, rest, data)
    return equation


def occurs_once(symbol: sp.Symbol, parts: list[tuple[float, sp.Expr]]) -> bool:
    """Whether an input is in one of the terms alone."""
    return sum(symbol in rest.free_symbols for _, rest in parts) == 1


def solved_for(k: int, constant: float, parts: list[tuple[float, sp.Expr]]) -> Equation:
    """The equation with one of the terms on its left side."""
    factor, rest = parts[k]
    equation = Equation(factor=factor)
    equation.left = equation.opened(rest)
    if constant:
        equation.right += equation.constant(-constant / factor)
    for c, other in (part for i, part in enumerate(parts) if i != k):
        equation.right += equation.constant(-c / factor) * equation.opened(other)
    return equation


def with_length(equation: Equation, c: float, rest: sp.Expr, data: Dataset) -> sp.Expr:
    """c times a term; a square of an input, or of one from somewhere, is told by the length that it is 1 at."""
    if not (rest.is_Pow and rest.exp == 2 and c > 0):
        return equation.constant(c) * equation.opened(rest)
    length = equation.constant(c**-0.5)
    if len(rest.base.free_symbols) == 1 and length.is_Symbol:
        unit = data.units.get(next(iter(rest.base.free_symbols)).name)
        if unit:
            equation.units[int(length.name.split()[1])] = unit
    return equation.opened(rest) / length**2


def units_of(equation: Equation, data: Dataset) -> dict[int, str | None]:
    """The units of the constants by their numbers, as far as they are known."""
    numbers = [number(v) for v in equation.values]
    ratio = equation.left if equation.right == 1 else equation.right / equation.left
    side, own = equation.filled(ratio, numbers), replace(data, outputs=[PURE], units={**data.units, PURE: "1"})
    known = with_units([Constant(float(f), None) for f in constants_of(side)], side, own, 0)
    found = {abs(c.value): c.unit for c in known}
    return {k: equation.units.get(k, found.get(v)) for k, v in enumerate(equation.values)}
