"""From a network's formulas to those that are kept: constants snapped and fitted again, rewritten, output by output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import sympy as sp

from kanrun.context import Context
from kanrun.data.dataset import Dataset, Rows
from kanrun.model.network import KAN
from kanrun.symbolic.disguise import undone
from kanrun.symbolic.expression import complexity
from kanrun.symbolic.frame import frame_of
from kanrun.symbolic.parsimony import settled as parsimonious
from kanrun.symbolic.snap import EXACT, expanded, shortest, snap, where_positive, work_of_rewriting
from kanrun.symbolic.values import columns_of, training_loss

EVALUATED, NODE, NODE_AND_ROW = 0.05, 0.005, 1e-5  # units of work: of an evaluation, a node, and a row and node of it


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
        train = Rows(data.train.x, data.train.y[:, j : j + 1])
        found += settle([e], replace(data, train=train, outputs=[data.outputs[j]]), context)
    return found


def snapped(expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with nice constants in the units of the rows too."""
    floor = 0.0 if data.loss.logits else EXACT * float(data.train.y.double().var())
    return snap(expressions, partial(loss_of, data=data, context=context), len(data.train.x), floor, context)


def loss_of(expressions: list[sp.Expr], data: Dataset, context: Context) -> float:
    """The loss on the training rows, counted as work."""
    context.spend(EVALUATED + (NODE + NODE_AND_ROW * len(data.train.x)) * sum(map(complexity, expressions)))
    return training_loss(expressions, data.train, data.inputs, data.loss)


def settled_forms(model: KAN, expressions: list[sp.Expr], data: Dataset, context: Context) -> list[sp.Expr]:
    """The formulas with constants snapped and fitted again, rewritten where that makes them shorter."""
    value = partial(loss_of, data=data, context=context)
    floor = 0.0 if data.loss.logits else EXACT * float(data.train.y.double().var())
    rows, columns = len(data.train.x), columns_of(data.train.x, data.inputs)
    limit = max(value(expressions) * (1 + 1e-6), floor)
    plain = [undone(e, columns) for e in expressions]
    if plain != expressions and value(plain) <= limit:
        expressions = plain
    expressions = snap(expressions, value, rows, floor, context)
    limit = max(value(expressions) * (1 + 1e-6), floor)
    above = [name for name, low in zip(data.inputs, data.train.x.amin(0).tolist(), strict=True) if low > 0]
    for rewrite in (shortest, expanded) if not context.over() else ():
        context.spend(sum(map(work_of_rewriting, expressions)))
        short = snap([where_positive(rewrite, e, above) for e in expressions], value, rows, floor, context)
        shorter = sum(map(complexity, short)) < sum(map(complexity, expressions))
        if shorter and value(short) <= limit:
            expressions = short
    return polish(model, expressions, data, value, floor, context)


def polish(
    model: KAN,
    expressions: list[sp.Expr],
    data: Dataset,
    loss_of: Callable[[list[sp.Expr]], float],
    floor: float,
    context: Context,
) -> list[sp.Expr]:
    """The expressions with what is left of their decimals at the least loss on the training rows, and snapped again.

    Only for a loss that least squares makes least: logits of classes would grow without end. Constants that were fixed
    for good stay.
    """
    locked = any(bool((layer.is_fixed & ~layer.is_trainable & layer.alive).any()) for layer in model.layers)
    if not data.loss.least_squares or locked or not loss_of(expressions) > floor:
        return expressions
    columns, y = columns_of(data.train.x, data.inputs), data.train.y.double().cpu().numpy()
    again = [parsimonious(e, columns, y[:, j], context) for j, e in enumerate(expressions)]
    return snap(again, loss_of, len(y), floor, context)
