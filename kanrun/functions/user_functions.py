"""A user's function of the library from its formula over x: values, slope, domain, parity and period; nothing is run
but the steps that the tree of the formula asks for.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from kanrun.errors import ConfigError, shorten, wrong
from kanrun.functions import parser
from kanrun.functions.builtin import BUILT_IN, Function
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula, symbol

MAX_LENGTH = 1000
EXAMPLE = "e.g. 1/(1+x**2)"
X = symbol("x")

ValueOf = Callable[[Tensor], Tensor]
Within = Callable[[Tensor, Tensor], Tensor]


class SizeOf(sp.Function):  # type: ignore[misc]
    """|x| of a real x, whose slope is the sign and nothing about complex numbers."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:  # noqa: ARG002
        return SignOf(self.args[0])


class SignOf(sp.Function):  # type: ignore[misc]
    """The sign, with slope 0."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:  # noqa: ARG002
        return sp.Integer(0)


class FloorOf(SignOf):
    """The next whole number below, with slope 0."""


def _gamma(z: Tensor) -> Tensor:
    sign = torch.where((z > 0) | (torch.floor(z).remainder(2) == 0), 1.0, -1.0).to(z.dtype)
    return sign * torch.exp(torch.lgamma(z))


def _step(z: Tensor, at_zero: Tensor) -> Tensor:
    """The step from 0 to 1 with slope 0; torch has none for its own."""
    return torch.heaviside(z.detach(), at_zero)


def _on_tensors(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A function of two tensors for two or more tensors and numbers."""

    def apply(*values: Any) -> Tensor:
        like = next(v for v in values if isinstance(v, Tensor))
        return reduce(function, [v if isinstance(v, Tensor) else torch.full_like(like, v) for v in values])

    return apply


TORCH: dict[Any, Callable[..., Any]] = {
    sp.Add: lambda *v: reduce(operator.add, v), sp.Mul: lambda *v: reduce(operator.mul, v), sp.Pow: operator.pow,
    sp.exp: torch.exp, sp.log: torch.log, SizeOf: torch.abs, SignOf: torch.sign, FloorOf: torch.floor,
    sp.Abs: torch.abs, sp.sign: torch.sign, sp.floor: torch.floor,
    sp.sin: torch.sin, sp.cos: torch.cos, sp.tan: torch.tan,
    sp.cot: lambda z: 1 / torch.tan(z), sp.sec: lambda z: 1 / torch.cos(z), sp.csc: lambda z: 1 / torch.sin(z),
    sp.asin: torch.asin, sp.acos: torch.acos, sp.atan: torch.atan, sp.atan2: _on_tensors(torch.atan2),
    sp.sinh: torch.sinh, sp.cosh: torch.cosh, sp.tanh: torch.tanh, sp.coth: lambda z: 1 / torch.tanh(z),
    sp.asinh: torch.asinh, sp.acosh: torch.acosh, sp.atanh: torch.atanh,
    sp.Min: _on_tensors(torch.minimum), sp.Max: _on_tensors(torch.maximum), sp.Heaviside: _on_tensors(_step),
    sp.erf: torch.erf, sp.erfc: torch.erfc, sp.gamma: _gamma,
    sp.loggamma: lambda z: torch.where(z > 0, torch.lgamma(z), math.nan),
    sp.polygamma: lambda n, z: torch.polygamma(int(n), z),
}  # fmt: skip

# What a function's argument may not pass without a pole: a zero of this, or anything but positive numbers.
ZEROS = {sp.log: lambda z: z, sp.tan: sp.cos, sp.sec: sp.cos, sp.cot: sp.sin, sp.csc: sp.sin, sp.coth: lambda z: z}
POSITIVE = (sp.gamma, sp.loggamma)


def allowed_names() -> list[str]:
    """The functions of the parser that a user's function may have in it."""
    return sorted(n for n, (f, _) in parser.FUNCTIONS.items() if f in TORCH or n in ("sqrt", "cbrt"))


def as_torch(expression: sp.Expr) -> ValueOf:
    """The values of an expression over x as a function of a tensor; equal parts are computed once.

    Raises TypeError with the name of a function that has no equivalent in torch.
    """
    steps: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    places: dict[sp.Basic, int] = {X: 0}

    def place(node: sp.Basic) -> int:
        """Where the value of `node` is found among the results of all steps; x itself is the first."""
        if node not in places:
            if node.free_symbols:
                if node.func not in TORCH:
                    raise TypeError(node.func.__name__)
                step = (TORCH[node.func], tuple(place(a) for a in node.args))
            else:
                step = (constant(node), ())
            steps.append(step)
            places[node] = len(steps)
        return places[node]

    last = place(expression)

    def value(z: Tensor) -> Tensor:
        results: list[Any] = [z]
        for step, arguments in steps:
            results.append(step(*(results[i] for i in arguments)))
        result = results[last]
        return result if isinstance(result, Tensor) else torch.full_like(z, result)

    return value


def constant(node: Any) -> Callable[[], float]:
    """A step that gives a number."""
    number = int(node) if node.is_Integer and abs(node) < 2**53 else float(evaluate(node, {})[0])
    return lambda: number


def slope_of(expression: sp.Expr) -> sp.Expr:
    """The derivative by x, with 0 where a function jumps."""
    real = expression.replace(sp.Abs, SizeOf).replace(sp.sign, SignOf).replace(sp.floor, FloorOf)
    return sp.diff(real, X)


def unbroken(expression: sp.Expr) -> ValueOf:
    """Whether there is no pole among points z [points, ...] in order: what may not be 0 keeps its sign there."""
    nodes = list(sp.preorder_traversal(expression))
    zeros = [n.base for n in nodes if n.is_Pow and n.exp.is_negative]
    zeros += [ZEROS[n.func](n.args[0]) for n in nodes if n.func in ZEROS]
    borders = [as_torch(e) for e in dict.fromkeys(zeros) if e.free_symbols]
    inner = [as_torch(n.args[0]) for n in nodes if n.func in POSITIVE and n.args[0].free_symbols]

    def check(z: Tensor) -> Tensor:
        fine = torch.ones_like(z[0], dtype=torch.bool)
        for border in borders:
            side = torch.sign(border(z))
            fine = fine & (side[0] != 0) & (side == side[0]).all(0)
        for argument in inner:
            fine = fine & (argument(z) > 0).all(0)
        return fine

    return check


def finite_between(value: ValueOf, without_pole: ValueOf) -> Within:
    """Whether the function is finite from `low` to `high`, element by element, as far as 33 points tell."""

    def within(low: Tensor, high: Tensor) -> Tensor:
        part = torch.linspace(0, 1, 33, dtype=low.dtype, device=low.device).reshape(-1, *[1] * low.ndim)
        z = torch.minimum(torch.maximum(low + (high - low) * part, low), high)
        return torch.isfinite(low) & torch.isfinite(high) & torch.isfinite(value(z)).all(0) & without_pole(z)

    return within


def domain_of(value: ValueOf, without_pole: ValueOf, within: Within) -> str | None:
    """The domain by name; 'pieces' where none of the names suits, None where the function is finite nowhere."""

    def fine(low: float, high: float) -> bool:
        return bool(within(*torch.tensor([[low], [high]], dtype=torch.float64)))

    far = torch.linspace(-100, 100, 4001, dtype=torch.float64)
    near, steps = torch.linspace(-10, 10, 401, dtype=torch.float64), torch.logspace(-6, 3, 91, dtype=torch.float64)
    if not any(bool(within(points[:-1], points[1:]).any()) for points in (near, steps, -steps.flip(0))):
        return None
    # Beyond a moderate range values may overflow, as those of exp do.
    if fine(-4, 4) and not bool(torch.isnan(value(far)).any()) and bool(without_pole(far)):
        return "real"
    if fine(0.01, 4) and not fine(-0.01, 0.01):
        if fine(-4, -0.01):
            return "nonzero"
        return "nonnegative" if fine(0, 4) else "positive"
    if fine(-0.99, 0.99) and not fine(-1, 1.01) and not fine(-1.01, 1):
        return "unit" if fine(-1, 1) else "inside"
    return "pieces"


def parity_of(value: ValueOf) -> int:
    """1 where f(-x) = f(x), -1 where f(-x) = -f(x), else 0; by comparison at some points."""
    near, far = (0.013, 0.13, 0.37, 0.71, 0.93, 1.7, 2.9, 7.3), (19.3, 43.7, 97.1)  # as far as domains are looked at
    z = torch.tensor([*near, *far], dtype=torch.float64)
    there, mirrored = value(z), value(-z)
    both = torch.isfinite(there) & torch.isfinite(mirrored)
    if int(both.sum()) < 3 or not torch.equal(torch.isfinite(there), torch.isfinite(mirrored)):
        return 0
    return next((s for s in (1, -1) if torch.allclose(mirrored[both], s * there[both], rtol=1e-12, atol=1e-14)), 0)


def period_of(expression: sp.Expr, value: ValueOf) -> float:
    """The period that the sines and cosines in the formula bring with them, if any."""
    waves = [n.args[0] for n in sp.preorder_traversal(expression) if n.func in (sp.sin, sp.cos, sp.tan)]
    rates = {abs(float(sp.diff(w, X))) for w in waves if w.has(X) and not sp.diff(w, X).free_symbols}
    z = torch.linspace(-2, 2, 41, dtype=torch.float64) + 0.0137
    for part in (4, 3, 2, 1):
        for rate in sorted(rates, reverse=True):
            period = 2 * math.pi / rate / part
            if all(torch.allclose(value(z + n * period), value(z), rtol=1e-10, atol=1e-12) for n in (1, 2, 3)):
                return period
    return math.inf


@lru_cache(maxsize=256)
def user_function(name: str, text: str) -> Function:
    """The function that `text` writes over x. Raises ConfigError, which names its key, for anything else."""
    key = f"symbolic.functions.{shorten(name, 60)}"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", name):
        raise ConfigError(wrong(key, text, "a name has letters, digits and _, at most 40, and begins with no digit"))
    if any(name == f.name for f in BUILT_IN):
        raise ConfigError(wrong(key, text, f"{name} is a function of kanrun's own library; choose another name"))
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(wrong(key, text, f"a formula over x is needed, {EXAMPLE}"))
    expression = parse_formula(text, ["x"], key, MAX_LENGTH)
    if X not in expression.free_symbols:
        raise ConfigError(wrong(key, text, f"its values do not depend on x; a formula over x is needed, {EXAMPLE}"))
    try:
        value, slope = as_torch(expression), as_torch(slope_of(expression))
        without_pole = unbroken(expression)
        within = finite_between(value, without_pole)
        domain = domain_of(value, without_pole, within)
    except TypeError as error:
        reason = f"{error} cannot be trained; allowed are + - * / ** and {', '.join(allowed_names())}"
        raise ConfigError(wrong(key, text, reason)) from None
    except (ArithmeticError, RecursionError, ValueError, RuntimeError) as error:
        raise ConfigError(wrong(key, text, f"its slope cannot be computed: {shorten(str(error), 100)}")) from None
    if domain is None:
        raise ConfigError(wrong(key, text, "not finite anywhere"))
    return Function(
        name, text, operations(expression), value, slope, domain, parity_of(value),
        period_of(expression, value) if domain == "real" else math.inf, within,
    )  # fmt: skip


def operations(expression: sp.Expr) -> int:
    """The nodes of the tree without its numbers, which is the scale of the built-in functions."""
    return sum(1 for node in sp.preorder_traversal(expression) if not node.is_Number)
