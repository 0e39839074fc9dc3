"""Log-odds of two classes as sums of plain terms: one more term at a time, by its score and then by the likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.atoms import monomials
from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import Array
from kanrun.functions.parser import symbol
from kanrun.symbolic.expression import edge_expression, number
from kanrun.symbolic.logistic import Classes, climbed
from kanrun.symbolic.prior import bits_of_form
from kanrun.symbolic.uncertainty import Columns

WIDTH, TRIED, MOST_TERMS = 6, 8, 6  # sums that are kept, terms tried for each of them, and terms of a sum
ALONE = (("log", 1.0), ("exp", 1.0), ("exp", -1.0), ("abs", 1.0))  # functions of an input, and of what times it
NEW = 1e-6  # part of a term that the sum does not have yet, below which it adds nothing but rounding
FITTED = 2e-5  # units of work of fitting a sum, a row and term
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
    """The sums of the fewest bits over inputs `x` [rows, inputs] that were met, the best first; maybe none."""
    terms = terms_of(x, names, functions)
    if terms is None:
        return []
    ones = np.ones((len(classes.second), 1))
    met: dict[tuple[int, ...], Sum] = {(): fitted((), ones, np.zeros(1), terms, classes)}
    beam, patience = [met[()]], PATIENCE
    for _ in range(MOST_TERMS):
        least, grown = min(one.bits for one in met.values()), dict[tuple[int, ...], Sum]()
        for one in beam:
            for chosen in followers(one, terms, classes):
                if chosen not in grown and chosen not in met and not context.over():
                    context.spend(FITTED * len(ones) * (2 + len(chosen)))
                    slopes = np.concatenate([ones, terms.values[:, list(chosen)]], axis=1)
                    grown[chosen] = fitted(chosen, slopes, np.zeros(slopes.shape[1]), terms, classes)
        beam = sorted(grown.values(), key=lambda one: one.bits)[:WIDTH]
        met |= {one.chosen: one for one in beam}
        patience = PATIENCE if beam and beam[0].bits < least else patience - 1
        if not beam or not patience:
            break
    best = sorted((one for one in met.values() if one.chosen), key=lambda one: one.bits)[:WIDTH]
    return [expression_of(one, terms) for one in best]


def terms_of(x: Tensor, names: list[str], functions: Mapping[str, Function]) -> Terms | None:
    """Products of powers of the inputs, and functions of each of them, as far as the library has them."""
    x, found = x.double().cpu(), list[tuple[sp.Expr, Array]]()
    symbols = [symbol(name) for name in names]
    for term in monomials(x, dict(functions))[1:]:
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


def fitted(chosen: tuple[int, ...], slopes: Array, start: Array, terms: Terms, classes: Classes) -> Sum:
    """A sum at its likeliest constants."""
    linear = Linear(slopes)
    constants = climbed(linear, start, classes, firth=False)
    log_odds = linear.values(constants, classes.columns)
    return Sum(
        chosen, constants, log_odds, classes.nats(log_odds) / math.log(2) + float(terms.bits[list(chosen)].sum())
    )


def followers(one: Sum, terms: Terms, classes: Classes) -> Iterator[tuple[int, ...]]:
    """The sums with one more term whose score tests win the most bits (Rao 1948)."""
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
    for k in np.argsort(-won, kind="stable")[:TRIED]:
        if k not in one.chosen:
            yield tuple(sorted((*one.chosen, int(k))))


def expression_of(one: Sum, terms: Terms) -> sp.Expr:
    """A sum as an expression."""
    parts = [
        number(float(c / terms.scales[k])) * terms.expressions[k]
        for k, c in zip(one.chosen, one.constants[1:], strict=True)
    ]
    return sp.Add(number(float(one.constants[0])), *parts)
