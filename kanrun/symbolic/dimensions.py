"""Whether a formula adds up in its units, and which unit each of its constants has where it does.

A dimension is a vector of exponents of base units, and the logarithm of the factor that leads there: metres and feet
have different ones. Decimals are measured, so each has a dimension that is to be found, at every place where it stands;
so have columns whose unit is not known. Every sum, function and power gives linear equations for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array
from kanrun.symbolic.constants import constants_of

SMALL = 1e-8  # of exponents: nothing
HOMOGENEOUS = (sp.Abs, sp.Max, sp.Min)  # functions whose value has the dimension of their arguments

Dimension = Array  # exponents [bases + 1], the last one the logarithm of the factor


@dataclass(frozen=True)
class Units:
    """The dimensions of symbols by their names, and of the output; those that are not there are not known."""

    symbols: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    output: tuple[float, ...] | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to hold a formula against: the output and an input."""
        return self.output is not None and bool(self.symbols)

    def without_factors(self) -> Units:
        """The same where the sizes of units do not count, for rows in other units of ten; symbols are x_1, x_2, ..."""
        return replace(
            self,
            symbols={name: (*d[:-1], 0.0) for name, d in self.symbols.items()},
            output=None if self.output is None else (*self.output[:-1], 0.0),
        )

    @property
    def bases(self) -> int:
        """The number of exponents of a dimension."""
        return len(self.output or next(iter(self.symbols.values()), ()))


@dataclass(frozen=True)
class Verdict:
    """Whether dimensions can agree everywhere, and those of each decimal in order of appearance; None where they may
    be any.

    A decimal that stands in several places has one for all of them, or several: equal numbers may be different things.
    """

    agree: bool
    constants: list[list[Dimension | None]]


@dataclass(frozen=True)
class Affine:
    """A dimension that depends on those to be found: exponents [unknowns] of these, and a known part [bases]."""

    of: Array
    known: Array

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.of + other.of, self.known + other.known)

    def __mul__(self, power: float) -> Affine:
        return Affine(self.of * power, self.known * power)

    def __sub__(self, other: Affine) -> Affine:
        return self + other * -1.0


class Equations:
    """The equations that an expression gives while it is walked through."""

    def __init__(self, expression: sp.Expr, units: Units) -> None:
        self.units = units
        self.decimals = constants_of(expression)
        others = sorted({s.name for s in expression.free_symbols} - set(units.symbols))
        self.places = {name: k for k, name in enumerate(others)}
        self.taken = len(others)
        self.where: dict[sp.Expr, list[int]] = {c: [] for c in self.decimals}
        self.count = len(others) + sum(1 for _ in sp.preorder_traversal(expression))
        self.rows: list[Affine] = []

    def none(self) -> Affine:
        """No dimension."""
        return Affine(np.zeros(self.count), np.zeros(self.units.bases))

    def unknown(self, place: int) -> Affine:
        """One that is to be found."""
        free = self.none()
        free.of[place] = 1.0
        return free

    def equal(self, one: Affine, other: Affine) -> None:
        """They have to agree."""
        self.rows.append(one - other)

    def of(self, e: sp.Expr) -> Affine:
        """The dimension of an expression."""
        if isinstance(e, sp.Symbol):
            if e.name in self.units.symbols:
                return Affine(np.zeros(self.count), np.array(self.units.symbols[e.name], dtype=float))
            return self.unknown(self.places[e.name])
        if isinstance(e, sp.Float):
            return self.decimal(e)
        if e.is_number:
            return self.none()
        if isinstance(e, sp.Mul):
            return self.of_product(e)
        if isinstance(e, sp.Add):
            return self.of_sum(e)
        if isinstance(e, (sp.Pow, sp.exp)):
            return self.of_power(e)
        parts = [self.of(a) for a in e.args]
        if isinstance(e, HOMOGENEOUS):
            for part in parts[1:]:
                self.equal(part, parts[0])
            return parts[0]
        for part in parts:
            self.equal(part, self.none())
        return self.none()

    def of_product(self, e: sp.Mul) -> Affine:
        """Dimensions add up; a number before a term that is no power of -1 may have been measured, too."""
        whole = self.none()
        for part in e.args:
            if part.is_number and not part.has(sp.Float) and part not in (-1, 1):
                whole += self.factor()
            else:
                whole += self.of(part)
        return whole

    def factor(self) -> Affine:
        """A number with a dimension to be found, such as a whole one before a term, which may hide a unit."""
        self.taken += 1
        return self.unknown(self.taken - 1)

    def decimal(self, e: sp.Float) -> Affine:
        """The dimension of a decimal where it stands."""
        self.where[e].append(self.taken)
        return self.factor()

    def of_sum(self, e: sp.Add) -> Affine:
        """Dimensions agree. A constant beside a logarithm may hold the unit of what that is taken of."""
        free = any(isinstance(a, sp.Float) for a in e.args)
        parts = []
        for part in e.args:
            logs = [f for f in sp.Mul.make_args(part) if isinstance(f, sp.log)]
            if free and len(logs) == 1:
                rest = sp.Mul(*[f for f in sp.Mul.make_args(part) if f is not logs[0]])
                self.of(logs[0].args[0])
                parts.append(self.of(rest) if not rest.is_number or rest.has(sp.Float) else self.factor())
            elif part.is_number and not part.has(sp.Float):
                parts.append(self.factor() if part.is_Rational and part not in (-1, 1) else self.none())
            else:
                parts.append(self.of(part))
        for part in parts[1:]:
            self.equal(part, parts[0])
        return parts[0]

    def of_power(self, e: sp.Expr) -> Affine:
        """A dimension to a fixed power; with an exponent that varies or is measured with the base there is none."""
        base, exponent = e.as_base_exp()
        if exponent.is_number:
            # The exponent itself has no dimension, though it may have been measured.
            for decimal in exponent.atoms(sp.Float):
                self.equal(self.decimal(decimal), self.none())
            value = float(exponent)
            return self.of(base) * value if math.isfinite(value) else self.none()
        self.equal(self.of(exponent), self.none())
        if not base.is_number or base.has(sp.Float):
            self.equal(self.of(base), self.none())
        return self.none()

    def solved(self, output: tuple[float, ...]) -> Verdict:
        """The verdict for an output of this dimension."""
        left = np.stack([row.of for row in self.rows])
        right = -np.stack([row.known for row in self.rows])
        solution, *_ = np.linalg.lstsq(left, right, rcond=SMALL)
        scale = max(1.0, float(np.abs(right).max()))
        agree = bool(np.abs(left @ solution - right).max() <= SMALL * scale * len(left)) and len(output) > 0
        _, sizes, directions = np.linalg.svd(left)
        free = directions[int((sizes > SMALL * max(1.0, sizes.max(initial=0))).sum()) :]
        settled = (np.abs(free) < 1e-6).all(0) if len(free) else np.ones(self.count, dtype=bool)
        found = [different([solution[k] for k in self.where[c] if agree and settled[k]]) for c in self.decimals]
        return Verdict(agree, [one or [None] for one in found])


def different(dimensions: list[Dimension]) -> list[Dimension | None]:
    """The dimensions that are not the same, in their order."""
    kept: list[Dimension | None] = []
    for one in dimensions:
        if not any(other is not None and np.allclose(one, other, atol=1e-6) for other in kept):
            kept.append(one)
    return kept


def dimensions_of(expression: sp.Expr, units: Units) -> Verdict:
    """Whether the expression adds up in these units, and what its decimals have to be for that.

    (Dimensional homogeneity: Fourier 1822; Bridgman 1922, Dimensional Analysis, ch. 2.)
    """
    decimals = constants_of(expression)
    if not units.known:
        return Verdict(True, [[None]] * len(decimals))
    assert units.output is not None
    equations = Equations(expression, units)
    whole = equations.of(expression)
    equations.equal(whole, Affine(np.zeros(equations.count), np.array(units.output, dtype=float)))
    return equations.solved(units.output)
