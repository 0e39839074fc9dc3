"""The front of formulas for an output: those that no other one beats in both complexity and error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.data.scores import Scores, loss_score, weights_of
from kanrun.functions.evaluate import evaluate
from kanrun.functions.naming import as_shown
from kanrun.symbolic.choosing import bits_to_choose
from kanrun.symbolic.compare import over_decades
from kanrun.symbolic.deciding import deciding_point
from kanrun.symbolic.expression import complexity, rounded
from kanrun.symbolic.prior import skeleton
from kanrun.symbolic.scoring import cross_validation_of
from kanrun.symbolic.values import columns_of, evaluate_texts, factors_of_errors, sizes_are_known

UNLIKELY, MOST_OTHERS = 1e-3, 5  # odds of a form that is not worth a word, and forms that are told
BETTER = 1 - 1e-9  # times the error of a shorter formula that a longer one has at most; what is nearer is rounding


@dataclass(frozen=True)
class Alternative:
    """A point of the front: a formula for the same output, simpler or more exact than the others."""

    complexity: int
    error: float | None
    expression: str
    rounded: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Other:
    """Another form that the rows allow for an output: `odds` is how likely it is beside the chosen one.

    A measurement at `where`, by the names of inputs, would tell best: `values` are those of the chosen one and its own.
    """

    expression: str
    rounded: str
    complexity: int
    odds: float
    where: dict[str, float] | None = None
    values: tuple[float, float] | None = None


def others_of(found: list[sp.Expr], chosen: sp.Expr, j: int, data: Dataset) -> list[Other]:
    """The forms met that the rows do not speak against, the likeliest first, each once; none of classes.

    Odds are 2 to the difference of the description lengths (Rissanen 1978; Grünwald 2007, ch. 17).
    """
    if data.task == CLASSIFICATION:
        return []
    least, known = bits_of(chosen, j, data), dict[str, tuple[Other, sp.Expr]]()
    own = skeleton(chosen, name=None)
    for e in found:
        text, form = str(e), skeleton(e, name=None)
        odds = 2.0 ** min(60.0, least - bits_of(e, j, data))
        if form != own and odds >= max(UNLIKELY, known[form][0].odds if form in known else 0.0):
            known[form] = Other(text, as_shown(rounded(e), data.names), complexity(e), float(f"{odds:.3g}")), e
    best = sorted(known.values(), key=lambda one: (-one[0].odds, one[0].complexity))[:MOST_OTHERS]
    return [told_apart(other, e, chosen, data) for other, e in best]


def told_apart(other: Other, expression: sp.Expr, chosen: sp.Expr, data: Dataset) -> Other:
    """The other form, an `expression`, with where a measurement would decide between it and the chosen one."""
    where = deciding_point(chosen, expression, columns_of(data.train.x, data.inputs))
    if where is None:
        return other
    point = {name: np.array([value]) for name, value in where.items()}
    one, another = (float(evaluate(e, point)[0]) for e in (chosen, expression))
    return replace(other, where=where, values=(one, another)) if math.isfinite(one - another) else other


def bits_of(expression: sp.Expr, j: int, data: Dataset) -> float:
    """The description length of the training targets of output `j` by a formula; infinite where it has no value.

    Of targets over decades by errors relative to their size, where these are described better.
    """
    columns, y = columns_of(data.train.x, data.inputs), data.train.y[:, j].double().cpu().numpy()
    by_size = not sizes_are_known(data) and over_decades(y)
    return bits_to_choose(expression, columns, y, factors_of_errors(data), by_size)


def front_of(
    others: list[list[sp.Expr]], chosen: list[sp.Expr], data: Dataset, validated: Sequence[Scores | None]
) -> list[list[Alternative]]:
    """For every output the formulas that no other one beats in both complexity and test error, simplest first.

    The chosen one, of which `validated` has the cross-validated scores, is always among them: the training rows chose
    it, and the test rows may like another one better.
    """
    values = evaluate_texts([str(e) for e in chosen], data.judged.x, data.inputs)
    return [
        pareto([alternative(e, j, chosen, values, data, validated[j]) for e in dict.fromkeys([one, *more])])
        for j, (one, *more) in enumerate(zip(chosen, *others, strict=True))
    ]


def alternative(
    expression: sp.Expr, j: int, chosen: list[sp.Expr], values: Tensor, data: Dataset, validated: Scores | None
) -> Alternative:
    """`expression` for output `j`, beside the chosen ones for the other outputs of classes.

    `values` [rows, outputs] are those of the chosen ones on the rows that judge, `validated` the scores of that of `j`.
    """
    judged = None
    if data.test is None:
        judged = validated if expression == chosen[j] else cross_validation_of(expression, j, data)
    if judged is not None:
        error = judged[data.loss.name]
    else:
        own, y = values[:, j : j + 1], data.judged.y
        if expression != chosen[j]:
            own = evaluate_texts([str(expression)], data.judged.x, data.inputs)
        together = torch.cat([values[:, :j], own, values[:, j + 1 :]], dim=1) if data.loss.logits else own
        aims = y.cpu() if data.loss.logits else y[:, j : j + 1].double().cpu()
        error = loss_score(data, together, aims, weights_of(data, data.judged))
    size, text, short = complexity(expression), str(expression), as_shown(rounded(expression), data.names)
    return Alternative(size, None if error is None else float(error), text, short, expression == chosen[j])


def pareto(points: list[Alternative]) -> list[Alternative]:
    """The points that no other one beats, and the chosen one; of those that are shown alike one."""
    front: list[Alternative] = []
    least = math.inf
    last = [*(p for p in reversed(points) if not p.chosen), *(p for p in points if p.chosen)]
    distinct = {p.rounded or p.expression: p for p in last}.values()
    for point in sorted(distinct, key=order_of_front):
        if point.chosen or (point.error is not None and point.error < BETTER * least):
            front.append(point)
            least = min(least, math.inf if point.error is None else point.error)
    return front


def order_of_front(point: Alternative) -> tuple[int, float, bool]:
    """Simple ones first, then exact ones, then the chosen one."""
    return point.complexity, math.inf if point.error is None else point.error, not point.chosen
