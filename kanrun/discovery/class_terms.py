"""Log-odds of two classes as sums of plain terms: one more term at a time, by its score and then by the likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.atoms import monomials
from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import Array
from kanrun.functions.parser import symbol
from kanrun.symbolic.constants import Columns
from kanrun.symbolic.expression import edge_expression, number
from kanrun.symbolic.logistic import Classes, climbed
from kanrun.symbolic.prior import bits_of_form

WIDTH, MOST_TERMS = 8, 6  # sums that are kept, and terms of a sum
FIRST, TRIED = 300, 16  # terms that are tried as the first one, whose score says little, and for each sum after that
BEST, EXCHANGES = 3, 3  # sums whose terms are exchanged, and how often
ALONE = (("log", 1.0), ("exp", 1.0), ("exp", -1.0), ("abs", 1.0))  # functions of an input, and of what times it
NEW = 1e-6  # part of a term that the sum does not have yet, below which it adds nothing but rounding
FITTED, ROW_AND_TERM = 1.0, 3e-4  # units of work of fitting a sum
PATIENCE = 2  # more terms that may win nothing by themselves


@dataclass(frozen=True)
class Terms:
    """Terms that a sum may have: values [rows, terms] of a size around one, the values' `scales`, texts and bits."""

    values: Array
    scales: Array
    expressions: list[sp.Expr]
    bits: Array


@dataclass(frozen=True)
class Linear:
    """Log-odds that are linear in their constants, with these `slopes_` [rows, constants]."""

    slopes_: Array

    def values(self, constants: Array, columns: Columns) -> Array:  # noqa: ARG002
        """[rows]."""
        return np.asarray(self.slopes_ @ constants)

    def slopes(self, constants: Array, columns: Columns) -> Array:  # noqa: ARG002
        """[rows, constants]."""
        return self.slopes_


@dataclass(frozen=True)
class Sum:
    """Some of the terms, with the constants [1 + terms] and log-odds [rows] of the most likelihood, and bits."""

    chosen: tuple[int, ...]
    constants: Array
    log_odds: Array
    bits: float


def sums_of_terms(
    x: Tensor, names: list[str], functions: Mapping[str, Function], classes: Classes, context: Context = UNLIMITED
) -> list[sp.Expr]:
    """The sums of the fewest bits over inputs `x` [rows, inputs] that were met, the best first; maybe none.

    After each new term, terms of the best sums are exchanged for others as long as that wins something.
    """
    terms = terms_of(x, names, functions)
    if terms is None:
        return []
    known = Known(terms, classes, context)
    beam, patience = [known.of(())], PATIENCE
    for size in range(1, MOST_TERMS + 1):
        least = known.best()[0].bits
        beam = known.grown(beam, TRIED if size > 1 else FIRST)
        for _ in range(EXCHANGES if size > 1 else 0):
            parents = [
                known.of(tuple(k for k in one.chosen if k != gone)) for one in beam[:BEST] for gone in one.chosen
            ]
            before, beam = beam, sorted(known.grown(parents, TRIED) + beam, key=lambda one: one.bits)
            beam = list({one.chosen: one for one in beam}.values())[:WIDTH]
            if not beam or beam[0] is before[0]:
                break
        patience = PATIENCE if beam and beam[0].bits < least else patience - 1
        if not beam or not patience:
            break
    return [expression_of(one, terms) for one in known.best()[: WIDTH + 1] if one.chosen]


@dataclass
class Known:
    """The sums that were fitted."""

    terms: Terms
    classes: Classes
    context: Context
    sums: dict[tuple[int, ...], Sum] = field(default_factory=dict)

    def of(self, chosen: tuple[int, ...]) -> Sum:
        """The sum of these terms."""
        if chosen not in self.sums:
            self.context.spend(FITTED + ROW_AND_TERM * len(self.classes.second) * (1 + len(chosen)))
            self.sums[chosen] = fitted(chosen, self.terms, self.classes)
        return self.sums[chosen]

    def grown(self, parents: Sequence[Sum], tried: int) -> list[Sum]:
        """The best sums with one more term than these, so many of the likeliest terms tried for each."""
        grown = dict[tuple[int, ...], Sum]()
        for parent in parents:
            for chosen in followers(parent, self.terms, self.classes, tried):
                if not self.context.over():
                    grown[chosen] = self.of(chosen)
        return sorted(grown.values(), key=lambda one: one.bits)[:WIDTH]

    def best(self) -> list[Sum]:
        """All of them, those of the fewest bits first."""
        return sorted(self.sums.values(), key=lambda one: one.bits)


def terms_of(
    x: Tensor, names: list[str], functions: Mapping[str, Function], products: bool = True
) -> Terms | None:  # fmt: skip
    """Powers of the inputs and maybe their products, and functions of each input, as far as the library has them."""
    x, found = x.double().cpu(), list[tuple[sp.Expr, Array]]()
    symbols = [symbol(name) for name in names]
    for term in monomials(x, dict(functions))[1:]:
        if len(term) > 1 and not products:
            continue
        factors = [edge_expression(f.function, 1.0, 0.0, 1.0, symbols[f.argument]) for f in term]
        product = math.prod((f.function.value(x[:, f.argument]) for f in term), start=torch.ones_like(x[:, 0]))
        found.append((sp.Mul(*factors), product.numpy()))
    for i, own in enumerate(symbols):
        for name, a in ALONE:
            if name in functions and bool(functions[name].allows(a * x[:, i])):
                expression = edge_expression(functions[name], a, 0.0, 1.0, own)
                found.append((expression, functions[name].value(a * x[:, i]).numpy()))
    usable = [(e, v) for e, v in found if np.isfinite(v).all() and np.ptp(v) > 0]
    if not usable:
        return None
    expressions, values = [e for e, _ in usable], np.stack([v for _, v in usable], axis=1)
    scales = np.abs(values).max(0)
    named = math.log2(max(1, len(names)))
    digits = 0.5 * math.log2(len(x))
    bits = [bits_of_form(sp.Float(2.5) * e + sp.Float(1.5)) + named * len(e.free_symbols) + digits for e in expressions]
    return Terms(values / scales, scales, expressions, np.array(bits))


def fitted(chosen: tuple[int, ...], terms: Terms, classes: Classes) -> Sum:
    """A sum at its likeliest constants."""
    linear = Linear(np.column_stack([np.ones(len(classes.second)), terms.values[:, list(chosen)]]))
    constants = climbed(linear, np.zeros(1 + len(chosen)), classes, firth=False)
    log_odds = linear.values(constants, classes.columns)
    bits = classes.nats(log_odds) / math.log(2) + float(terms.bits[list(chosen)].sum())
    return Sum(chosen, constants, log_odds, bits)


def followers(one: Sum, terms: Terms, classes: Classes, tried: int) -> Iterator[tuple[int, ...]]:
    """The sums with one more term, so many whose score tests win the most bits (Rao 1948)."""
    chances = 1 / (1 + np.exp(-np.clip(one.log_odds, -50, 50)))
    root = np.sqrt(np.maximum(classes.weights * chances * (1 - chances), 1e-12))
    known = np.linalg.qr(root[:, None] * np.column_stack([np.ones(len(root)), terms.values[:, list(one.chosen)]]))[0]
    weighted = root[:, None] * terms.values
    sizes = (weighted**2).sum(0)
    weighted = weighted - known @ (known.T @ weighted)
    new = (weighted**2).sum(0)
    missing = classes.weights * (classes.second - chances) / root
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(new > NEW * sizes, (weighted.T @ missing) ** 2 / new, 0.0) / (2 * math.log(2)) - terms.bits
    for k in np.argsort(-won, kind="stable")[:tried]:
        if k not in one.chosen:
            yield tuple(sorted((*one.chosen, int(k))))


def expression_of(one: Sum, terms: Terms) -> sp.Expr:
    """A sum as an expression."""
    parts = [
        number(float(c / terms.scales[k])) * terms.expressions[k]
        for k, c in zip(one.chosen, one.constants[1:], strict=True)
    ]
    return sp.Add(number(float(one.constants[0])), *parts)
