"""The beam search for a sum of terms under one last function, and the searches under all of them side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement
from typing import Any

import torch
from torch import Tensor

from kanrun.clock import Over, never
from kanrun.data.losses import MSE, description_bits
from kanrun.discovery.atoms import POWERS, Term, power
from kanrun.discovery.outer import OUTERS, Outer
from kanrun.discovery.terms import Sum, Table, kind_of
from kanrun.functions.builtin import Function
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt

BEAM = 16  # sums that are carried on, more where there is nothing to train
LOOKED_AT = 6  # products a sum and a complexity that are tried next
POLISHED = 40  # sums of one length whose constants are trained
STEPS = 12
PROMISING = 1e-8  # unexplained part with which a sum is trained for longer
BEFORE_POLYNOMIALS = 2  # terms that are tried before polynomials: a square of a sum is shorter than its terms
DEGREE = 6  # of polynomials that are looked at whole
ROWS_A_TERM = 5  # rows that a whole polynomial must have for each of its terms


@dataclass(frozen=True)
class Scored:
    """A sum with the part of its targets' variance that it leaves unexplained, and its description length in bits."""

    sum: Sum
    unexplained: float
    bits: float


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


@dataclass
class TermSearch:
    """The beam search for the targets `y` [rows, 1] under one last function."""

    table: Table
    y: Tensor
    outer: Outer
    over: Over = never
    beam: list[Scored] = field(default_factory=list)
    best: list[Scored] = field(default_factory=list)  # the best sum of every length

    def __post_init__(self) -> None:
        z = self.outer.undo(self.y)[:, 0]
        self.scale = float(z.std())
        self.usable = math.isfinite(self.scale) and self.scale > 0
        self.z = (z / self.scale)[self.table.rows] if self.usable else z
        self.t = self.table.t[self.table.rows]
        # To first order an error of z is this much one of y, whose errors are alike.
        steep = self.outer.slope(z, self.y)[self.table.rows].abs()
        self.usable = self.usable and bool(torch.isfinite(steep).all()) and float(steep.max()) > 0
        self.weights = steep / steep.square().mean().sqrt()
        self.targets = self.weights * self.z
        level = (self.weights * self.targets).sum() / (self.weights**2).sum()
        self.variance = float((self.targets - level * self.weights).square().mean())
        self.beam = [Scored(Sum([], level[None]), 1.0, 0.0)]

    def grow(self) -> None:
        """One more term for every sum of the beam."""
        chosen: dict[tuple[object, ...], tuple[int, float, tuple[Sum, Term]]] = {}
        for state in self.beam:
            old = state.sum
            columns = old.passed(self.t).columns * self.weights[:, None]
            most = LOOKED_AT if old.terms else 4 * LOOKED_AT
            options = self.table.next_terms(columns, self.targets, self.weights, most)
            complexity, kinds = old.complexity(self.table.arguments), [kind_of(term) for term in old.terms]
            for gain, new in options:
                key = tuple(sorted([*kinds, new.kind]))
                left = state.unexplained * max(1 - gain, 0.0)
                if key not in chosen or left < chosen[key][1]:
                    chosen[key] = complexity + 1 + new.complexity, left, (old, new.term)
            if self.over():
                break
        scored: list[Scored] = []
        for old, term in fronts(list(chosen.values()), POLISHED if self.table.shaped else 4 * BEAM):
            scored.append(self.trained(self.with_term(old, term)))
            if scored[-1].unexplained <= EXACT:
                scored[-1] = self.eliminated(scored[-1])
            if scored[-1].unexplained <= EXACT or self.over():
                break
        points = [(s.sum.complexity(self.table.arguments), s.unexplained, s) for s in scored]
        self.beam = fronts(points, BEAM if self.table.shaped else 4 * BEAM)
        self.best += sorted(scored, key=lambda s: s.bits)[:1]

    def whole_polynomial(self) -> None:
        """The polynomial of the lowest degree that explains all, without the terms that it does not need."""
        functions, n = self.table.functions, self.table.x.shape[1]
        for degree in range(2, DEGREE + 1):
            known = all(POWERS[p] in functions for p in range(1, min(degree, 5) + 1))
            if not known or ROWS_A_TERM * (math.comb(n + degree, degree) - 1) > len(self.z):
                break
            chosen = [c for d in range(1, degree + 1) for c in combinations_with_replacement(range(n), d)]
            terms = [tuple(f for i in sorted(set(c)) for f in power(i, c.count(i), functions)) for c in chosen]
            found = self.trained(self.solved(Sum(terms, self.z.new_zeros(1 + len(terms)))))
            if found.unexplained <= EXACT:
                self.best.append(self.eliminated(found))
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
        """The sum with one more term and the c_k by linear least squares."""
        inner = [n for f in term if f.shaped for n in (f.a, f.b)]
        count = len(old.terms)
        v = old.vector
        parts = [v[: 1 + count], v.new_zeros(1), v[1 + count :], v.new_tensor(inner)]
        return self.solved(Sum([*old.terms, term], torch.cat(parts)))

    def without_term(self, old: Sum, k: int) -> Sum:
        """The sum without its term k, the others fitted again."""
        begin = 1 + len(old.terms) + 2 * sum(f.shaped for term in old.terms[:k] for f in term)
        end = begin + 2 * sum(f.shaped for f in old.terms[k])
        parts = [old.vector[: 1 + k], old.vector[2 + k : begin], old.vector[end:]]
        return self.solved(Sum([*old.terms[:k], *old.terms[k + 1 :]], torch.cat(parts)))

    def solved(self, found: Sum) -> Sum:
        """The sum with c_0 and all c_k by linear least squares."""
        design = found.passed(self.t).columns * self.weights[:, None]
        sizes = design.norm(dim=0)
        if not bool(torch.isfinite(sizes).all()):
            found.vector[0] = math.nan
            return found
        found.vector[: design.shape[1]] = (
            torch.linalg.lstsq(design / sizes, self.targets[:, None]).solution[:, 0] / sizes
        )
        return found

    def trained(self, found: Sum) -> Scored:
        """The sum with all its constants trained, the longer the more promising it is."""
        left, weighted, targets = math.inf, replace(found, weights=self.weights), self.targets[:, None]
        for steps in (STEPS, 5 * STEPS):
            if found.shaped:
                levenberg_marquardt(weighted, self.t, targets, MSE, steps)
            left = float((weighted(self.t) - targets).square().mean()) / self.variance
            if not EXACT < left < PROMISING:
                break
        found = replace(found, vector=weighted.vector)
        left = left if math.isfinite(left) else math.inf
        size, count = found.complexity(self.table.arguments), found.parameter_count()
        return Scored(found, left, description_bits(left, size, count, len(self.y)))

    @property
    def shortest(self) -> Scored:
        """The sum with the shortest description so far."""
        return min(self.best, key=lambda s: s.bits)

    @property
    def exact(self) -> bool:
        """Whether a sum leaves only rounding unexplained."""
        return any(s.unexplained <= EXACT for s in self.best)


class SumsOfTerms:
    """The searches under all last functions side by side, level by level; `shaped` functions have constants a and b."""

    def __init__(self, x: Tensor, y: Tensor, functions: list[Function], shaped: bool) -> None:
        self.table = Table(x, {f.name: f for f in functions}, shaped)
        searches = [TermSearch(self.table, y, outer) for outer in OUTERS if outer.allows(y)]
        self.searches = [s for s in searches if s.usable]
        self.level = 0  # terms that all of them have
        self.waiting = list(self.searches)  # for their next term

    def grow(self, over: Over) -> Iterator[TermSearch]:
        """One more term under every last function; gives those that have a sum, what explains all as it comes.

        Where time is over before the last of them, the next call goes on from there.
        """
        while self.waiting:
            if over():
                return
            search = self.waiting.pop(0)
            search.over = over
            search.grow()
            if self.level + 1 == BEFORE_POLYNOMIALS and not self.table.shaped and not search.exact:
                search.whole_polynomial()
            if search.exact:
                yield search
        self.level, self.waiting = self.level + 1, list(self.searches)
        yield from sorted((s for s in self.searches if s.best), key=lambda s: s.shortest.bits)
