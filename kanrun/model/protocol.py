"""What a network must be able to do to be trained, scored and kept, whichever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, Self, TypeGuard

import torch
from torch import Tensor, nn

from kanrun.model.network import KAN
from kanrun.model.prepared import Prepared


class Pass(Protocol):
    """A pass of rows through a network with what its derivatives need, which hold until the entries change."""

    @property
    def outputs(self) -> Tensor: ...
    def jacobian(self, into: Tensor | None = None) -> Tensor: ...


class Trainable(Protocol):
    """What least squares needs: outputs with derivatives, and the trained entries as one vector."""

    @property
    def n_out(self) -> int: ...
    def __call__(self, x: Tensor, first: Prepared | None = None) -> Tensor: ...
    def passed(self, x: Tensor, first: Tensor | None = None) -> Pass: ...
    def parameter_count(self) -> int: ...
    def get_vector(self) -> Tensor: ...
    def set_vector(self, vector: Tensor) -> None: ...


class Network(Trainable, Protocol):
    """A KAN or an MLP; their methods say what each of these does."""

    @property
    def n_in(self) -> int: ...
    @property
    def width(self) -> list[int | list[int]]: ...
    @property
    def grid(self) -> int: ...
    @property
    def description(self) -> str: ...

    def jacobian(self, x: Tensor, first: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def parameter_count_on(self, grid: int) -> int: ...
    def clone(self) -> Self: ...
    def become(self, other: Self) -> None: ...
    def fit_grids(self, x: Tensor) -> None: ...
    def refine(self, grid: int) -> Self: ...
    def rescale_outputs(self, scale: Tensor, shift: Tensor) -> None: ...
    def active_edges(self) -> int: ...
    def active_inputs(self) -> list[int]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


def has_splines(model: Trainable) -> TypeGuard[KAN]:
    """Whether there are spline edges, so that there is something to prepare, and something to regularize."""
    return isinstance(model, KAN) and not model.is_symbolic()


def depth_of(model: Trainable) -> int:
    """How many layers of edges a pass goes through; 0 for what has none."""
    return len(model.layers) if isinstance(model, KAN) else 0


def work_of_pass(model: KAN, rows: int) -> float:
    """Units of work of a pass of so many rows."""
    return sum(0.15 + 1e-4 * rows * layer.alive.numel() for layer in model.layers)


def without_gradient(model: Network) -> Callable[[Tensor], Tensor]:
    """The network as a plain function of rows."""

    def outputs(x: Tensor) -> Tensor:
        with torch.no_grad():
            return model(x)

    return outputs
