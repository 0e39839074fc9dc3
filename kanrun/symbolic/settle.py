"""From a network's formulas to those that are kept: constants snapped and fitted again, rewritten, output by output."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from kanrun.context import Context
from kanrun.data.dataset import Dataset
from kanrun.functions.algebra import are_readable
from kanrun.functions.evaluate import Array, evaluate
from kanrun.model.network import KAN
from kanrun.symbolic.bare import bare
from kanrun.symbolic.compare import agrees, relative_weights, weights_by_size
from kanrun.symbolic.disguise import undone
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.frame import frame_of
from kanrun.symbolic.judging import is_relative
from kanrun.symbolic.parsimony import settled as parsimonious
from kanrun.symbolic.polishing import squares
from kanrun.symbolic.snap import EXACT, expanded, shortest, snap, where_positive, work_of_rewriting
from kanrun.symbolic.textbook import length
from kanrun.symbolic.values import columns_of, factors_of_errors, training_arrays, training_loss
from kanrun.symbolic.worth import worthwhile

EVALUATED, NODE, NODE_AND_ROW = 0.05, 0.005, 1e-5  # units of work: of an evaluation, a node, and a row and node of it
WORSE, LAST_DIGITS = 4.0, 1e-26  # times the loss of constants at their best, and that of rounding in any case

LossOf = Callable[[list[sp.Expr]], float]


def settled(model: KAN, plain: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with settled constants: found where rows are about one, and then looked at as they are."""
    frame = frame_of(data)
    if frame.is_plain:
        return by_outputs(partial(settled_forms, model), plain, data, context)
    inner = by_outputs(partial(settled_forms, model), frame.entered(plain), frame.data(data), context)
    return by_outputs(snapped, frame.left(inner), data, context)


def by_outputs(
    settle: Callable[[list[sp.Expr], Dataset, Context], list[sp.Expr]], expressions: list[sp.Expr], data: Dataset,
    context: Context,
) -> list[sp.Expr]:  # fmt: skip
    """What `settle` makes of each output alone; of all together where their loss is not a sum over them."""
    if not data.loss.least_squares:
        return settle(expressions, data, context)
    found = []
    for j, e in enumerate(expressions):
        train = replace(data.train, y=data.train.y[:, j : j + 1])
        found += settle([e], replace(data, train=train, outputs=[data.outputs[j]]), context)
    return found


def snapped(expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with nice constants in the units of the rows too."""
    exact = data.loss.least_squares and all_agree(expressions, data)
    loss, floor = relative_and_floor(expressions, data) if exact else loss_and_floor(data)
    return snap(expressions, counted(loss, data, context), len(data.train.x), floor, context)


def counted(loss: LossOf, data: Dataset, context: Context) -> LossOf:
    """A loss on the training rows, counted as work."""

    def loss_of(trial: list[sp.Expr]) -> float:
        context.spend(EVALUATED + (NODE + NODE_AND_ROW * len(data.train.x)) * sum(map(complexity, trial)))
        return loss(trial)

    return loss_of


def all_agree(expressions: list[sp.Expr], data: Dataset) -> bool:
    """Whether all formulas leave nothing but rounding."""
    columns, y = training_arrays(data)
    return all(agrees(evaluate(e, columns), y[:, j]) for j, e in enumerate(expressions))


def undisguised(expressions: list[sp.Expr], data: Dataset) -> list[sp.Expr]:
    """The formulas without functions that undo each other, where that costs nothing."""
    loss, floor = loss_and_floor(data)
    plain = [undone(e, columns_of(data.train.x, data.inputs)) for e in expressions]
    if plain != expressions and loss(plain) <= max(loss(expressions) * (1 + 1e-6), floor):
        return plain
    return expressions


def settled_forms(model: KAN, expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with constants snapped and fitted again, rewritten where that makes them shorter."""
    expressions = undisguised(expressions, data)
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
    columns, y = training_arrays(data)

    def loss_of(trial: list[sp.Expr]) -> float:
        total = sum(squares(e, columns, y[:, j], weights[j]) for j, e in enumerate(trial))
        return total / y.size if math.isfinite(total) else math.nan

    return loss_of


def exact_forms(expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr] | None:
    """The formulas without what they can go without, where all of them leave nothing but rounding; None elsewhere."""
    columns, y = training_arrays(data)
    found = [bare(e, columns, y[:, j], context) for j, e in enumerate(expressions)]
    return found if all_agree(found, data) else None


def shortened(expressions: list[sp.Expr], loss: LossOf, floor: float, data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with simple numbers, rewritten where that makes them shorter, at the same loss.

    Those of classes that together are too long to be read stay as they are.
    """
    if data.loss.logits and not are_readable(expressions):
        return expressions
    loss_of = counted(loss, data, context)
    rows = len(data.train.x)
    ones = data.loss.logits
    expressions = snap(expressions, loss_of, rows, floor, context, ones)
    limit = max(loss_of(expressions) * (1 + 1e-6), floor)
    above = [name for name, low in zip(data.inputs, data.train.x.amin(0).tolist(), strict=True) if low > 0]
    for rewrite in (shortest, expanded) if are_readable(expressions) and not context.over() else ():
        context.spend(sum(map(work_of_rewriting, expressions)))
        short = snap([where_positive(rewrite, e, above) for e in expressions], loss_of, rows, floor, context, ones)
        size = length if any(e.atoms(sp.Float) for e in expressions) else complexity
        shorter = sum(map(size, short)) < sum(map(size, expressions))
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
    columns, y = training_arrays(data)
    again = []
    for j, e in enumerate(expressions):
        own = factors_of_errors(data) if weights is None else weights[j]
        again.append(worthwhile(parsimonious(e, columns, y[:, j], context, own), columns, y[:, j], context, own))
    return snap(again, loss, len(y), floor, context)
