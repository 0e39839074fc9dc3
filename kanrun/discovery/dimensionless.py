"""Dimensionless groups of inputs with units (Buckingham 1914, Phys. Rev. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import sympy as sp
import torch
from torch import Tensor

from kanrun.symbolic.dimensions import Units

MOST_SETS = 200  # sets of repeating variables that are looked at
LARGEST = 6  # power of an input that a law may have

Powers = dict[int, float]


@dataclass(frozen=True)
class Similarity:
    """A target is `factor` times a function of the `groups`, each a product of powers of inputs by their numbers.

    A group of a single input with the power 1 is that input as it is.
    """

    factor: Powers
    groups: tuple[Powers, ...]

    def of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The factor [rows, 1] and the groups [rows, groups] at rows `x` [rows, inputs]."""
        one = torch.ones_like(x[:, 0])
        factor, *groups = (product(x, powers, one) for powers in (self.factor, *self.groups))
        return factor[:, None], torch.stack(groups, dim=1) if groups else x[:, :0]


def product(x: Tensor, powers: Powers, one: Tensor) -> Tensor:
    """The product of powers of columns: [rows]."""
    for i, p in powers.items():
        one = one * x[:, i] ** p
    return one


def similarities(units: Units, names: Sequence[str], positive: Sequence[bool]) -> Similarity | None:
    """The groups of inputs with units, with the smallest powers of all sets of repeating variables.

    Inputs without a known unit, or without dimension, are groups of their own. None where there are no fewer groups
    than inputs, where the target's unit is not among the products of theirs, or where an input that would have to be
    part of one is not `positive` everywhere.
    """
    if units.output is None:
        return None
    known = {i: units.symbols[name][:-1] for i, name in enumerate(names) if name in units.symbols}
    measured = [i for i, d in known.items() if any(d)]
    if not measured or not all(positive[i] for i in measured):
        return None
    target = rational(units.output[:-1])
    columns = {i: rational(known[i]) for i in measured}
    alone = tuple({i: 1.0} for i in range(len(names)) if i not in columns)
    found = [s for s in by_repeating_variables(columns, target) if most(s) <= LARGEST]
    if not found:
        return None
    best = min(found, key=lambda s: (size(s), [sorted(g.items()) for g in (s.factor, *s.groups)]))
    return Similarity(best.factor, (*best.groups, *alone))


def by_repeating_variables(columns: dict[int, sp.Matrix], target: sp.Matrix) -> Iterator[Similarity]:
    """The groups for every set of repeating variables."""
    rank = sp.Matrix.hstack(*columns.values()).rank()
    for chosen in islice(combinations(columns, rank), MOST_SETS):
        basis = sp.Matrix.hstack(*(columns[i] for i in chosen))
        if basis.rank() < rank:
            continue
        factor = powers_for(basis, target, chosen)
        if factor is None:
            return
        groups = []
        for i in (i for i in columns if i not in chosen):
            own = powers_for(basis, columns[i], chosen)
            assert own is not None
            groups.append({i: 1.0} | {j: -p for j, p in own.items()})
        yield Similarity(factor, tuple(groups))


def powers_for(basis: sp.Matrix, wanted: sp.Matrix, chosen: Sequence[int]) -> Powers | None:
    """The powers of the chosen inputs whose product has a wanted dimension; None where there are none."""
    if sp.Matrix.hstack(basis, wanted).rank() > basis.rank():
        return None
    solution = (basis.T * basis).LUsolve(basis.T * wanted)
    return {i: float(p) for i, p in zip(chosen, solution, strict=True) if p != 0}


def rational(dimension: Sequence[float]) -> sp.Matrix:
    """Exponents of base units as fractions."""
    return sp.Matrix([sp.Rational(round(12 * e), 12) for e in dimension])


def most(found: Similarity) -> float:
    """The largest power."""
    return max((abs(p) for powers in (found.factor, *found.groups) for p in powers.values()), default=0.0)


def size(found: Similarity) -> float:
    """The sum of all powers, those that are no whole numbers count twice."""
    return sum(abs(p) * (1 if p == round(p) else 2) for g in (found.factor, *found.groups) for p in g.values())
