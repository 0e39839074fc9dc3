"""The base functions that an edge has beside its spline, with derivatives of every order."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from kanrun.model.spline import Beside


@cache
def sigmoid_derivative(order: int) -> tuple[int, ...]:
    """That of the sigmoid s as a polynomial of s itself, low powers first, since s' = s - s^2."""
    if order == 0:
        return (0, 1)
    slope = [power * c for power, c in enumerate(sigmoid_derivative(order - 1))][1:]
    return tuple(c - d for c, d in zip([0, *slope, 0], [0, 0, *slope], strict=True))


def silu_derivative(x: Tensor, order: int) -> Tensor:
    """The derivative of x * sigmoid(x) of any order from 1 on: x s^(n) + n s^(n-1)."""
    s = torch.sigmoid(x)
    upper, lower = torch.zeros_like(x), torch.zeros_like(x)
    for c in reversed(sigmoid_derivative(order)):
        upper = upper.mul_(s).add_(c)
    for c in reversed(sigmoid_derivative(order - 1)):
        lower = lower.mul_(s).add_(c)
    return upper.mul_(x).add_(lower, alpha=order)


def identity_derivative(x: Tensor, order: int) -> Tensor:
    """1 in the first order, then 0."""
    return torch.ones_like(x) if order == 1 else torch.zeros_like(x)


BASES = {
    "silu": Beside(F.silu, torch.ops.aten.silu_backward, silu_derivative),
    "identity": Beside(lambda x: x, lambda gradient, _: gradient, identity_derivative),
    "zero": None,
}
