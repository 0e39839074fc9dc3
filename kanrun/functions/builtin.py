"""The built-in functions that an edge can become: value, slope, text, complexity and domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Function:
    """One function f of one variable, used on edges as c * f(a * x + b).

    `text` is f as a formula over x; `complexity` follows pykan's scale, roughly the nodes of the expression tree.
    `domain` says where the argument may lie: real, positive, nonnegative, unit (|x| <= 1), inside (|x| < 1)
    or nonzero (one side of 0), or pieces: where `within`, which a user's function has, says so for the lowest and the
    highest argument.
    `period` and `parity` (1 even, -1 odd, 0 neither) let the constants of a formula be written in one canonical way.
    """

    name: str
    text: str
    complexity: int
    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    domain: str = "real"
    parity: int = 0
    period: float = math.inf
    within: Callable[[Tensor, Tensor], Tensor] | None = None

    def allows(self, z: Tensor) -> Tensor:
        """Whether all arguments `z` [rows, ...] of a column lie in the domain: a boolean for each column."""
        low, high = z.amin(0), z.amax(0)
        if self.within is not None:
            return self.within(low, high)
        if self.domain == "positive":
            return low > 0
        if self.domain == "nonnegative":
            return low >= 0
        if self.domain == "unit":
            return (low >= -1) & (high <= 1)
        if self.domain == "inside":
            return (low > -1) & (high < 1)
        if self.domain == "nonzero":
            return (low > 0) | (high < 0)
        if self.name == "tan":
            return (high - low < math.pi) & (torch.cos(low) * torch.cos(high) > 0)
        return torch.isfinite(low) & torch.isfinite(high)


def _power(n: int, complexity: int) -> Function:
    if n > 0:
        return Function(f"x^{n}", f"x**{n}", complexity, lambda z: z**n, lambda z: n * z ** (n - 1), "real", (-1) ** n)
    name = "1/x" if n == -1 else f"1/x^{-n}"
    return Function(
        name, f"x**({n})", complexity, lambda z: z**n, lambda z: n * z ** (n - 1), "nonzero", 1 if n % 2 == 0 else -1
    )


def _sech2(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z) ** 2


BUILT_IN = (
    Function("0", "0", 0, torch.zeros_like, torch.zeros_like, parity=1),
    Function("x", "x", 1, lambda z: z, torch.ones_like, parity=-1),
    *(_power(n, n) for n in (2, 3, 4, 5)),
    *(_power(-n, n + 1) for n in (1, 2, 3, 4, 5)),
    Function("sqrt", "sqrt(x)", 2, torch.sqrt, lambda z: 0.5 * z**-0.5, "nonnegative"),
    Function("x^1.5", "x**(3/2)", 4, lambda z: z**1.5, lambda z: 1.5 * z**0.5, "nonnegative"),
    Function("1/sqrt(x)", "1/sqrt(x)", 3, torch.rsqrt, lambda z: -0.5 * z**-1.5, "positive"),
    Function("exp", "exp(x)", 2, torch.exp, torch.exp),
    Function("log", "log(x)", 2, torch.log, torch.reciprocal, "positive"),
    Function("abs", "Abs(x)", 3, torch.abs, torch.sign, parity=1),
    Function("sin", "sin(x)", 2, torch.sin, torch.cos, parity=-1, period=2 * math.pi),
    Function("cos", "cos(x)", 2, torch.cos, lambda z: -torch.sin(z), parity=1, period=2 * math.pi),
    Function("tan", "tan(x)", 3, torch.tan, lambda z: torch.cos(z) ** -2, parity=-1, period=math.pi),
    Function("tanh", "tanh(x)", 3, torch.tanh, _sech2, parity=-1),
    Function("sgn", "sign(x)", 3, torch.sign, torch.zeros_like, parity=-1),
    Function("arcsin", "asin(x)", 4, torch.asin, lambda z: (1 - z**2) ** -0.5, "unit", -1),
    Function("arccos", "acos(x)", 4, torch.acos, lambda z: -((1 - z**2) ** -0.5), "unit"),
    Function("arctan", "atan(x)", 4, torch.atan, lambda z: 1 / (1 + z**2), parity=-1),
    Function("arctanh", "atanh(x)", 4, torch.atanh, lambda z: 1 / (1 - z**2), "inside", -1),
    Function(
        "gaussian", "exp(-x**2)", 3, lambda z: torch.exp(-(z**2)), lambda z: -2 * z * torch.exp(-(z**2)), parity=1
    ),
)
