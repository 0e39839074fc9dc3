"""A straight line in all inputs: in many sums of few terms would have to be grown to it, in few they may pass it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from kanrun.discovery.lines import line_through
from kanrun.discovery.moves.expressions import keep_expression
from kanrun.discovery.search import Search
from kanrun.functions.parser import symbol as input_called
from kanrun.symbolic.expression import number

WORK = 1e-6  # units, times rows and the square of inputs


@dataclass(frozen=True)
class Straight:
    """Fits a line to all inputs, and keeps it without those that it does not need."""

    despite: frozenset[str] = frozenset()
    name: ClassVar[str] = "straight line"

    def wanted(self, search: Search) -> bool:
        """Where no width is given and nothing is exact."""
        return search.problem.width is None and not search.state.findings.exact

    def run(self, search: Search) -> bool:
        """The line as a formula, where there is one."""
        problem = search.problem
        search.context.spend(WORK * len(problem.x) * problem.n**2)
        columns, y = problem.arrays
        line = line_through(problem.x.double().cpu().numpy(), y, problem.factors)
        if line is None:
            return False
        names = list(columns)
        terms = [number(line.slopes[i]) * input_called(names[i]) for i in line.inputs]
        keep_expression(search, self.name, sp.Add(number(line.constant), *terms))
        return False
