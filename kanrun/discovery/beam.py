"""The beam search for a sum of terms under one link function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from kanrun.context import Context
from kanrun.data.losses import MSE, description_bits
from kanrun.discovery.atoms import POWERS, Term, power
from kanrun.discovery.links import LINK_NAMED, Link
from kanrun.discovery.terms import Product, Sum, Table, Weighed, kind_of
from kanrun.symbolic.linear import least_squares
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt

BEAM = 16  # sums that are carried on, more where there is nothing to train
LOOKED_AT = 6  # products a sum and a complexity that are tried next
POLISHED = 40  # sums of one length whose constants are trained
STEPS = 12
PROMISING = 1e-8  # unexplained part with which a sum is trained for longer
TRIED, TRIED_TERM = 0.15, 0.03  # units of work for solving and judging a sum, beside those of training it
DEGREE = 6  # of polynomials that are looked at whole
ROWS_A_TERM = 5  # rows that a whole polynomial must have for each of its terms


@dataclass(frozen=True)
class Scored:
    """A sum with the part of its targets' variance that it leaves unexplained, and its description length in bits."""

    sum: Sum
    unexplained: float
    bits: float


@dataclass
class Growth:
    """One more term for the sums of a beam, as far as it has come: sums looked at, what may be next, what is trained.

    A candidate is the place of a sum in the beam and its new term; those of the same functions count once.
    """

    looked_at: int = 0
    chosen: dict[tuple[Any, ...], tuple[int, float, tuple[int, Term]]] = field(default_factory=dict)
    candidates: list[tuple[int, Term]] | None = None
    scored: list[Scored] = field(default_factory=list)


@dataclass
class Beam:
    """A beam search as a plain value: the sums that are carried on, the best of every length, and the next length."""

    link_name: str
    sums: list[Scored]
    best: list[Scored] = field(default_factory=list)
    growth: Growth = field(default_factory=Growth)

    @property
    def link(self) -> Link:
        """The link function."""
        return LINK_NAMED[self.link_name]

    @property
    def shortest(self) -> Scored:
        """The sum with the shortest description so far."""
        return min(self.best, key=lambda s: s.bits)

    @property
    def exact(self) -> bool:
        """Whether a sum leaves only rounding unexplained."""
        return any(s.unexplained <= EXACT for s in self.best)


def fronts(points: list[tuple[int, float, Any]], most: int) -> list[Any]:
    """The Pareto front of complexity and what is unexplained, then that of the others, and so on: up to so many."""
    ordered: list[Any] = []
    left = sorted((p for p in points if p[1] < math.inf), key=lambda p: p[:2])
    while left and len(ordered) < most:
        least, others = math.inf, []
        for point in left:
            if point[1] < least:
                least = point[1]
                ordered.append(point[2])
            else:
                others.append(point)
        left = others
    return ordered[:most]


@dataclass(frozen=True)
class TermSearch:
    """What a beam search is held against: `targets` [rows] without their link function, on the rows of the table.

    To first order an error of them is `weights` [rows] times one of y, whose errors are alike; targets have the weights
    in them.
    """

    table: Table
    t: Tensor
    weights: Tensor
    targets: Tensor
    level: Tensor  # that leaves least of the targets
    variance: float  # which that leaves
    rows: int  # of the problem
    context: Context

    @classmethod
    def of(cls, table: Table, y: Tensor, link: Link, context: Context, rows: Tensor | None = None) -> TermSearch | None:
        """The search for `y` [rows, 1]; None where what is left of it without the link function cannot be used.

        The squared errors of `rows` [rows] count by these weights, all alike where there are none.
        """
        z, there = (part[:, 0] for part in link.undone(y))
        if int(there.sum()) < 2 or not (link.relative or bool(there.all())):
            return None
        scale = float(z[there].std())
        if not (math.isfinite(scale) and scale > 0):
            return None
        weights = (there.to(y.dtype) if link.relative else link.slope(z, y[:, 0]).abs())[table.rows]
        weights = weights if rows is None else weights * rows[table.rows].sqrt()
        weights = weights / weights.amax()
        weights = weights / weights.square().mean().sqrt()
        targets = weights * (z / scale)[table.rows]
        if not bool(torch.isfinite(weights).all()) or not bool(torch.isfinite(targets).all()):
            return None
        level = (weights * targets).sum() / (weights**2).sum()
        variance = float((targets - level * weights).square().mean())
        if not variance > 0:
            return None
        return cls(table, table.t[table.rows], weights, targets, level, variance, len(y), context)

    @cached_property
    def weighed(self) -> Weighed:
        """The products of the table on these rows."""
        return self.table.weighed(self.weights)

    def begun(self, link: Link) -> Beam:
        """The beam of the sum that is a constant."""
        return Beam(link.name, [Scored(Sum([], self.level[None]), 1.0, 0.0)])

    def grow(self, beam: Beam) -> bool:
        """One more term for every sum of the beam; whether that is done, or goes on from here when there is time."""
        growth = beam.growth
        if not self.look(beam):
            return False
        assert growth.candidates is not None
        while len(growth.scored) < len(growth.candidates):
            place, term = growth.candidates[len(growth.scored)]
            scored = self.trained(self.with_term(beam.sums[place].sum, term))
            if scored.unexplained <= EXACT:
                scored = self.eliminated(scored)
            growth.scored.append(scored)
            if scored.unexplained <= EXACT:
                break
            if len(growth.scored) < len(growth.candidates) and self.context.over():
                return False
        points = [(s.sum.complexity(self.table.arguments), s.unexplained, s) for s in growth.scored]
        beam.sums = fronts(points, BEAM if self.table.shaped else 4 * BEAM)
        beam.best += sorted(growth.scored, key=lambda s: s.bits)[:1]
        beam.growth = Growth()
        return True

    def look(self, beam: Beam) -> bool:
        """Chooses the candidates for the next term; whether that is done."""
        growth, arguments = beam.growth, self.table.arguments
        while growth.looked_at < len(beam.sums):
            state = beam.sums[growth.looked_at]
            complexity, kinds = state.sum.complexity(arguments), [kind_of(term) for term in state.sum.terms]
            for gain, new in self.next_terms(state.sum):
                key = tuple(sorted([*kinds, new.kind]))
                left = state.unexplained * max(1 - gain, 0.0)
                if key not in growth.chosen or left < growth.chosen[key][1]:
                    growth.chosen[key] = complexity + 1 + new.complexity, left, (growth.looked_at, new.term)
            growth.looked_at += 1
            if growth.looked_at < len(beam.sums) and self.context.over():
                return False
        if growth.candidates is None:
            points = list(growth.chosen.values())
            growth.candidates = fronts(points, POLISHED if self.table.shaped else 4 * BEAM)
        return True

    def next_terms(self, old: Sum) -> list[tuple[float, Product]]:
        """Products that explain most of what the sum leaves, with the part of it that each would explain."""
        columns = old.passed(self.t).columns * self.weights[:, None]
        most = LOOKED_AT if old.terms else 4 * LOOKED_AT

        def looked() -> Tensor:
            found = self.table.next_terms(columns, self.targets, self.weighed, most)
            self.context.spend(self.table.work(columns.shape[1], len(found)))
            return torch.tensor(found, dtype=torch.float64).reshape(-1, 3)

        found = self.context.once(looked).tolist()
        return [(gain, self.table.product(int(m), int(shape))) for gain, m, shape in found]

    def whole_polynomial(self, beam: Beam) -> None:
        """The polynomial of the lowest degree that explains all, without the terms that it does not need."""
        functions, n = self.table.functions, self.table.x.shape[1]
        for degree in range(2, DEGREE + 1):
            known = all(POWERS[p] in functions for p in range(1, min(degree, 5) + 1))
            if not known or ROWS_A_TERM * (math.comb(n + degree, degree) - 1) > len(self.targets):
                break
            chosen = [c for d in range(1, degree + 1) for c in combinations_with_replacement(range(n), d)]
            terms = [tuple(f for i in sorted(set(c)) for f in power(i, c.count(i), functions)) for c in chosen]
            found = self.trained(Sum(terms, self.targets.new_zeros(1 + len(terms))))
            if found.unexplained <= EXACT:
                beam.best.append(self.eliminated(found))
                break

    def eliminated(self, found: Scored) -> Scored:
        """Without the terms that are not needed, the smallest first."""
        while len(found.sum.terms) > 1:
            columns = found.sum.passed(self.t).columns[:, 1:]
            size = columns.norm(dim=0) * found.sum.vector[1 : 1 + columns.shape[1]].abs()
            shorter = self.trained(self.without_term(found.sum, int(size.argmin())))
            if not shorter.bits < found.bits:
                break
            found = shorter
        return found

    def with_term(self, old: Sum, term: Term) -> Sum:
        """The sum with one more term, yet to be trained."""
        inner = [n for f in term if f.shaped for n in (f.a, f.b)]
        count = len(old.terms)
        v = old.vector
        parts = [v[: 1 + count], v.new_zeros(1), v[1 + count :], v.new_tensor(inner)]
        return Sum([*old.terms, term], torch.cat(parts))

    def without_term(self, old: Sum, k: int) -> Sum:
        """The sum without its term k, yet to be trained."""
        begin = 1 + len(old.terms) + 2 * sum(f.shaped for term in old.terms[:k] for f in term)
        end = begin + 2 * sum(f.shaped for f in old.terms[k])
        parts = [old.vector[: 1 + k], old.vector[2 + k : begin], old.vector[end:]]
        return Sum([*old.terms[:k], *old.terms[k + 1 :]], torch.cat(parts))

    def solved(self, found: Sum) -> Tensor:
        """The entries with c_0 and all c_k by linear least squares, not a number where that has no solution."""
        design = found.passed(self.t).columns * self.weights[:, None]
        sizes, vector = design.norm(dim=0), found.vector.clone()
        factors = least_squares(design / sizes, self.targets)
        vector[: design.shape[1]] = math.nan if factors is None else factors / sizes
        return vector

    def trained(self, found: Sum) -> Scored:
        """The sum with c_0 and all c_k solved, then all its constants trained, the longer the more promising it is."""
        vector, left = self.context.once(lambda: self.fitted(found))
        found = replace(found, vector=vector)
        size, count = found.complexity(self.table.arguments), found.parameter_count()
        return Scored(found, left, description_bits(max(left, EXACT), size, count, self.rows))

    def fitted(self, found: Sum) -> tuple[Tensor, float]:
        """The entries of a sum that is trained, and the part that it leaves unexplained."""
        self.context.spend(TRIED + TRIED_TERM * len(found.terms))
        weighted = replace(found, vector=self.solved(found), weights=self.weights)
        left, targets = math.inf, self.targets[:, None]
        for steps in (STEPS, 5 * STEPS):
            if found.shaped:
                levenberg_marquardt(weighted, self.t, targets, MSE, steps, context=self.context)
            left = float((weighted(self.t) - targets).square().mean()) / self.variance
            if not EXACT < left < PROMISING:
                break
        return weighted.vector, left if math.isfinite(left) else math.inf
