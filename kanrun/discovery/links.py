"""Link functions: last functions that can be undone, where what is left of the targets is easier to explain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.compare import over_decades

MOSTLY = 0.98  # part of the values that must have the sign of a root or a square
WIDEST = 30.0  # range of y beyond which exp(y) says nothing about most rows


@dataclass(frozen=True)
class Link:
    """y = c * f(z) + d with f from the library: `undo` gives z where `allows` says that it can.

    What generalized linear models call a link is the way back, z = g(y) (Nelder, Wedderburn 1972, J. R. Stat. Soc. A
    135); it is named here by its f. One that is `relative` has another name: with it errors of z count alike, not
    those of y, and rows without a z do not count.
    """

    name: str
    allows: Callable[[Tensor], bool]
    undo: Callable[[Tensor], Tensor]
    signed: bool = False  # whether c takes the sign of the targets
    shifted: bool = False  # whether d is their largest value
    f: str = ""  # where it is not the name
    relative: bool = False

    @property
    def function(self) -> str:
        """The name of f."""
        return self.f or self.name

    def undone(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z at the targets `y` [rows, 1], 0 where there is none, and whether there is one: two of this shape."""
        z = self.undo(y)
        there = torch.isfinite(z)
        return torch.where(there, z, torch.zeros_like(z)), there

    def constants(self, y: Tensor) -> tuple[float, float]:
        """c and d."""
        c = -1.0 if self.signed and float(y.mean()) < 0 else 1.0
        return c, float(y.max()) if self.shifted else 0.0

    def apply(self, z: Tensor, y: Tensor) -> Tensor:
        """Targets from z, with the constants that suit the targets `y`."""
        c, d = self.constants(y)
        return c * FUNCTIONS[self.function].value(z) + d

    def slope(self, z: Tensor, y: Tensor) -> Tensor:
        """The derivative of `apply` by z."""
        return self.constants(y)[0] * FUNCTIONS[self.function].slope(z)


def one_sign(y: Tensor) -> bool:
    """Whether no value is zero or on the other side of it."""
    return bool((y > 0).all() or (y < 0).all())


def _no_change(y: Tensor) -> bool:
    """Whether hardly a value lies on the other side of zero: noise may have put some there."""
    return bool(((y >= 0).double().mean() >= MOSTLY) or ((y <= 0).double().mean() >= MOSTLY))


def _within(low: float, high: float) -> Callable[[Tensor], bool]:
    return lambda y: bool(((y > low) & (y < high)).all())


def _over_decades(y: Tensor) -> bool:
    return over_decades(y.double().cpu().numpy())


def _log_size(y: Tensor) -> Tensor:
    """The logarithm of the size of numbers that have all their digits."""
    return torch.where(y.abs() > torch.finfo(y.dtype).tiny, y.abs().log(), math.nan)


LINKS = [
    Link("x", lambda _: True, lambda y: y),
    Link("exp", one_sign, lambda y: y.abs().log(), signed=True),
    Link("1/x", one_sign, torch.reciprocal),
    Link("sqrt", _no_change, torch.square, signed=True),
    Link("x^2", _no_change, lambda y: y.abs().sqrt(), signed=True),
    Link("1/sqrt(x)", one_sign, lambda y: y**-2, signed=True),
    Link("1/x^2", one_sign, lambda y: y.abs().rsqrt(), signed=True),
    Link("tanh", _within(-1, 1), torch.atanh),
    Link("log", lambda y: float(y.max() - y.min()) < WIDEST, lambda y: torch.exp(y - y.max()), shifted=True),
    Link("arcsin", _within(-math.pi / 2, math.pi / 2), torch.sin),
    Link("arctan", _within(-math.pi / 2, math.pi / 2), torch.tan),
    Link("arccos", _within(0, math.pi), torch.cos),
]
LOGARITHM = Link("exp, relative", _over_decades, _log_size, signed=True, f="exp", relative=True)
SUM_LINKS = [*LINKS, LOGARITHM]  # under which sums of terms are looked for
LINK_NAMED = {link.name: link for link in SUM_LINKS}
