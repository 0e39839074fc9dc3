"""Formulas in a frame in which inputs and outputs are about one, where constants can be told from rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp
import torch

from kanrun.data.dataset import Dataset
from kanrun.data.sizes import WIDEST_TARGETS, exponent, input_units
from kanrun.functions.parser import symbol
from kanrun.symbolic.expression import number, scaled

LONG = 10**6  # largest numerator or denominator of a fraction that is not written as a decimal


@dataclass(frozen=True)
class Frame:
    """The power of ten that each input and each output is divided by, as exponents."""

    names: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def is_plain(self) -> bool:
        """Whether nothing has another size."""
        return not any(self.inputs) and not any(self.outputs)

    def data(self, data: Dataset) -> Dataset:
        """The dataset with its training rows in the frame."""
        x, y = data.train.x.double(), data.train.y
        x = x / x.new_tensor([float(f"1e{n}") for n in self.inputs])
        if any(self.outputs):
            y = y.double() / x.new_tensor([float(f"1e{n}") for n in self.outputs])
        return replace(data, train=replace(data.train, x=x, y=y))

    def entered(self, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Formulas of the rows themselves, one an output, in the frame."""
        return self.moved(expressions, 1)

    def left(self, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Formulas in the frame for the rows themselves; fractions that are too long to be read become decimals."""
        return [short(e) for e in self.moved(expressions, -1)]

    def moved(self, expressions: Sequence[sp.Expr], sign: int) -> list[sp.Expr]:
        """With each input times its power of ten, or over it, and each output the other way round."""
        tens = zip(self.names, self.inputs, strict=True)
        inputs = {symbol(name): sp.Integer(10) ** (sign * n) * symbol(name) for name, n in tens if n}
        return [
            scaled(outside(e.xreplace(inputs)), sp.Integer(10) ** (-sign * n))
            for e, n in zip(expressions, self.outputs, strict=True)
        ]


def frame_of(data: Dataset) -> Frame:
    """The frame of the training rows."""
    sizes = [1.0] * len(data.outputs)
    if data.loss.rescalable:
        y = data.train.y.double().cpu()
        spread = y.std(0, correction=0)
        sizes = torch.where(spread > 0, spread, y.abs().amax(0)).tolist()
    scales = input_units(data.train.x)[1].double().log10().round().int().tolist()
    return Frame(tuple(data.inputs), tuple(scales), tuple(exponent(size, widest=WIDEST_TARGETS) for size in sizes))


def outside(expression: sp.Expr) -> sp.Expr:
    """The expression with constant factors inside logarithms as constants beside them."""

    def split(argument: sp.Expr) -> sp.Expr:
        factor, rest = argument.as_coeff_Mul()
        return sp.log(rest) + number(float(sp.log(factor))) if factor.is_positive and factor != 1 else sp.log(argument)

    return expression.replace(sp.log, split)


def short(expression: sp.Expr) -> sp.Expr:
    """The expression with long fractions as decimals."""
    long = {r: number(float(r)) for r in expression.atoms(sp.Rational) if max(abs(r.p), r.q) > LONG}
    return expression.xreplace(long)
