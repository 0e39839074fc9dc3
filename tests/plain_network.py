"""A plain network that autograd can differentiate any number of times, by inputs and by trained entries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kanrun.model.jets import Index
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from tests.helpers import scipy_basis, trained_gradient

TORCH_NAMES = {"sin": torch.sin, "cos": torch.cos, "exp": torch.exp, "tanh": torch.tanh, "atan": torch.atan}


def plain_basis(grid: Tensor, k: int, x: Tensor) -> Tensor:
    """All B-splines at `x` [rows] by Cox and de Boor's recursion, and their tangents beyond the grid."""
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    beyond = torch.arange(1, k + 1, dtype=grid.dtype) * step
    knots, at = torch.cat([grid[0] - beyond.flip(0), grid, grid[-1] + beyond]), x[:, None]
    values = ((at >= knots[:-1]) & (at < knots[1:])).to(x.dtype)
    for d in range(1, k + 1):
        rising = (at - knots[: -d - 1]) / (knots[d:-1] - knots[: -d - 1])
        falling = (knots[d + 1 :] - at) / (knots[d + 1 :] - knots[1:-d])
        values = rising * values[:, :-1] + falling * values[:, 1:]
    for border, outside in ((grid[0], at < grid[0]), (grid[-1], at > grid[-1])):
        there, slope = (torch.tensor(scipy_basis(grid.numpy(), k, border[None].numpy(), n)) for n in (0, 1))
        values = torch.where(outside, there + slope * (at - border), values)
    return values


def plain_edge(layer: KANLayer, sub: int, i: int, x: Tensor) -> Tensor:
    """One edge's output, from the meaning of its numbers, which have gradients."""
    if layer.is_fixed[sub, i]:
        a, b, c = layer.affine[sub, i]
        text = layer.library[layer.functions[sub, i]].text
        return c * eval(text, {"__builtins__": {}}, {**TORCH_NAMES, "x": a * x + b})
    base = {"silu": x * torch.sigmoid(x), "identity": x, "zero": 0 * x}[layer.base]
    return plain_basis(layer.grid[i], layer.k, x) @ layer.coef[sub, i] + layer.base_scale[sub, i] * base


def plain_outputs(model: KAN, x: Tensor) -> Tensor:
    """The network by plain loops over layers, nodes and edges: [rows, outputs]."""
    for layer in model.layers:
        sums = []
        for s in range(layer.n_sub):
            edges = [plain_edge(layer, s, i, x[:, i]) for i in range(layer.n_in) if layer.alive[s, i]]
            sums.append(sum(edges, start=layer.bias[s].expand(len(x))))
        products = [sums[s] * sums[s + 1] for s in range(layer.n_sum, layer.n_sub, 2)]
        x = torch.stack([*sums[: layer.n_sum], *products], dim=1)
    return x


def by_autograd(model: KAN, x: Tensor, wanted: Sequence[Index]) -> dict[Index, Tensor]:
    """Derivatives of the plain network's outputs, with a graph to the network's parameters: [rows, outputs] each."""
    x = x.clone().requires_grad_()
    outputs = plain_outputs(model, x)
    result = {}
    for index in wanted:
        columns = []
        for column in outputs.unbind(1):
            for i in index:
                gradient = torch.zeros_like(x)
                if column.requires_grad:
                    (gradient,) = torch.autograd.grad(
                        column.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True
                    )
                column = gradient[:, i]
            columns.append(column)
        result[index] = torch.stack(columns, dim=1)
    return result


def gradient_of(model: KAN, value: Tensor) -> Tensor:
    """The gradient of a number by the trained entries: [parameters]."""
    return trained_gradient(model, value) if value.requires_grad else torch.zeros_like(model.get_vector())
