"""The formulas that a search has found, and whether one of them is enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from kanrun.discovery.atoms import argument_values, arguments_of
from kanrun.discovery.trial import Discovered, curved_edges
from kanrun.discovery.whiteness import is_noise
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.model.protocol import without_gradient
from kanrun.symbolic.search import Symbolic, pareto
from kanrun.symbolic.snap import EXACT

MOST_EDGES = 3  # curved edges an input of a formula that nothing shorter is looked for
STRUCTURED = 3e-2  # unexplained part of the variance; noise of more is not told from structure


@dataclass
class Findings:
    """Formulas for the targets `y` [rows, 1] at the rows `x` [rows, inputs]."""

    x: Tensor
    y: Tensor
    variance: float  # of y
    all: list[Discovered] = field(default_factory=list)
    explained: bool = False  # whether a formula leaves nothing that looks like more than noise
    joined: Tensor | None = None  # inputs joined in pairs, for what may be noise: [rows, arguments]

    @property
    def best(self) -> Discovered | None:
        """The formula with the shortest description so far."""
        return min(self.all, key=lambda f: f.bits, default=None)

    @property
    def exact(self) -> bool:
        """Whether a formula leaves only rounding unexplained."""
        return any(f.symbolic.loss <= EXACT * self.variance for f in self.all)

    @property
    def settled(self) -> bool:
        """Whether there is an exact formula that is also short, or one that leaves nothing but noise."""
        best = self.best if self.exact else None
        short = best is not None and curved_edges(best.symbolic.model) <= MOST_EDGES * self.x.shape[1]
        return short or self.explained

    @property
    def alike(self) -> bool:
        """Whether all targets are the same to rounding."""
        return self.variance <= torch.finfo(self.y.dtype).eps ** 2 * float((self.y**2).mean())

    def keep(self, found: Discovered) -> None:
        """Adds a formula; it explains all if it is the best so far, and what it leaves looks like noise."""
        self.all.append(found)
        if found is self.best and found.symbolic.loss < STRUCTURED * self.variance:
            self.explained = self.explained or self.leaves_noise(without_gradient(found.symbolic.model))

    def leaves_noise(self, outputs: Callable[[Tensor], Tensor]) -> bool:
        """Whether what a function of rows leaves of the targets looks like noise."""
        if self.joined is None:
            self.joined = argument_values(arguments_of(self.x), self.x, FUNCTIONS)
        return is_noise((outputs(self.x) - self.y)[:, 0], self.x, self.joined)

    def result(self) -> Discovered:
        """The best formula, with all that were met on the front from simple to exact; a constant where none was."""
        best = self.best
        if best is None:
            return self.constant()
        met = [f.symbolic for f in self.all] + [self.described(m) for f in self.all for m in f.symbolic.front]
        return replace(best, symbolic=replace(best.symbolic, front=pareto(met)))

    def constant(self) -> Discovered:
        """The formula of targets that are all the same."""
        model = KAN([self.x.shape[1], 1], grid=1, dtype=self.x.dtype).to(self.x.device)
        model.layers[0].alive.zero_()
        model.layers[0].bias = nn.Parameter(self.y.mean(0))
        return Discovered(model, model, self.described(model))

    def described(self, model: KAN) -> Symbolic:
        """A network of functions with its loss."""
        with torch.no_grad():
            return Symbolic(model, float(((model(self.x) - self.y) ** 2).mean()), math.inf)
