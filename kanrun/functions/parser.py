"""Formula text to SymPy, through a reader that knows the allowed names; nothing in the text is ever executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from kanrun.errors import ConfigError, shorten, unknown, wrong
from kanrun.functions.evaluate import evaluate
from kanrun.functions.syntax import no_such_function, syntax_tree

MAX_LENGTH, MAX_DEPTH, MAX_POWER, MAX_ORDER, MAX_NUMBER = 10_000, 100, 1000, 60, 1e300

NOT_FINITE = (sp.zoo, sp.oo, -sp.oo, sp.nan)

CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi, "e": sp.E, "E": sp.E}

# name: (function, allowed numbers of arguments)
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    **{name: (getattr(sp, name), (1,)) for name in (
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
        "exp", "sqrt", "cbrt", "Abs", "sign", "re", "im", "erf", "erfc", "gamma", "loggamma", "digamma",
        "airyai", "airybi", "elliptic_k", "LambertW", "zeta", "Ei", "Si", "Ci", "Shi", "Chi", "fresnels", "fresnelc",
        "floor",
    )},
    "log": (sp.log, (1, 2)), "ln": (sp.log, (1,)), "abs": (sp.Abs, (1,)), "sgn": (sp.sign, (1,)),
    "arcsin": (sp.asin, (1,)), "arccos": (sp.acos, (1,)), "arctan": (sp.atan, (1,)), "arctanh": (sp.atanh, (1,)),
    "atan2": (sp.atan2, (2,)), "Min": (sp.Min, (2, 3, 4)), "Max": (sp.Max, (2, 3, 4)), "beta": (sp.beta, (2,)),
    "besselj": (sp.besselj, (2,)), "bessely": (sp.bessely, (2,)),
    "besseli": (sp.besseli, (2,)), "besselk": (sp.besselk, (2,)), "jn": (sp.jn, (2,)), "yn": (sp.yn, (2,)),
    "elliptic_f": (sp.elliptic_f, (2,)), "elliptic_e": (sp.elliptic_e, (1, 2)),
    "legendre": (sp.legendre, (2,)), "assoc_legendre": (sp.assoc_legendre, (3,)),
    "chebyshevt": (sp.chebyshevt, (2,)), "chebyshevu": (sp.chebyshevu, (2,)), "hermite": (sp.hermite, (2,)),
    "laguerre": (sp.laguerre, (2,)), "gegenbauer": (sp.gegenbauer, (3,)), "jacobi": (sp.jacobi, (4,)),
    "Ynm": (sp.Ynm, (4,)), "Znm": (sp.Znm, (4,)),
}  # fmt: skip

# SymPy may simplify these at once; all others stay as they are written.
ELEMENTARY = {
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "sqrt"),
    *("cbrt", "Abs", "sign", "log", "ln", "abs", "sgn", "arcsin", "arccos", "arctan", "arctanh", "atan2", "floor"),
}

# These are expanded into polynomials, which grow with the order: a number, and not a large one.
ORDERED = {"legendre", "assoc_legendre", "chebyshevt", "chebyshevu", "hermite", "laguerre", "gegenbauer", "jacobi",
           "jn", "yn", "Ynm", "Znm"}  # fmt: skip


def symbol(name: str) -> sp.Symbol:
    """The SymPy symbol of an input; inputs are real numbers."""
    return sp.Symbol(name, real=True)


def input_index(name: str) -> int | None:
    """3 for 'x_3', None for other names."""
    match = re.fullmatch(r"x_([1-9]\d{0,3})", name)
    return int(match.group(1)) if match else None


def parse_formula(
    text: object, names: list[str] | None = None, key: str = "dataset.formula", most: int = MAX_LENGTH
) -> sp.Expr:
    """The expression that `text` writes over x_1, x_2, ... or over `names`.

    Raises ConfigError naming `key` for anything that is not a formula over known names and functions.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = repr(text)
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(wrong(key, text, "a formula as text is needed, e.g. 'exp(sin(pi*x_1)+x_2**2)'"))
    if len(text) > most:
        raise ConfigError(wrong(key, text, f"a formula has at most {most} characters"))
    return _parsed(text, None if names is None else tuple(names), key)


@lru_cache(maxsize=1000)  # a run reads its formulas ten times: to score, to compare, to draw and to write them
def _parsed(text: str, names: tuple[str, ...] | None, key: str) -> sp.Expr:
    """The same of a text that is not too long."""
    try:
        tree = syntax_tree(text, FUNCTIONS)
    except ValueError as error:
        raise ConfigError(wrong(key, text, f"not a formula, {error}")) from None
    try:
        result = _Reader(names, key, text).read(tree, 0)
    except (RecursionError, OverflowError, ZeroDivisionError):
        raise ConfigError(wrong(key, text, "a number in it is too large, or it divides by zero")) from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(wrong(key, text, f"not a formula: {shorten(str(error), 100)}")) from None
    if result.has(*NOT_FINITE):
        raise ConfigError(wrong(key, text, "not finite on its domain"))
    if result.has(sp.I) and not is_real_somewhere(result):
        raise ConfigError(wrong(key, text, "its values are not real numbers"))
    return result


def is_real_somewhere(expression: sp.Expr) -> bool:
    """Whether a formula with imaginary parts has real values at some points all the same."""
    points = np.array([-1.3, -0.4, 0.3, 1.7])
    columns = {s.name: np.roll(points, i) for i, s in enumerate(sorted(expression.free_symbols, key=str))}
    return bool(np.isfinite(evaluate(expression, columns)).any())


class _Reader:
    """Walks a syntax tree and allows only arithmetic, numbers, inputs, constants and known functions."""

    def __init__(self, names: Sequence[str] | None, key: str, text: str) -> None:
        self.names, self.key, self.text = names, key, text

    def fail(self, why: str) -> ConfigError:
        return ConfigError(wrong(self.key, self.text, why))

    def read(self, node: ast.expr, depth: int) -> sp.Expr:
        if depth > MAX_DEPTH:
            raise self.fail(f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, ast.Constant):
            return self.number(node.value)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self.read(node.operand, depth + 1)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            return self.operation(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        raise self.fail("only numbers, inputs, + - * / **, brackets and functions are allowed")

    def number(self, value: object) -> sp.Expr:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(f"{value!r} is not a real number")
        if isinstance(value, int):
            return sp.Integer(value) if abs(value) < 10**15 else sp.Float(value, 17)
        short = sp.Float(repr(value), 17)  # prints as it was written, and nearly always is the same number
        return short if float(short) == value else sp.Float(value, 17)

    def name(self, name: str) -> sp.Expr:
        if self.names is not None and name in self.names:
            return symbol(name)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if self.names is None and input_index(name):
            return symbol(name)
        if name in FUNCTIONS:
            raise self.fail(f"the function {name} needs brackets, e.g. {name}({(self.names or ['x_1'])[0]})")
        known = self.names if self.names is not None else ["x_1", "x_2", "..."]
        raise self.fail(unknown(f"name {name}", name, [*known[:20], *CONSTANTS]))

    def operation(self, node: ast.BinOp, depth: int) -> sp.Expr:
        """Arithmetic; a chain such as a + b + c + ... is walked without going deeper for each of its terms."""
        chain = []
        while isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
            chain.append((node.op, node.right))
            node = node.left  # type: ignore[assignment]
        value = self.power(node, depth) if isinstance(node, ast.BinOp) else self.read(node, depth + 1)
        for op, right_node in reversed(chain):
            right = self.read(right_node, depth + 1)
            if isinstance(op, ast.Add):
                value = value + right
            elif isinstance(op, ast.Sub):
                value = value - right
            elif isinstance(op, ast.Mult):
                value = value * right
            elif isinstance(op, ast.Div):
                value = value / right
            else:
                raise self.fail("only + - * / ** are allowed between two values")
        return self.checked(value)

    def power(self, node: ast.BinOp, depth: int) -> sp.Expr:
        base, exponent = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        if exponent.is_number and abs(float(exponent)) > MAX_POWER:
            raise self.fail(f"powers go from -{MAX_POWER} to {MAX_POWER}")
        if base.is_Rational and exponent.is_number and abs(float(exponent)) > 10:
            base = sp.Float(base, 17)  # exact powers of large numbers grow without end
        return self.checked(sp.Pow(base, exponent))

    def call(self, node: ast.Call, depth: int) -> sp.Expr:
        if not isinstance(node.func, ast.Name):
            raise self.fail("only functions by their plain names can be called")
        name = node.func.id
        if name not in FUNCTIONS:
            if name in (self.names or ()) or name in CONSTANTS or input_index(name):
                raise self.fail(f"{name} is no function; a product is written {name}*(...)")
            raise self.fail(no_such_function(name, FUNCTIONS))
        function, counts = FUNCTIONS[name]
        if node.keywords or len(node.args) not in counts:
            raise self.fail(f"{name} takes {' or '.join(map(str, counts))} arguments")
        values = [self.read(a, depth + 1) for a in node.args]
        if name in ORDERED:
            orders = values[: 2 if name in ("assoc_legendre", "Ynm", "Znm") else 1]
            if any(not (n.is_Integer and abs(int(n)) <= MAX_ORDER) for n in orders):
                raise self.fail(f"the order of {name} is a whole number up to {MAX_ORDER}")
        if name not in ELEMENTARY:
            # SymPy would multiply it out, or compute numbers without end.
            result = function(*values, evaluate=False)
            if name != "Ynm" and not result.free_symbols and not np.isfinite(evaluate(result, {})[0]):
                raise self.fail("not finite on its domain")
            return result
        return self.checked(function(*values))

    def checked(self, value: sp.Expr) -> sp.Expr:
        """The value, unless it is a number too large to go on with, or not a real one."""
        if value.has(*NOT_FINITE):
            raise self.fail("not finite on its domain")
        if value.is_number and abs(float(evaluate(value, {})[0])) > MAX_NUMBER:
            raise self.fail("not finite on its domain, a number in it is too large")
        return value
