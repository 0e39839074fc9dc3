"""The formulas of a network: without what they need not have, snapped, rewritten, checked by evaluating their texts."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset, Rows
from kanrun.data.losses import Loss
from kanrun.errors import KanrunError, shorten
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.symbolic.bare import bare
from kanrun.symbolic.compare import agrees, over_decades, relative_loss, relative_weights, weights_by_size
from kanrun.symbolic.expression import complexity, network_expressions
from kanrun.symbolic.parsimony import settled
from kanrun.symbolic.snap import EXACT, expanded, shortest, snap, where_positive, work_of_rewriting
from kanrun.symbolic.uncertainty import squares

log = logging.getLogger("kanrun")

# units of work: a node of a formula that is made; an evaluation, and a row and node of it
MADE, EVALUATED, EVALUATED_NODE = 0.15, 0.05, 1e-5
WORSE, LAST_DIGITS = 4.0, 1e-26  # times the loss of constants at their best, and that of rounding in any case
OWN_LENGTH = 10_000_000  # characters of a formula of our own; one from a config is read with a smaller limit

LossOf = Callable[[list[sp.Expr]], float]


class FormulaError(KanrunError):
    """A formula that cannot be written, read back or evaluated, and so is none."""


def evaluate_texts(texts: list[str], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of formulas given as text at `rows` [rows, inputs]: [rows, formulas], NaN where not finite."""
    return evaluate_all([parse_formula(t, inputs, "expression", OWN_LENGTH) for t in texts], rows, inputs)


def evaluate_all(expressions: list[sp.Expr], rows: Tensor, inputs: list[str]) -> Tensor:
    """Values of expressions at `rows`: [rows, expressions]."""
    columns = columns_of(rows, inputs)
    return torch.as_tensor(np.stack([evaluate(e, columns) for e in expressions], axis=1))


def columns_of(rows: Tensor, inputs: list[str]) -> dict[str, Array]:
    """The inputs' columns by name."""
    return {name: rows[:, i].double().cpu().numpy() for i, name in enumerate(inputs)}


def training_loss(expressions: list[sp.Expr], train: Rows, inputs: list[str], loss: Loss) -> float:
    """The loss of these formulas on the training rows; NaN where one is not finite."""
    targets = train.y.double().cpu() if train.y.is_floating_point() else train.y.cpu()
    return float(loss.value(evaluate_all(expressions, train.x, inputs), targets))


def expressions_of(model: KAN, data: Dataset, context: Context = UNLIMITED) -> list[sp.Expr]:
    """The network's formulas with snapped constants, in their shortest form; as they are where that spoils them.

    Raises FormulaError where they cannot be kept as they are either.
    """
    plain = network_expressions(model, data.inputs)
    context.spend(MADE * sum(map(complexity, plain)))
    check(plain, data)
    try:
        short = settled_forms(model, plain, data, context)
        check(short, data)
    except Exception:
        log.exception("a formula is kept as it is")
        return plain
    return short


def settled_forms(model: KAN, expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with constants snapped and fitted again, rewritten where that makes them shorter."""
    if not data.loss.least_squares or is_locked(model):
        return shortened(expressions, *loss_and_floor(data), data, context)
    exact = exact_forms(expressions, data, context)
    if exact is None:
        loss, floor = loss_and_floor(data)
        weights = weights_of_errors(expressions, data)
        if weights is not None:
            loss, floor = weighted_loss(weights, data), LAST_DIGITS
        expressions = shortened(expressions, loss, floor, data, context)
        if loss(expressions) > floor:
            expressions = polished_forms(expressions, loss, floor, data, weights, context)
        exact = exact_forms(expressions, data, context)
    return expressions if exact is None else shortened(exact, *relative_and_floor(exact, data), data, context)


def weights_of_errors(expressions: list[sp.Expr], data: Dataset) -> list[Array] | None:
    """Weights of the rows for each output, where one is explained better relative to its size; None where none is."""
    y = data.train.y.double().cpu().numpy()
    relative = [is_relative(e, j, data) for j, e in enumerate(expressions)]
    spread = [np.full(len(y), 1 / (float(np.std(y[:, j])) or 1.0)) for j in range(y.shape[1])]
    own = [relative_weights(y[:, j]) if by_size else spread[j] for j, by_size in enumerate(relative)]
    return own if any(relative) else None


def weighted_loss(weights: list[Array], data: Dataset) -> LossOf:
    """The mean squared error of formulas on the training rows, where errors count by these weights of each output."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()

    def loss_of(trial: list[sp.Expr]) -> float:
        total = sum(squares(e, columns, y[:, j], weights[j]) for j, e in enumerate(trial))
        return total / y.size if math.isfinite(total) else math.nan

    return loss_of


def exact_forms(expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr] | None:
    """The formulas without what they can go without, where all of them leave nothing but rounding; None elsewhere."""
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    found = [bare(e, columns, y[:, j], context) for j, e in enumerate(expressions)]
    return found if all(agrees(evaluate(e, columns), y[:, j]) for j, e in enumerate(found)) else None


def shortened(expressions: list[sp.Expr], loss: LossOf, floor: float, data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with simple numbers, rewritten where that makes them shorter, at the same loss."""

    def loss_of(trial: list[sp.Expr]) -> float:
        context.spend(EVALUATED + EVALUATED_NODE * len(data.train.x) * sum(map(complexity, trial)))
        return loss(trial)

    rows = len(data.train.x)
    expressions = snap(expressions, loss_of, rows, floor, context)
    limit = max(loss_of(expressions) * (1 + 1e-6), floor)
    above = [name for name, low in zip(data.inputs, data.train.x.amin(0).tolist(), strict=True) if low > 0]
    for rewrite in (shortest, expanded) if not context.over() else ():
        context.spend(sum(map(work_of_rewriting, expressions)))
        short = snap([where_positive(rewrite, e, above) for e in expressions], loss_of, rows, floor, context)
        shorter = sum(map(complexity, short)) < sum(map(complexity, expressions))
        if shorter and loss_of(short) <= limit:
            expressions = short
    return expressions


def loss_and_floor(data: Dataset) -> tuple[LossOf, float]:
    """The loss of formulas on the training rows, and what rounding alone leaves of it."""
    floor = 0.0 if data.loss.logits else EXACT * float(data.train.y.double().var())
    return lambda trial: training_loss(trial, data.train, data.inputs, data.loss), floor


def relative_and_floor(exact: list[sp.Expr], data: Dataset) -> tuple[LossOf, float]:
    """The same by errors relative to the size of each target, for formulas that leave nothing but rounding."""
    y = data.train.y.double().cpu().numpy()
    loss_of = weighted_loss([weights_by_size(y[:, j]) for j in range(y.shape[1])], data)
    return loss_of, max(WORSE * loss_of(exact), LAST_DIGITS)


def is_locked(model: KAN) -> bool:
    """Whether constants of the network were fixed for good."""
    return any(bool((layer.is_fixed & ~layer.is_trainable & layer.alive).any()) for layer in model.layers)


def polished_forms(
    expressions: list[sp.Expr],
    loss: LossOf,
    floor: float,
    data: Dataset,
    weights: list[Array] | None,
    context: Context,
) -> list[sp.Expr]:
    """The expressions with what is left of their decimals at the least loss on the training rows, and snapped again.

    Only for a loss that least squares makes least: logits of classes would grow without end.
    """
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    again = [
        settled(e, columns, y[:, j], context, 1.0 if weights is None else weights[j]) for j, e in enumerate(expressions)
    ]
    return snap(again, loss, len(y), floor, context)


def is_relative(expression: sp.Expr, j: int, data: Dataset) -> bool:
    """Whether errors relative to the size of the targets explain output `j` better than errors of one size."""
    y = data.train.y[:, j].double().cpu().numpy()
    ours = evaluate(expression, columns_of(data.train.x, data.inputs))
    return over_decades(y) and relative_loss(ours, y) < float(np.mean((ours - y) ** 2))


def check(expressions: list[sp.Expr], data: Dataset) -> None:
    """Raises FormulaError for formulas whose texts cannot be read back, or have no value on some training row."""
    try:
        values = evaluate_texts([str(e) for e in expressions], data.train.x, data.inputs)
    except Exception as error:  # whatever SymPy and NumPy make of it
        raise FormulaError(f"it cannot be read back: {shorten(str(error), 160)}") from error
    if lost := int((~values.isfinite().all(1)).sum()):
        raise FormulaError(f"it has no value on {lost} of {len(values)} training rows")
