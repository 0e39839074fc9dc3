"""Sums of products of functions, and the table of all products that may become their next term.

y = C * f(c_0 + sum_k c_k * prod_j g_kj(a_kj * t_kj + b_kj)) + D with a last function f that is undone at first. All
products are held against what is left of the targets at once, by matrix products (orthogonal least squares: Chen,
Billings, Luo 1989, Int. J. Control 50(5), sec. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kanrun.discovery.atoms import MANY, Argument, Factor, Term, arguments_of, beginnings, complexity_of, monomials
from kanrun.discovery.outer import Outer
from kanrun.symbolic.library import Function

ROWS = 400  # with which products are compared
ALIKE = 1e-3  # part of a product that the sum does not have yet, below which it adds nothing but rounding
MOST_VALUES = 4_000_000  # products that are compared at once

Kind = tuple[tuple[str, int, bool], ...]


@dataclass
class Sum:
    """A sum of terms as a network of its own: the trained numbers are c_0, c_k, and a, b of every shaped factor.

    It takes the values of the arguments [rows, arguments] and gives [rows, 1].
    """

    terms: list[Term]
    vector: Tensor
    outer: Outer | None = None  # with the constants that suit `y`
    y: Tensor | None = None

    @property
    def trained(self) -> list[Factor]:
        """The factors with constants, in the order of the vector."""
        return [f for term in self.terms for f in term if f.shaped]

    def parameter_count(self) -> int:
        return len(self.vector)

    def get_vector(self) -> Tensor:
        return self.vector

    def set_vector(self, vector: Tensor) -> None:
        self.vector = vector.clone()

    def _factors(self, t: Tensor) -> tuple[list[list[tuple[Tensor, Tensor | None]]], list[Tensor]]:
        """Value and slope of every factor, and the argument of every shaped one."""
        at = 1 + len(self.terms)
        parts, arguments = [], []
        for term in self.terms:
            values: list[tuple[Tensor, Tensor | None]] = []
            for f in term:
                column = t[:, f.argument]
                if f.shaped:
                    z = self.vector[at] * column + self.vector[at + 1]
                    at += 2
                    values.append((f.function.value(z), f.function.slope(z)))
                    arguments.append(column)
                else:
                    values.append((f.function.value(column), None))
            parts.append(values)
        return parts, arguments

    def columns(self, t: Tensor) -> Tensor:
        """The terms without their factors c_k: [rows, terms]."""
        parts, _ = self._factors(t)
        one = torch.ones(len(t), dtype=t.dtype, device=t.device)
        return torch.stack([math.prod((v for v, _ in values), start=one) for values in parts], dim=1)

    def __call__(self, t: Tensor, first: None = None) -> Tensor:  # noqa: ARG002
        count = len(self.terms)
        z = self.vector[0] + self.columns(t) @ self.vector[1 : 1 + count]
        return self._finished(z)[:, None]

    def _finished(self, z: Tensor) -> Tensor:
        return z if self.outer is None or self.y is None else self.outer.apply(z, self.y)

    def jacobian(self, t: Tensor, first: None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Outputs [rows, 1] and their derivatives [rows, 1, parameters]."""
        parts, arguments = self._factors(t)
        one = torch.ones(len(t), dtype=t.dtype, device=t.device)
        products: list[Tensor] = []
        inner: list[Tensor] = []
        for c, values in zip(self.vector[1:], parts, strict=False):
            products.append(math.prod((v for v, _ in values), start=one))
            for j, (_, slope) in enumerate(values):
                if slope is not None:
                    others = math.prod((v for i, (v, _) in enumerate(values) if i != j), start=one)
                    by_b = c * slope.nan_to_num(0.0, 0.0, 0.0) * others
                    inner += [by_b * arguments[len(inner) // 2], by_b]
        columns = torch.stack([one, *products, *inner], dim=1)
        z = self.vector[0] + columns[:, 1 : 1 + len(products)] @ self.vector[1 : 1 + len(products)]
        if self.outer is not None and self.y is not None:
            columns = columns * self.outer.slope(z, self.y)[:, None]
        return self._finished(z)[:, None], columns[:, None]

    def complexity(self, arguments: list[Argument]) -> int:
        """Those of the terms, with one more a sum."""
        return sum(1 + complexity_of(term, arguments) for term in self.terms)

    def fixed(self) -> list[Term]:
        """The terms with a and b as they were trained."""
        at = 1 + len(self.terms)
        terms = []
        for term in self.terms:
            factors = []
            for f in term:
                if f.shaped:
                    f = Factor(f.function, f.argument, float(self.vector[at]), float(self.vector[at + 1]), True)
                    at += 2
                factors.append(f)
            terms.append(tuple(factors))
        return terms


@dataclass(frozen=True)
class Product:
    """A product of the table, the functions that it is made of, and its complexity."""

    term: Term
    kind: Kind
    complexity: int


@dataclass
class Table:
    """All products of a monomial and a shaped factor (or none), for the same rows of every last function."""

    x: Tensor
    functions: dict[str, Function]
    shaped: bool = True  # whether functions have constants
    y: Tensor | None = None  # [rows]: products with it are among the terms, which makes the sums fractions
    arguments: list[Argument] = field(init=False)
    t: Tensor = field(init=False)

    def __post_init__(self) -> None:
        n = self.x.shape[1]
        needed = ("x", "x^2", "1/x")
        usable = all(name in self.functions for name in needed)
        self.arguments = arguments_of(self.x) if usable else [Argument(((i, "x", 1.0),)) for i in range(n)]
        self.t = self.argument_values(self.x)
        few = n >= MANY - 1
        if self.y is not None:
            self.arguments.append(Argument(((n, "x", 1.0),)))
            self.t = torch.cat([self.t, (self.y / self.y.std())[:, None]], dim=1)
        plain = monomials(self.x, self.functions)
        shapes = [
            f for k, a in enumerate(self.arguments)
            for f in beginnings(self.t[:, k], k, self.functions, few, a.is_sum)
            if k != self.targets and (self.shaped or not f.shaped)
        ]  # fmt: skip
        rows = torch.linspace(0, len(self.x) - 1, min(ROWS, len(self.x)), device=self.x.device).round().long()
        self.rows = rows
        if self.targets is not None:
            line = Factor(self.functions["x"], self.targets)
            plain = [*plain, *((*term, line) for term in plain)]
        self.monomials, p = usable_columns(plain, self.t[rows])
        self.shapes, s = usable_columns([(), *((f,) for f in shapes)], self.t[rows])
        most = max(1, MOST_VALUES // len(self.shapes))
        if len(self.monomials) > most:
            size = [complexity_of(m, self.arguments) for m in self.monomials]
            simple = sorted(range(len(size)), key=size.__getitem__)[:most]
            self.monomials, p = [self.monomials[k] for k in simple], p[:, simple]
        elif (
            self.y is None and len(self.shapes) ** 2 < MOST_VALUES
        ):  # products of two functions, where these are not too many
            self.monomials, p = self.monomials + self.shapes[1:], torch.cat([p, s[:, 1:]], dim=1)
        kinds = [kind_of(f) for f in self.shapes]  # those of one kind follow each other
        self.begins = [k for k, kind in enumerate(kinds) if k == 0 or kind != kinds[k - 1]] + [len(kinds)]
        lengths = torch.tensor(self.begins).diff()
        self.kind = torch.repeat_interleave(torch.arange(len(lengths)), lengths).to(self.x.device)
        of_shapes = torch.tensor([complexity_of(self.shapes[k], self.arguments) for k in self.begins[:-1]])
        of_monomials = torch.tensor([complexity_of(m, self.arguments) for m in self.monomials])
        complexity = (of_shapes[:, None] + of_monomials).flatten().to(self.x.device)
        self.of_complexity = [torch.where(complexity == c)[0] for c in complexity.unique().tolist()]
        self.itself = self.monomials.index((line,)) if self.targets is not None else None
        self.p, self.s = p.float(), s.float()
        self.p2, self.s2 = self.p**2, self.s**2
        self.products: dict[tuple[int, int], Product] = {}

    @property
    def targets(self) -> int | None:
        """The number of the argument that is the targets themselves."""
        return None if self.y is None else len(self.arguments) - 1

    def argument_values(self, x: Tensor) -> Tensor:
        """The values of all arguments at rows `x`: [rows, arguments]."""
        return torch.stack([a.values(x, self.functions) for a in self.arguments], dim=1)

    def next_terms(self, columns: Tensor, z: Tensor, most: int) -> list[tuple[float, Product]]:
        """Products that explain most of what a sum with these `columns` [rows, terms] leaves of `z` [rows].

        Gives the part of what is left that each would explain; of products of the same functions only the best.
        """
        one = torch.ones(len(z), 1, dtype=z.dtype, device=z.device)
        q, _ = torch.linalg.qr(torch.cat([one, columns], dim=1))
        rest = z - q @ (q.T @ z)
        size = rest.norm()
        if not float(size) > 0:
            return []
        rest, q = (rest / size).float(), q.float()
        whole = self.s2.T @ self.p2
        free = whole.clone()
        for column in q.T:
            free -= (self.s.T @ (self.p * column[:, None])) ** 2
        gain = (self.s.T @ (self.p * rest[:, None])) ** 2 / free
        gain = torch.where(free > ALIKE * whole, gain, 0.0)
        if self.itself is not None:
            gain[0, self.itself] = 0.0
        of_kinds = torch.zeros(len(self.begins) - 1, gain.shape[1], device=gain.device).scatter_reduce_(
            0, self.kind[:, None].expand_as(gain), gain, "amax"
        )
        found: list[tuple[float, Product]] = []
        for places in self.of_complexity:
            values, first = of_kinds.flatten()[places].topk(min(most, len(places)))
            for value, place in zip(values.tolist(), places[first].tolist(), strict=True):
                if value > 0:
                    kind, m = divmod(place, gain.shape[1])
                    begin, end = self.begins[kind : kind + 2]
                    shape = begin if end == begin + 1 else begin + int(gain[begin:end, m].argmax())
                    found.append((value, self.product(m, shape)))
        return found

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
    one = torch.ones(len(t), dtype=t.dtype, device=t.device)
    columns = torch.stack(
        [math.prod((f.function.value(f.a * t[:, f.argument] + f.b) for f in term), start=one) for term in terms], dim=1
    )
    size = columns.square().mean(0).sqrt()
    good = torch.isfinite(size) & (size > 0)
    kept = [term for term, ok in zip(terms, good.tolist(), strict=True) if ok]
    return kept, columns[:, good] / size[good]
