"""Sums of products of functions, and the table of all products that may become their next term.

y = C * f(c_0 + sum_k c_k * prod_j g_kj(a_kj * t_kj + b_kj)) + D with a link function f that is undone at first. All
products are held against what is left of the targets at once, by matrix products (orthogonal least squares: Chen,
Billings, Luo 1989, Int. J. Control 50(5), sec. 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from kanrun.discovery.atoms import (
    MANY,
    Argument,
    Factor,
    Term,
    argument_values,
    arguments_of,
    complexity_of,
    monomials,
    starting_factors,
    term_values,
)
from kanrun.discovery.links import Link
from kanrun.functions.builtin import Function

ROWS = 400  # with which products are compared
ALIKE = 1e-3  # part of a product that the sum does not have yet, below which it adds nothing but rounding
TINY = 1e-12  # of values with mean square 1: their products are numbers that processors take many times as long for
MOST_VALUES = 4_000_000  # products that are compared at once

Kind = tuple[tuple[str, int, bool], ...]


@dataclass
class Sum:
    """A sum of terms, to be trained by least squares: the entries are c_0, c_k, and a, b of every shaped factor.

    It takes the values of the arguments [rows, arguments] and gives [rows, 1].
    """

    terms: list[Term]
    vector: Tensor
    link: Link | None = None  # with the constants that suit `y`
    y: Tensor | None = None
    weights: Tensor | None = None  # of the rows: outputs and derivatives are multiplied by them
    n_out: ClassVar[int] = 1

    @property
    def shaped(self) -> list[Factor]:
        """The factors with constants, in the order of the vector."""
        return [f for term in self.terms for f in term if f.shaped]

    def parameter_count(self) -> int:
        """How many entries there are."""
        return len(self.vector)

    def get_vector(self) -> Tensor:
        """All entries."""
        return self.vector

    def set_vector(self, vector: Tensor) -> None:
        """Puts back what `get_vector` gave, changed or not."""
        self.vector = vector.clone()

    def __call__(self, x: Tensor, first: object = None) -> Tensor:
        """[rows, arguments] -> [rows, 1]."""
        return self.passed(x, first).outputs

    def passed(self, x: Tensor, first: object = None) -> SumPass:  # noqa: ARG002
        """A pass that keeps what its derivatives need."""
        at, parts = 1 + len(self.terms), []
        for term in self.terms:
            factors = []
            for f in term:
                z = x[:, f.argument]
                if f.shaped:
                    z = self.vector[at] * z + self.vector[at + 1]
                    at += 2
                factors.append((f.function.value(z), z))
            parts.append(factors)
        one = torch.ones(len(x), dtype=x.dtype, device=x.device)
        columns = torch.stack([one, *(math.prod((v for v, _ in factors), start=one) for factors in parts)], dim=1)
        total = (columns @ self.vector[: columns.shape[1]])[:, None]
        outputs = total if self.link is None or self.y is None else self.link.apply(total, self.y)
        if self.weights is not None:
            outputs = outputs * self.weights[:, None]
        return SumPass(self, x, parts, columns, total, outputs)

    def complexity(self, arguments: list[Argument]) -> int:
        """Those of the terms, with one more a sum."""
        return sum(1 + complexity_of(term, arguments) for term in self.terms)

    def trained_terms(self) -> list[Term]:
        """The terms with a and b as they were trained."""
        constants = iter(self.vector[1 + len(self.terms) :].tolist())
        return [
            tuple(replace(f, a=next(constants), b=next(constants)) if f.shaped else f for f in term)
            for term in self.terms
        ]


@dataclass(frozen=True)
class SumPass:
    """What a pass through a sum leaves behind for the derivatives."""

    sum: Sum
    x: Tensor
    parts: list[list[tuple[Tensor, Tensor]]]  # value and argument of every factor
    columns: Tensor  # 1 and the terms without their c_k: [rows, 1 + terms]
    total: Tensor  # [rows, 1]
    outputs: Tensor  # [rows, 1]

    def jacobian(self, into: Tensor | None = None) -> Tensor:
        """Derivatives by the entries [rows, 1, entries], written `into` a tensor."""
        inner: list[Tensor] = []
        for c, term, factors in zip(self.sum.vector[1:], self.sum.terms, self.parts, strict=False):
            for j, (f, (_, z)) in enumerate(zip(term, factors, strict=True)):
                if f.shaped:
                    others = [v for i, (v, _) in enumerate(factors) if i != j]
                    by_b = math.prod(others, start=c * f.function.slope(z).nan_to_num(0.0, 0.0, 0.0))
                    inner += [by_b * self.x[:, f.argument], by_b]
        result = torch.cat([self.columns, *(column[:, None] for column in inner)], dim=1)
        if self.sum.link is not None and self.sum.y is not None:
            result = result * self.sum.link.slope(self.total, self.sum.y)
        if self.sum.weights is not None:
            result = result * self.sum.weights[:, None]
        return result[:, None] if into is None else into.copy_(result[:, None])


@dataclass(frozen=True)
class Product:
    """A product of the table, the functions that it is made of, and its complexity."""

    term: Term
    kind: Kind
    complexity: int


@dataclass(frozen=True)
class Weighed:
    """The products of a table on weighed rows: the monomials [rows, monomials], how much of each product is not in the
    constant, and how much of it has to be in no term of a sum, both [shapes, monomials]."""

    p: Tensor
    free: Tensor
    least: Tensor


@dataclass
class Table:
    """All products of a monomial and a shaped factor (or none), for the same rows of every link function."""

    x: Tensor
    functions: dict[str, Function]
    shaped: bool = True  # whether functions have constants
    scales: Sequence[float] | None = None  # of the inputs, in sums of them
    arguments: list[Argument] = field(init=False)
    t: Tensor = field(init=False)

    def __post_init__(self) -> None:
        n = self.x.shape[1]
        needed = ("x", "x^2", "1/x")
        usable = all(name in self.functions for name in needed)
        self.arguments = arguments_of(self.x, self.scales) if usable else [Argument(((i, "x", 1.0),)) for i in range(n)]
        self.t = argument_values(self.arguments, self.x, self.functions)
        few = n >= MANY - 1
        plain = monomials(self.x, self.functions)
        shapes = [
            f for k, a in enumerate(self.arguments)
            for f in starting_factors(self.t[:, k], k, self.functions, few, a.is_sum)
            if self.shaped or not f.shaped
        ]  # fmt: skip
        rows = torch.linspace(0, len(self.x) - 1, min(ROWS, len(self.x)), device=self.x.device).round().long()
        self.rows = rows
        self.monomials, p = usable_columns(plain, self.t[rows])
        self.shapes, s = usable_columns([(), *((f,) for f in shapes)], self.t[rows])
        most = max(1, MOST_VALUES // len(self.shapes))
        if len(self.monomials) > most:
            size = [complexity_of(m, self.arguments) for m in self.monomials]
            simple = sorted(range(len(size)), key=size.__getitem__)[:most]
            self.monomials, p = [self.monomials[k] for k in simple], p[:, simple]
        elif len(self.shapes) ** 2 < MOST_VALUES:  # products of two functions, where these are not too many
            self.monomials, p = self.monomials + self.shapes[1:], torch.cat([p, s[:, 1:]], dim=1)
        kinds = [kind_of(f) for f in self.shapes]  # those of one kind follow each other
        self.begins = [k for k, kind in enumerate(kinds) if k == 0 or kind != kinds[k - 1]] + [len(kinds)]
        lengths = torch.tensor(self.begins).diff()
        self.kind = torch.repeat_interleave(torch.arange(len(lengths)), lengths).to(self.x.device)
        of_shapes = torch.tensor([complexity_of(self.shapes[k], self.arguments) for k in self.begins[:-1]])
        of_monomials = torch.tensor([complexity_of(m, self.arguments) for m in self.monomials])
        complexity = (of_shapes[:, None] + of_monomials).flatten().to(self.x.device)
        self.of_complexity = [torch.where(complexity == c)[0] for c in complexity.unique().tolist()]
        self.p, self.s = (torch.where(part.abs() < TINY, 0.0, part).float() for part in (p, s))
        self.s2 = self.s**2
        self.products: dict[tuple[int, int], Product] = {}

    def weighed(self, weights: Tensor) -> Weighed:
        """What `next_terms` takes of all sums on rows with these `weights` [rows]."""
        p = self.p * weights.float()[:, None]
        whole = self.s2.T @ p**2
        constant = (weights / weights.norm()).float()
        return Weighed(p, whole - (self.s.T @ (p * constant[:, None])).square_(), ALIKE * whole)

    def next_terms(self, columns: Tensor, z: Tensor, weighed: Weighed, most: int) -> list[tuple[float, int, int]]:
        """Products that explain most of what a sum with these `columns` [rows, 1 + terms] leaves of `z` [rows].

        Both have the weights of the rows in them; the first column is that of the constant.

        Gives the part of what is left that each would explain, and what `product` takes to give it; of products of the
        same functions only the best.
        """
        q, _ = torch.linalg.qr(columns)
        rest = z - q @ (q.T @ z)
        size = rest.norm()
        if not float(size) > 0:
            return []
        rest, q = (rest / size).float(), q.float()
        p, free = weighed.p, weighed.free
        for column in q.T[1:]:
            free = free - (self.s.T @ (p * column[:, None])).square_()
        gain = (self.s.T @ (p * rest[:, None])).square_().div_(free).masked_fill_(free <= weighed.least, 0.0)
        of_kinds = torch.zeros(len(self.begins) - 1, gain.shape[1], device=gain.device).scatter_reduce_(
            0, self.kind[:, None].expand_as(gain), gain, "amax"
        )
        found: list[tuple[float, int, int]] = []
        for places in self.of_complexity:
            values, first = of_kinds.flatten()[places].topk(min(most, len(places)))
            for value, place in zip(values.tolist(), places[first].tolist(), strict=True):
                if value > 0:
                    kind, m = divmod(place, gain.shape[1])
                    begin, end = self.begins[kind : kind + 2]
                    shape = begin if end == begin + 1 else begin + int(gain[begin:end, m].argmax())
                    found.append((value, m, shape))
        return found

    @property
    def making(self) -> float:
        """Units of work of making the table."""
        return 5 + 0.01 * len(self.shapes) + 0.03 * len(self.monomials) + 1.2 * len(self.arguments)

    def work(self, columns: int, found: int) -> float:
        """Units of work of `next_terms` for a sum with so many columns that has found so many products."""
        return 0.3 + 1e-6 * (19 + 6 * columns) * len(self.shapes) * len(self.monomials) + 0.005 * found

    def product(self, m: int, shape: int) -> Product:
        """A monomial times a shaped factor."""
        if (m, shape) not in self.products:
            term = self.monomials[m] + self.shapes[shape]
            self.products[m, shape] = Product(term, kind_of(term), complexity_of(term, self.arguments))
        return self.products[m, shape]


def kind_of(term: Term) -> Kind:
    """The functions and arguments of a term, without its constants."""
    return tuple(sorted((f.function.name, f.argument, f.shaped) for f in term))


def usable_columns(terms: list[Term], t: Tensor) -> tuple[list[Term], Tensor]:
    """The terms that are finite on the rows and their values with mean square 1: [rows, terms]."""
    columns = torch.stack([term_values(term, t) for term in terms], dim=1)
    size = columns.square().mean(0).sqrt()
    good = torch.isfinite(size) & (size > 0)
    kept = [term for term, ok in zip(terms, good.tolist(), strict=True) if ok]
    return kept, columns[:, good] / size[good]
