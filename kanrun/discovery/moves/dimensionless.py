"""Divide and conquer by units: a search over dimensionless groups, which are fewer than the inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from kanrun.discovery.compose import bits_of
from kanrun.discovery.composites import Composite, over_composites
from kanrun.discovery.dimensionless import Similarity, similarities
from kanrun.discovery.peel import with_powers
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.trial import Discovered
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic

CLOSE = 1e-3  # part of the variance over the groups that may be left unexplained


@dataclass(frozen=True)
class Dimensionless:
    """A target as a product of powers of inputs, by its unit, times a formula of groups without one, in this `part`.

    A law with a constant that has a unit of its own is none over such groups, and nothing comes of it.
    """

    part: float
    name: ClassVar[str] = "dimensionless groups"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled"})

    def wanted(self, search: Search) -> bool:
        """Where units are known, and no width is given."""
        problem = search.problem
        return problem.width is None and problem.measured is not None and problem.measured.known

    def run(self, search: Search) -> bool:
        """Explains what is left over the groups, and takes the powers times that for a formula."""
        problem = search.problem
        assert problem.measured is not None
        positive = [low > 0 for low in problem.x.amin(0).tolist()]
        found = similarities(problem.measured, problem.names, positive)
        if found is None:
            return False
        factor, groups = found.of(problem.x)
        weights = relative_to(problem.weights, factor)
        rest = Problem(groups, problem.y / factor, problem.functions, weights=weights)
        if rest.alike or not found.groups:
            level = rest.constant().symbolic.model if found.groups else constant(rest)
            self.take(search, found, level)
            return False
        inner = search.within(rest, self.part).run()
        assert inner.result
        symbolic = inner.result.symbolic
        if inner.findings.exact or symbolic.loss <= CLOSE * rest.variance:
            self.take(search, found, symbolic.model)
        return False

    def take(self, search: Search, found: Similarity, rest: KAN) -> None:
        """Keeps the factor times a formula of the groups, whose powers follow from the units and are not trained."""
        problem = search.problem
        whole = over_composites(rest, [*map(Composite.product, found.groups)], problem.n) if found.groups else rest
        model = with_powers(whole, list(range(problem.n)), found.factor, problem.n)
        with torch.no_grad():
            loss = problem.loss(model(problem.x))
        bits = bits_of(model, loss, rest.parameter_count(), problem)
        search.keep(Discovered(model, model, Symbolic(model, loss, bits)))


def relative_to(weights: Tensor | None, factor: Tensor) -> Tensor:
    """The weights of rows whose targets are divided by a factor [rows, 1]: so errors of the targets count as before."""
    own = factor[:, 0] ** 2 if weights is None else weights * factor[:, 0] ** 2
    return own / own.mean()


def constant(rest: Problem) -> KAN:
    """A constant, as a network over one input that it does not look at."""
    return replace(rest, x=rest.y).constant().symbolic.model
