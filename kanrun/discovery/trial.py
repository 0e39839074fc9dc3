"""What a search has tried: networks of splines under a last function, and the formulas that were read from them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.discovery.outer import Outer
from kanrun.discovery.peel import with_last
from kanrun.discovery.structures import Structure
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic


@dataclass(frozen=True)
class Trial:
    """A network of splines for the targets without their last function: (undone - mean) / scale."""

    structure: Structure
    outer: Outer
    model: KAN
    mean: float
    scale: float
    unexplained: float  # part of the targets' variance, on rows held back


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


def curved_edges(model: KAN) -> int:
    """How many edges of a network of functions are no straight lines."""
    return sum(
        name != "x" and bool(layer.alive[edge]) for layer in model.layers for edge, name in layer.functions.items()
    )


def with_outer(trial: Trial, y: Tensor) -> KAN:
    """The trial's network with its last function as an edge more, for the targets themselves."""
    return with_last(trial.model, trial.outer.name, trial.scale, trial.mean, *trial.outer.constants(y))


def rows_only(x: Tensor, y: Tensor) -> Dataset:
    """The training rows as a dataset of its own."""
    rows = Rows(x, y)
    return Dataset("rows", rows, rows, [f"x_{i + 1}" for i in range(x.shape[1])], ["y"], REGRESSION, MSE)
