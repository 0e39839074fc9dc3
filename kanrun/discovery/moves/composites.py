"""Divide and conquer: two inputs that count only together become one, and a search has one input less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from kanrun.discovery.composites import Composite, composites, over_composites
from kanrun.discovery.moves.factors import explained, keep_polished
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search

DECADE = 10.0
PASS = 1e-3  # units of work a row of a network's outputs


@dataclass(frozen=True)
class Composites:
    """Puts two inputs together that the best network of a structure, or the best formula, knows only together."""

    structure: str = ""  # of none it is the formula
    name: ClassVar[str] = "inputs together"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled"})

    def wanted(self, search: Search) -> bool:
        """Where that is promising, and no width is given."""
        problem = search.problem
        return problem.width is None and problem.n > 1 and search.known(self.structure) is not None

    def run(self, search: Search) -> bool:
        """Looks for the clearest pair that was not taken yet, and for a formula of it and the other inputs."""
        problem, state, known = search.problem, search.state, search.known(self.structure)
        assert known
        search.context.spend(2 * problem.n * PASS * len(problem.x))
        pairs = composites(known, problem.x)
        for i, j, composite in [one for one in pairs if one[:2] not in state.joined][:1]:
            state.joined.add((i, j))
            others = [k for k in range(problem.n) if k not in (i, j)]
            for argument in spellings(composite, problem.x):
                if not state.findings.settled and not search.over():
                    explain(search, argument, others)
        return False


def spellings(composite: Composite, x: Tensor) -> list[Composite]:
    """The argument, and a product over more than a decade by its logarithm too, where splines see all of its range."""
    values = composite.of(x)
    wide = composite.outer == "exp" and float(values.max()) > DECADE * float(values.min())
    return [composite, *([replace(composite, outer="x")] if wide else [])]


def explain(search: Search, composite: Composite, others: list[int]) -> None:
    """Searches with the argument in the place of its inputs, and takes the result over the inputs for a formula."""
    problem = search.problem
    x = torch.column_stack([composite.of(problem.x), problem.x[:, others]])
    rest = Problem(x, problem.y, problem.functions, weights=problem.weights, most=problem.most)
    formula = explained(search, rest)
    if formula is not None:
        arguments = [composite, *(Composite({k: 1.0}) for k in others)]
        keep_polished(search, over_composites(formula, arguments, problem.n))
