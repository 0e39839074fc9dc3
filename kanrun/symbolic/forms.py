"""The forms of networks: their formulas with settled constants, as textbooks write them, and which is the shortest."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import sympy as sp

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset
from kanrun.errors import KanrunError, shorten
from kanrun.functions.algebra import are_readable, bounded, rewritten
from kanrun.model.network import KAN
from kanrun.symbolic.adding_up import ODD, adds_up, units_for
from kanrun.symbolic.bare import Verdict
from kanrun.symbolic.decimals import with_decimals
from kanrun.symbolic.expression import complexity, network_expressions
from kanrun.symbolic.front import bits_of
from kanrun.symbolic.judging import verdict_on_training
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.settle import settled
from kanrun.symbolic.textbook import as_in_textbooks
from kanrun.symbolic.values import evaluate_texts, factors_of_errors, training_arrays

log = logging.getLogger("kanrun")

MADE = 0.15  # units of work: of a node of a formula that is made
ALIKE = 0.1  # bits between formulas that are as good as one
SMALL = 40  # nodes of a formula that is written whatever the budget is


class FormulaError(KanrunError):
    """A formula that cannot be written, read back or evaluated, and so is none."""


def expressions_of(model: KAN, data: Dataset, context: Context = UNLIMITED) -> list[sp.Expr]:
    """The network's formulas with snapped constants, in their shortest form; as they are where that spoils them.

    Of work that was cancelled constants stay as they are.

    Raises FormulaError where they cannot be kept as they are either.
    """
    plain = network_expressions(model, data.inputs)
    if data.loss.logits:
        plain = with_reference(plain)
    context.spend(MADE * sum(map(complexity, plain)))
    check(plain, data)
    try:
        found = plain if context.cancelled() else settled(model, plain, data, context)
        short = [rewritten(as_in_textbooks, e) for e in found] if are_readable(found) else found
        short = in_decimals(short, data)
        check(short, data)
    except Exception:
        log.exception("a formula is kept as it is")
        return plain
    return short


def in_decimals(expressions: list[sp.Expr], data: Dataset) -> list[sp.Expr]:
    """Formulas with decimals where people write them, those that leave nothing but rounding."""
    if data.loss.logits:
        return expressions
    columns, y = training_arrays(data)
    return [bounded(partial(with_decimals, e, columns, y[:, j]), e) for j, e in enumerate(expressions)]


def with_reference(logits: list[sp.Expr]) -> list[sp.Expr]:
    """Logits less the constant of the first: only their differences matter, so that it would say nothing."""
    constant = logits[0].as_coeff_Add()[0]
    return [e - constant for e in logits]


def check(expressions: list[sp.Expr], data: Dataset) -> None:
    """Raises FormulaError for formulas whose texts cannot be read back, or have no value on some training row."""
    try:
        values = evaluate_texts([str(e) for e in expressions], data.train.x, data.inputs)
    except Exception as error:  # whatever SymPy and NumPy make of it
        raise FormulaError(f"it cannot be read back: {shorten(str(error), 160)}") from error
    if lost := int((~values.isfinite().all(1)).sum()):
        raise FormulaError(f"it has no value on {lost} of {len(values)} training rows")


@dataclass
class Forms:
    """The formulas of networks on a dataset, each made once."""

    data: Dataset
    context: Context = UNLIMITED
    made: dict[int, tuple[KAN, list[sp.Expr] | FormulaError]] = field(default_factory=dict)

    def of(self, model: KAN) -> list[sp.Expr]:
        """Those of a network. Raises FormulaError where they cannot be kept."""
        if id(model) not in self.made:
            try:
                self.made[id(model)] = model, expressions_of(model, self.data, self.context)
            except FormulaError as error:
                self.made[id(model)] = model, error
        found = self.made[id(model)][1]
        if isinstance(found, FormulaError):
            raise found
        return found

    def of_all(self, models: Sequence[KAN]) -> list[list[sp.Expr]]:
        """Those of many networks that can be kept, as far as the budget allows."""
        found = []
        for model in models:
            if id(model) in self.made or not self.context.over() or self.is_small(model):
                with suppress(FormulaError):
                    found.append(self.of(model))
        return found

    def failure(self, model: KAN) -> FormulaError | None:
        """Why those of a network cannot be kept, where that was tried."""
        found = self.made.get(id(model), (model, []))[1]
        return found if isinstance(found, FormulaError) else None

    def is_small(self, model: KAN) -> bool:
        """Whether a network's formulas are short enough to be written in any case."""
        return sum(map(complexity, network_expressions(model, self.data.inputs))) <= SMALL

    def as_found(self, models: Sequence[KAN]) -> list[list[sp.Expr]]:
        """Those of small networks with nothing settled but their constants: forms that the rows may allow too."""
        if self.context.cancelled() or not self.data.loss.least_squares:
            return []
        (columns, y), weights, found = training_arrays(self.data), factors_of_errors(self.data), []
        for model in filter(self.is_small, models):
            plain = [rewritten(as_in_textbooks, e) for e in network_expressions(model, self.data.inputs)]
            with suppress(FormulaError):
                check(plain, self.data)
                found.append([polished(e, columns, y[:, j], weights) for j, e in enumerate(plain)])
        return found


def shortest_first(models: Sequence[KAN], forms: Forms) -> list[KAN]:
    """The networks by how short their formula describes the rows; as they are where the first one is exact.

    Of the shortest ones that are as good as alike, such as a square root and an exponential of half a logarithm, which
    settle at constants of the same digits, the network with the fewest parameters comes first.
    For one output of values: where there are several, networks were chosen for all of them together.
    """
    data = forms.data
    if data.loss.logits or len(data.outputs) > 1 or len(models) < 2:
        return list(models)
    with suppress(FormulaError):
        if verdict_on_training(forms.of(models[0])[0], 0, data, forms.context) is Verdict.EXACT:
            return list(models)
    units, bits = units_for(data, 0), dict[int, float]()
    for model in models:
        bits[id(model)] = math.inf
        for [e] in forms.of_all([model]):
            bits[id(model)] = bits_of(e, 0, data) + (0.0 if adds_up(e, units) else ODD)
    alike = min(bits.values()) + ALIKE
    return sorted(models, key=lambda model: (max(bits[id(model)], alike), model.parameter_count()))
