"""Sizes of columns as powers of ten: what numbers are divided by to be about one, and taken off where they lie far."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST, MOST = 0.1, 10.0  # half-width of columns that are left as they are
FAR = 10.0  # the same for the distance of their middle from 0, in half-widths
WIDEST = 3.0  # half-width that scaled inputs have at most, and more than a tenth of it
WIDEST_TARGETS = 1.0  # the same for the spread of targets, so that most laws on inputs of size one have the same digits
OUTER = 0.05  # part of the rows at each end that has no say in where a column lies
DIGITS = {torch.float32: 37, torch.float64: 300}  # largest exponents whose squares or inverses are still numbers


def input_units(x: Tensor) -> tuple[Tensor, Tensor]:
    """Shift and scale, [inputs] each, by which `(x - shift) / scale` is about one for rows `x` [rows, inputs].

    The scale is a power of ten, so that constants keep their decimals; the shift is 0 unless a column is narrow against
    its distance from 0. Both follow from all rows but the outermost, which may be wild. Columns of a moderate size have
    shift 0 and scale 1.
    """
    units = [unit_of(column, DIGITS.get(x.dtype, 37)) for column in x.detach().double().cpu().sort(0).values.T]
    shift, scale = torch.tensor(units, dtype=torch.float64).reshape(-1, 2).unbind(1)
    return shift.to(x), scale.to(x)


def unit_of(ordered: Tensor, digits: int) -> tuple[float, float]:
    """Shift and scale of one column, whose rows are `ordered`."""
    outer = int(OUTER * len(ordered))
    low, high = float(ordered[outer]), float(ordered[-1 - outer])
    if not wide(low, high):
        low, high = float(ordered[0]), float(ordered[-1])
    if not wide(low, high):
        return 0.0, decimal(max(abs(low), abs(high)), digits)
    half, middle = high / 2 - low / 2, high / 2 + low / 2
    scale = decimal(half, digits)
    return far_middle(middle, half, scale), scale


def wide(low: float, high: float) -> bool:
    """Whether more than rounding lies between the two."""
    return high - low > 64 * torch.finfo(torch.float64).eps * max(abs(low), abs(high))


def decimal(size: float, digits: int = DIGITS[torch.float64], widest: float = WIDEST) -> float:
    """The power of ten by which a `size` becomes at most `widest`: 1 where it is moderate, 0 or not finite."""
    return float(f"1e{exponent(size, digits, widest)}")


def exponent(size: float, digits: int = DIGITS[torch.float64], widest: float = WIDEST) -> int:
    """That of this power of ten."""
    if LEAST <= size <= MOST or not 0 < size < math.inf:
        return 0
    return max(-digits, min(digits, math.ceil(math.log10(size / widest) - 1e-9)))


def far_middle(middle: float, half: float, scale: float) -> float:
    """What is taken off where the `middle` is far from 0: it, rounded to a tenth of the scale."""
    step = scale / 10
    return round(middle / step) * step if abs(middle) > FAR * half else 0.0
