"""The front of formulas for an output: those that no other one beats in both complexity and error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import sympy as sp

from kanrun.data.dataset import Dataset
from kanrun.functions.naming import as_shown
from kanrun.symbolic.expression import complexity, rounded
from kanrun.symbolic.scoring import cross_validation_of, scores_of


@dataclass(frozen=True)
class Alternative:
    """A point of the front: a formula for the same output, simpler or more exact than the others."""

    complexity: int
    error: float | None
    expression: str
    rounded: str = ""
    chosen: bool = False


def front_of(others: list[list[sp.Expr]], chosen: list[sp.Expr], data: Dataset) -> list[list[Alternative]]:
    """For every output the formulas that no other one beats in both complexity and test error, simplest first.

    The chosen one is always among them: the training rows chose it, and the test rows may like another one better.
    """
    return [pareto([alternative(e[j], j, chosen, data) for e in [chosen, *others]]) for j in range(len(data.outputs))]


def alternative(expression: sp.Expr, j: int, chosen: list[sp.Expr], data: Dataset) -> Alternative:
    """`expression` for output `j`, beside the chosen ones for the other outputs of classes."""
    others = [*chosen[:j], expression, *chosen[j + 1 :]]
    judged = cross_validation_of([expression], j, data) or scores_of(others, j, data, data.judged)
    error = judged[data.loss.name]
    size, text, short = complexity(expression), str(expression), as_shown(rounded(expression), data.names)
    return Alternative(size, None if error is None else float(error), text, short, expression == chosen[j])


def pareto(points: list[Alternative]) -> list[Alternative]:
    """The points that no other one beats, and the chosen one."""
    front: list[Alternative] = []
    least = math.inf
    distinct = {p.expression: p for p in reversed(points)}.values()
    for point in sorted(distinct, key=order_of_front):
        if point.chosen or (point.error is not None and point.error < least):
            front.append(point)
            least = min(least, math.inf if point.error is None else point.error)
    return front


def order_of_front(point: Alternative) -> tuple[int, float, bool]:
    """Simple ones first, then exact ones, then the chosen one."""
    return point.complexity, math.inf if point.error is None else point.error, not point.chosen
