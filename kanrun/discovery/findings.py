"""The formulas that a search has found, and whether one of them is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from kanrun.discovery.problem import Problem
from kanrun.discovery.trial import Discovered, curved_edges
from kanrun.model.protocol import without_gradient
from kanrun.symbolic.search import pareto

MOST_EDGES = 3  # curved edges an input of a formula that nothing shorter is looked for
STRUCTURED = 3e-2  # unexplained part of the variance; noise of more is not told from structure


@dataclass
class Findings:
    """The formulas of a problem so far, as a plain value.

    `explained` says whether one of them leaves nothing that looks like more than noise; a formula is exact with a loss
    up to `enough`, and short with up to `few` curved edges.
    """

    enough: float
    few: int
    all: list[Discovered] = field(default_factory=list)
    explained: bool = False

    @classmethod
    def of(cls, problem: Problem) -> Findings:
        """None yet."""
        return cls(problem.exact, MOST_EDGES * problem.n)

    @property
    def best(self) -> Discovered | None:
        """The formula with the shortest description so far."""
        return min(self.all, key=lambda f: f.bits, default=None)

    @property
    def exact(self) -> bool:
        """Whether a formula leaves only rounding unexplained."""
        return any(f.symbolic.loss <= self.enough for f in self.all)

    @property
    def closed(self) -> bool:
        """Whether there is an exact formula that is also short."""
        best = self.best if self.exact else None
        return best is not None and curved_edges(best.symbolic.model) <= self.few

    @property
    def settled(self) -> bool:
        """Whether there is an exact formula that is also short, or one that leaves nothing but noise."""
        return self.closed or self.explained

    def keep(
        self, found: Discovered, variance: float, leaves_noise: Callable[[Callable[[Tensor], Tensor]], bool]
    ) -> None:
        """Adds a formula; it explains all if it is the best so far, and what it leaves looks like noise."""
        self.all.append(found)
        if found is self.best and found.symbolic.loss < STRUCTURED * variance:
            self.explained = self.explained or leaves_noise(without_gradient(found.symbolic.model))

    def result(self, problem: Problem) -> Discovered:
        """The best formula, with all that were met on the front from simple to exact; a constant where none was."""
        best = self.best
        if best is None:
            return problem.constant()
        met = [f.symbolic for f in self.all] + [problem.described(m) for f in self.all for m in f.symbolic.front]
        return replace(best, symbolic=replace(best.symbolic, front=pareto(met)))
