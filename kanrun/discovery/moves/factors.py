"""Divide and conquer: powers of inputs that are factors of the targets, and a search for the rest with fewer inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from kanrun.data.losses import MSE
from kanrun.discovery.moves.dimensionless import relative_to
from kanrun.discovery.peel import exponents, exponents_of, with_powers
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.trial import Discovered
from kanrun.model.network import KAN
from kanrun.model.protocol import work_of_pass
from kanrun.symbolic.search import Search as Constants

PART = 1 / 3  # of what is left of the budget, for the rest
CLOSE = 1e-3  # part of the rest's variance that may be left unexplained
STEPS = 60


@dataclass(frozen=True)
class Factors:
    """Divides by powers of inputs that `powers` finds, and explains the rest with the other inputs."""

    name: str
    powers: Callable[[Search], dict[int, float]]
    structure: str = ""  # whose best network says what they are, and must be promising
    despite: ClassVar[frozenset[str]] = frozenset({"stalled"})

    def wanted(self, search: Search) -> bool:
        """Where there are inputs to be divided by and others, and no width is given."""
        promising = not self.structure or search.leads(self.structure)
        return search.problem.width is None and search.problem.n > 1 and promising

    def run(self, search: Search) -> bool:
        """Looks for factors, and at the rest where there are some that it has not looked at."""
        powers = self.powers(search)
        if powers not in search.state.divided:
            search.state.divided.append(powers)
            divide(search, powers)
        return False


def of_targets(search: Search) -> dict[int, float]:
    """What the logarithm of the targets says."""
    return exponents(search.problem.x, search.problem.y[:, 0], search.state.seed, search.context)


def of_leader(search: Search) -> dict[int, float]:
    """What the best network of the last structure says."""
    assert search.state.leader
    search.context.spend((1 + search.problem.n) * work_of_pass(search.state.leader.model, len(search.problem.x)))
    return exponents_of(search.state.leader.predicted(search.problem.y), search.problem.x)


def divide(search: Search, powers: dict[int, float]) -> None:
    """Explains the targets divided by these powers of inputs, and takes that times the powers for a formula."""
    x, y = search.problem.x, search.problem.y
    inputs = [i for i in range(search.problem.n) if i not in powers]
    if not powers or not inputs:
        return
    divisor = torch.stack([x[:, i] ** p for i, p in powers.items()], dim=1).prod(1, keepdim=True)
    scales = search.problem.scales and tuple(search.problem.scales[i] for i in inputs)
    weights = None if search.problem.weights is None else relative_to(search.problem.weights, divisor)
    rest = Problem(x[:, inputs].contiguous(), y / divisor, search.problem.functions, scales=scales, weights=weights)
    formula = explained(search, rest)
    if formula is not None:
        keep_polished(search, with_powers(formula, inputs, powers, search.problem.n))


def explained(search: Search, rest: Problem) -> KAN | None:
    """The formula of a problem with fewer inputs, by a search; None where it leaves more than next to nothing."""
    found = search.within(rest, PART).run()
    assert found.result
    inner = found.result.symbolic
    if not found.findings.exact and not rest.alike and inner.loss > CLOSE * rest.variance:
        return None
    return inner.model


def keep_polished(search: Search, model: KAN) -> None:
    """Takes a network of functions over all inputs for a formula, with its constants at their best."""
    problem = search.problem
    constants = Constants(problem.x, problem.y, MSE, problem.functions, problem.exact, search.context, problem.weights)
    search.keep(Discovered(model, model, constants.polish(model, STEPS)))
