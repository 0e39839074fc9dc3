"""How much rows count once a formula says what it leaves of them: by the errors recognized, or by a robust loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import Context
from kanrun.data.dataset import Dataset, Rows, at_most
from kanrun.data.robust import reweighed
from kanrun.discovery.whiteness import is_noise
from kanrun.functions.algebra import rewritten
from kanrun.functions.evaluate import Array, evaluate
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.state import Problem
from kanrun.symbolic.choosing import bits_to_choose
from kanrun.symbolic.constants import MOST, Columns, constants_of
from kanrun.symbolic.error_models import CONSTANT, errors_of
from kanrun.symbolic.expression import complexity, network_expressions
from kanrun.symbolic.outliers import far_rows
from kanrun.symbolic.robust_fit import robustly_fitted
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.textbook import as_in_textbooks
from kanrun.symbolic.values import columns_of
from kanrun.training.pruning import MOST_ROWS

MOST_LOOKED_AT = 4  # formulas that say what errors are
LARGEST = 60  # nodes of one
ROUND = 2.0  # units of work of a formula that is fitted under a model


def as_counted(data: Dataset, problem: Problem, network: Network | None = None) -> Dataset:
    """The dataset, that of a problem, with rows that count by what a network leaves of them where the loss is robust.

    The network is one for the targets as they train. Without one what lies near a row says how far it is off.
    """
    if not data.robust:
        return data
    rows = reweighed(problem.rows, network)
    held = None if data.validation is None else replace(data.validation, weights=weights_in(rows.validation))
    return replace(data, train=replace(data.train, weights=rows.train.weights), validation=held,
                   recognized={"model": data.robust})  # fmt: skip


def weights_in(rows: Rows | None) -> Tensor | None:
    """The weights of rows, where there are some."""
    return None if rows is None else rows.weights


def weighed(data: Dataset, found: Symbolic, context: Context) -> Dataset:
    """The rows of one output as they count beside the formulas that were found, with what was recognized.

    Unchanged where the user has said how they count, where a formula leaves nothing but rounding or what is left does
    not look like noise, where the rows do not tell what errors are theirs, and where the work was cancelled.
    """
    given = data.train.weights is not None and not data.robust
    if context.cancelled() or given or data.noise is not None or not data.loss.least_squares or len(data.outputs) > 1:
        return data
    data = at_most(data, MOST_ROWS)
    columns, y = columns_of(data.train.x, data.inputs), data.train.y[:, 0].double().cpu().numpy()
    forms = shown(found, data, columns, y, context)
    if not forms:
        return data
    return by_loss(data, forms, columns, y) if data.robust else by_errors(data, forms, columns, y)


def shown(found: Symbolic, data: Dataset, columns: Columns, y: Array, context: Context) -> list[sp.Expr]:
    """The formulas that say what errors are: the chosen one, and others that describe the rows in few bits.

    By errors of one size or relative ones, as it is not known yet which they are.
    """
    models = [found.model, *(m for m in found.front if m is not found.model)]
    met = [e for e in (expression_of(model, data) for model in models) if e is not None]
    likely = sorted(met[1:], key=lambda e: bits_to_choose(e, columns, y, by_size=True))
    taken = list[sp.Expr]()
    for expression in [*met[:1], *likely][:MOST_LOOKED_AT]:
        if not taken or not context.over():
            context.spend(ROUND * (1 + len(constants_of(expression))))
            taken.append(expression)
    return taken


def expression_of(model: KAN, data: Dataset) -> sp.Expr | None:
    """The formula of a network, None where it is too long or has no value on some row."""
    plain = network_expressions(model, data.inputs)[0]
    if complexity(plain) > LARGEST or len(constants_of(plain)) > MOST:
        return None
    expression = rewritten(as_in_textbooks, plain)
    values = evaluate(expression, columns_of(data.train.x, data.inputs))
    return expression if np.isfinite(values).all() else None


def by_errors(data: Dataset, forms: Sequence[sp.Expr], columns: Columns, y: Array) -> Dataset:
    """The rows by the model of errors that they show clearly."""
    errors = errors_of(forms, columns, y)
    if errors is None or not errors.clear:
        return data
    off, x = errors.standardized(columns, y), data.train.x.double().cpu()
    # Outliers are no errors of any of the models, and what is no noise is a formula that is wrong.
    if far_rows(off, x.numpy(), len(constants_of(errors.expression))) or not is_noise(
        torch.as_tensor(off), x, x[:, :0]
    ):
        return data
    told = {"model": errors.model, "bits": round(errors.bits, 1), "size": errors.size}
    if errors.logarithmic:
        told["logarithmic"] = True
    if errors.model == CONSTANT:
        return replace(data, recognized=told)
    weights = torch.as_tensor(errors.weights).to(data.train.y)
    return replace(data, train=replace(data.train, weights=weights), recognized=told)


def by_loss(data: Dataset, forms: Sequence[sp.Expr], columns: Columns, y: Array) -> Dataset:
    """The rows by a robust loss, at the formula that describes them shortest by it."""
    before = None if data.train.weights is None else data.train.weights.double().cpu().numpy()
    fits = [robustly_fitted(e, columns, y, data.robust, before) for e in forms]
    scale = min(fit.scale for fit in fits)
    least = min(fits, key=lambda fit: fit.bits(columns, y, scale, data.robust) if scale else fit.scale)
    weights = torch.as_tensor(least.weights).to(data.train.y)
    told = {"model": data.robust, "bits": None, "size": least.scale}
    return replace(data, train=replace(data.train, weights=weights), recognized=told)
