"""What a search has tried: networks of splines under a link function, and the formulas that were read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.discovery.links import LINK_NAMED, Link
from kanrun.discovery.peel import with_last
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic


@dataclass(frozen=True)
class Trial:
    """A network of splines for the targets without their link function: (undone - mean) / scale.

    `plain` is said of its structure: that it ends in a function of its own choice.
    """

    structure: str
    plain: bool
    link_name: str
    model: KAN
    mean: float
    scale: float
    unexplained: float  # part of the targets' variance, on validation rows

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{self.structure} under {self.link_name}"

    @property
    def link(self) -> Link:
        """The link function."""
        return LINK_NAMED[self.link_name]

    def predicted(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """What it says about the targets `y` [rows, 1], as a function of rows."""

        def outputs(x: Tensor) -> Tensor:
            with torch.no_grad():
                return self.link.apply(self.model(x) * self.scale + self.mean, y)

        return outputs


@dataclass(frozen=True)
class Discovered:
    """The networks of the best formula on its way: splines, pruned, symbolic."""

    spline: KAN
    pruned: KAN
    symbolic: Symbolic

    @property
    def bits(self) -> float:
        """Description length of the formula and what it leaves unexplained."""
        return self.symbolic.bits

    def changed(self, change: Callable[[KAN], KAN]) -> Discovered:
        """The same with every network changed, as long as it says the same."""
        return Discovered(change(self.spline), change(self.pruned), self.symbolic.changed(change))


def curved_edges(model: KAN) -> int:
    """How many edges of a network of functions are no straight lines."""
    return sum(
        name != "x" and bool(layer.alive[edge]) for layer in model.layers for edge, name in layer.functions.items()
    )


def with_link(trial: Trial, y: Tensor) -> KAN:
    """The trial's network with its link function as an edge more, for the targets themselves."""
    return with_last(trial.model, trial.link.function, trial.scale, trial.mean, *trial.link.constants(y))


def rows_only(x: Tensor, y: Tensor, weights: Tensor | None = None) -> Dataset:
    """The training rows as a dataset of its own."""
    rows = Rows(x, y, weights)
    return Dataset("rows", rows, rows, [f"x_{i + 1}" for i in range(x.shape[1])], ["y"], REGRESSION, MSE)
