"""The multilayer perceptron: the ordinary network that a KAN is held against, with an analytic Jacobian as well."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kanrun.model.copying import copied
from kanrun.model.network import Width, split_width
from kanrun.model.prepared import Prepared
from kanrun.model.rows import as_rows


def silu_slope(x: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward(torch.ones_like(x), x)


# Each activation with its slope.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "silu": (F.silu, silu_slope),
    "tanh": (torch.tanh, lambda z: 1 - torch.tanh(z) ** 2),
    "relu": (torch.relu, lambda z: (z > 0).to(z.dtype)),
}


def matched_width(parameters: int, n_in: int, n_out: int) -> list[int | list[int]]:
    """The width with two equal hidden layers whose number of parameters comes closest to the given one."""
    linear = n_in + n_out + 2  # h hidden nodes a layer make h^2 + linear * h + n_out parameters
    h = (math.sqrt(linear**2 + 4 * max(0, parameters - n_out)) - linear) / 2
    hidden = max(1, round(h))
    return [n_in, hidden, hidden, n_out]


class MLP(nn.Module):
    """A multilayer perceptron with one activation, `silu`, `tanh` or `relu`, after every layer but the last.

    `width` is the number of nodes of every layer, inputs first. All random numbers come from `seed`.
    `model(x)` takes [rows, inputs] and gives [rows, outputs].

    >>> model = MLP([2, 20, 20, 1], seed=0)
    >>> model(torch.zeros(10, 2, dtype=torch.float64)).shape
    torch.Size([10, 1])
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, width: Width, activation: str = "silu", seed: int = 0, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        sizes = split_width(width)
        if len(sizes) < 2 or any(products for _, products in sizes):
            raise ValueError(f"width {list(width)}: two or more layers, each of them a positive int")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r}: one of {', '.join(ACTIVATIONS)}")
        self.activation = activation
        generator = torch.Generator().manual_seed(seed)

        def uniform(size: float, *shape: int) -> nn.Parameter:
            numbers = torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1
            return nn.Parameter((numbers * size).to(dtype))

        pairs = list(pairwise(size for size, _ in sizes))
        # Weights of variance 1/inputs (LeCun et al. 1998): with torch's own, a third of that, lm learns far slower.
        self.weights = nn.ParameterList([uniform(math.sqrt(3 / before), after, before) for before, after in pairs])
        self.biases = nn.ParameterList([uniform(math.sqrt(1 / before), after) for before, after in pairs])
        self.register_buffer("shift", torch.zeros(self.n_in, dtype=dtype))
        self.register_buffer("scale", torch.ones(self.n_in, dtype=dtype))

    @property
    def width(self) -> list[int | list[int]]:
        """The nodes of every layer, in the form that the constructor takes."""
        return [self.n_in, *(len(bias) for bias in self.biases)]

    @property
    def n_in(self) -> int:
        return int(self.weights[0].shape[1])

    @property
    def n_out(self) -> int:
        return len(self.biases[-1])

    @property
    def grid(self) -> int:
        """There are no splines, so no intervals."""
        return 0

    @property
    def description(self) -> str:
        """What there is to say beside the width."""
        return f"MLP with {self.activation}"

    def extra_repr(self) -> str:
        """What is shown of it, in the form that the constructor takes."""
        return f"width={self.width}, activation={self.activation}"

    def forward(self, x: Tensor, first: Prepared | None = None) -> Tensor:  # noqa: ARG002
        """[rows, n_in] -> [rows, n_out]. Raises ValueError for another number of columns, TypeError for no numbers.

        `first` is None always: nothing of a pass can be prepared.
        """
        x = as_rows(x, self.n_in, self.shift)
        return self.sums(x)[-1]

    def sums(self, x: Tensor) -> list[Tensor]:
        """What every layer adds up, before the activation: [rows, nodes] each; the last are the outputs."""
        activate, _ = ACTIVATIONS[self.activation]
        sums: list[Tensor] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            inputs = activate(sums[-1]) if sums else (x - self.shift) / self.scale
            sums.append(torch.addmm(bias, inputs, weight.T))
        return sums

    def standardize(self, x: Tensor) -> None:
        """From now on inputs are taken relative to mean and spread of the rows `x` [rows, n_in]; nothing else changes.

        Knots follow the rows as well: an MLP without this would lose for the units of its inputs alone.
        """
        with torch.no_grad():
            spread, half = x.std(0, correction=0), (x.amax(0) - x.amin(0)) / 2
            spread = torch.where(torch.isfinite(spread) & (spread > 0), spread, half)  # its square may be no number
            self.shift.copy_(x.mean(0))
            self.scale.copy_(torch.where(torch.isfinite(spread) & (spread > 0), spread, 1.0))

    def rescale_outputs(self, scale: Tensor, shift: Tensor) -> None:
        """Makes the outputs `scale * outputs + shift`, both [n_out], in place."""
        with torch.no_grad():
            self.weights[-1].mul_(scale[:, None])
            self.biases[-1].mul_(scale).add_(shift)

    def clone(self) -> MLP:
        """A copy that shares nothing."""
        return copied(self)

    def become(self, other: MLP) -> None:
        """Takes over structure and values of another network, of which it then shares nothing."""
        own = other.clone()
        self.activation, self.weights, self.biases = own.activation, own.weights, own.biases
        self.shift, self.scale = own.shift, own.scale

    def active_edges(self) -> int:
        """How many weights there are."""
        return sum(weight.numel() for weight in self.weights)

    def active_inputs(self) -> list[int]:
        """Indices of all inputs: no weight is ever exactly zero."""
        return list(range(self.n_in))

    def fit_grids(self, x: Tensor) -> None:
        """Nothing: there are no knots that could follow the rows `x`."""

    def refine(self, grid: int) -> MLP:
        """Raises ValueError: there are no grids."""
        raise ValueError(f"grid {grid}: an MLP has no grids")

    # ---- the trained entries as one vector: all weights, then all biases ----------------------------------------

    def trained(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Each parameter with the mask of the entries that training may change: all of them."""
        return [(p, torch.ones_like(p, dtype=torch.bool)) for p in self.parameters()]

    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(p.numel() for p in self.parameters())

    def parameter_count_on(self, grid: int) -> int:  # noqa: ARG002
        """The same, as there are no grids."""
        return self.parameter_count()

    def get_vector(self) -> Tensor:
        """All trained entries: [parameters]."""
        return torch.cat([p.detach().flatten() for p in self.parameters()])

    def gradient_vector(self) -> Tensor:
        """The gradients of all trained entries, zero where there is none: [parameters]."""
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.parameters()])

    def set_vector(self, vector: Tensor) -> None:
        """Puts back what `get_vector` gave, changed or not."""
        parts = vector.split([p.numel() for p in self.parameters()])
        with torch.no_grad():
            for p, part in zip(self.parameters(), parts, strict=True):
                p.copy_(part.view_as(p))

    def passed(self, x: Tensor, first: Tensor | None = None) -> MlpPass:  # noqa: ARG002
        """A pass through the network that keeps what its derivatives need, without gradients.

        `first` is None always, as in `forward`.
        """
        with torch.no_grad():
            return MlpPass(self, x, self.sums(x))

    def jacobian(self, x: Tensor, first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs [rows, n_out] and their derivatives by the trained entries [rows, n_out, parameters]."""
        kept = self.passed(x, first)
        return kept.outputs, kept.jacobian()


@dataclass(frozen=True)
class MlpPass:
    """What a pass through an MLP leaves behind for its derivatives, which hold until the entries change."""

    model: MLP
    x: Tensor
    sums: list[Tensor]

    @property
    def outputs(self) -> Tensor:
        """[rows, n_out]."""
        return self.sums[-1]

    @torch.no_grad()
    def jacobian(self, into: Tensor | None = None) -> Tensor:
        """The derivatives of the outputs by the trained entries, [rows, n_out, parameters], written `into` a tensor."""
        model, x = self.model, self.x
        activate, slope = ACTIVATIONS[model.activation]
        inputs = [(x - model.shift) / model.scale, *(activate(z) for z in self.sums[:-1])]
        nodes = torch.eye(model.n_out, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        by_weights: list[Tensor] = []
        by_biases: list[Tensor] = []
        for depth in reversed(range(len(inputs))):
            by_weights.insert(0, (nodes[..., None] * inputs[depth][:, None, None]).flatten(2))
            by_biases.insert(0, nodes)
            if depth:
                nodes = nodes @ model.weights[depth] * slope(self.sums[depth - 1])[:, None]
        return torch.cat([*by_weights, *by_biases], dim=2, out=into)
