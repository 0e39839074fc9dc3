"""Knots where they are needed: closer where the splines bend and where the outputs depend on them."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from kanrun.model.spline import extended_knots

EVEN = 0.2  # part of the knots that stays evenly spread, so that no interval grows too wide

ROWS_BETWEEN = 12  # rows that should lie between two knots, so that few of them do not bend the spline


def place_knots(model: KAN, x: Tensor, intervals: int) -> None:
    """Moves the splines of a finely gridded `model` to `intervals` intervals, in place, and keeps the knots there.

    The squared error of a spline of order k on intervals of width h is about w * (f^(k+1))^2 * h^(2k+2), with the
    density of the rows times the squared sensitivity of the outputs as the weight w; a given number of knots does most
    at a density proportional to (w * (f^(k+1))^2)^(1 / (2k+3)) (after de Boor 1978, A Practical Guide to Splines,
    ch. XII).
    """
    grids = [
        placed_grid(layer, inputs, weights, intervals)
        for layer, (inputs, weights) in zip(model.layers, sensitivities(model, x), strict=True)
    ]
    for layer, grid in zip(model.layers, grids, strict=True):
        layer.set_grid(grid)
    model.knots_stay = True


def sensitivities(model: KAN, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For every layer its inputs [rows, n_in] and the squared slope of the outputs by its sums [rows, n_sub]."""
    found = []
    for depth, trace in enumerate(model.trace(x)):
        with torch.enable_grad():
            subnodes = trace.subnodes.clone().requires_grad_()
            y = model.layers[depth].multiply(subnodes)
            for layer in model.layers[depth + 1 :]:
                y = layer(y)
            slopes = [torch.autograd.grad(output.sum(), subnodes, retain_graph=True)[0] for output in y.T]
        found.append((trace.inputs, sum((s**2 for s in slopes), torch.zeros_like(trace.subnodes))))
    return found


def bending(layer: KANLayer) -> Tensor:
    """The size of the derivative of order k+1 of every spline on every interval: [n_sub, n_in, intervals]."""
    k, derivative = layer.k, layer.coef.detach() * layer.is_spline[..., None]
    knots = extended_knots(layer.grid, k)
    for r in range(k):
        count = derivative.shape[2]
        width = knots[:, k + 1 : k + count] - knots[:, r + 1 : r + count]
        derivative = (k - r) * derivative.diff(dim=2) / width
    middles = (layer.grid[:, 1:] + layer.grid[:, :-1]) / 2
    jumps = (derivative.diff(dim=2) / middles.diff(dim=1)).abs()
    return (torch.cat([jumps[..., :1], jumps], dim=2) + torch.cat([jumps, jumps[..., -1:]], dim=2)) / 2


def placed_grid(layer: KANLayer, x: Tensor, weights: Tensor, intervals: int) -> Tensor:
    """A grid [n_in, intervals + 1] over the range of the layer's finer one; `weights` [rows, n_sub] say what counts."""
    grid, steps = layer.grid, layer.grid.diff(dim=1)
    fine = steps.shape[1]
    span = torch.searchsorted(grid[:, 1:-1].contiguous(), x.T.contiguous(), right=True)  # [n_in, rows]
    weight = torch.stack([x.new_zeros(fine, layer.n_sub).index_add(0, s, weights).T for s in span], dim=1)
    squares = (weight / steps * bending(layer) ** 2).sum(0)
    density = squares ** (1 / (2 * layer.k + 3))
    density = torch.nn.functional.avg_pool1d(
        torch.nn.functional.pad(density[None], (2, 2), mode="replicate"), 5, stride=1
    )[0]
    amount = density * steps
    total = amount.sum(1, keepdim=True)
    even = steps / steps.sum(1, keepdim=True)
    amount = torch.where(total > 0, (1 - EVEN) * amount / total + EVEN * even, even)
    count = torch.stack([torch.bincount(s, minlength=fine) for s in span])
    amount = torch.minimum(amount, count / (ROWS_BETWEEN * intervals)).clamp(min=1e-9)
    amount = amount / amount.sum(1, keepdim=True)
    reached = torch.cat([x.new_zeros(layer.n_in, 1), amount.cumsum(1)], dim=1)
    wanted = torch.linspace(0, 1, intervals + 1, dtype=x.dtype, device=x.device)
    below = torch.searchsorted(reached[:, 1:-1].contiguous(), wanted.expand(layer.n_in, -1).contiguous(), right=True)
    inside = (wanted - reached.gather(1, below)) / amount.gather(1, below)
    return grid.gather(1, below) + inside.clamp(0, 1) * steps.gather(1, below)
