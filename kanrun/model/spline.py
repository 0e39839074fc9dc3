"""B-splines on one grid an input: knots, basis values and derivatives, refitting to another grid.

Every function works on all inputs of a layer at once. A grid is `[inputs, intervals + 1]`, increasing; beyond it the
knots go on evenly for k more intervals a side, and the spline itself goes on as a straight line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 32_768  # values of x in one block of rows


def uniform_grid(low: Tensor, high: Tensor, intervals: int) -> Tensor:
    """Evenly spaced grid points from `low` to `high` ([inputs] each): [inputs, intervals + 1]."""
    steps = torch.linspace(0, 1, intervals + 1, dtype=low.dtype, device=low.device)
    return low[:, None] + (high - low)[:, None] * steps


def fitted_grid(x: Tensor, intervals: int, grid_eps: float) -> Tensor:
    """A grid over the range of `x` [rows, inputs]: `grid_eps` parts even, the rest by quantiles of the rows.

    A column without spread gets a grid around its value, so that no interval is empty.
    """
    low, high = x.amin(0), x.amax(0)
    scale = torch.maximum(low.abs(), high.abs())
    flat = high - low <= 64 * intervals * torch.finfo(x.dtype).eps * scale + torch.finfo(x.dtype).tiny
    room = torch.where(flat, torch.clamp(scale, min=1.0) * 0.5, torch.zeros_like(low))
    even = uniform_grid(low - room, high + room, intervals)
    rank = torch.linspace(0, x.shape[0] - 1, intervals + 1, device=x.device).round().long()
    quantiles = torch.where(flat[:, None], even, x.sort(0).values[rank].T)
    # Quantiles may coincide; a little of the even grid keeps the knots apart.
    share = max(grid_eps, 1e-3)
    return share * even + (1 - share) * quantiles


def extended_knots(grid: Tensor, k: int) -> Tensor:
    """All knots of order `k`: the grid and k more a side in steps of the mean interval, [inputs, intervals+1+2k]."""
    step = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    beyond = torch.arange(1, k + 1, dtype=grid.dtype, device=grid.device)
    return torch.cat([grid[:, :1] - step * beyond.flip(0), grid, grid[:, -1:] + step * beyond], dim=1)


def span_polynomials(grid: Tensor, k: int) -> Tensor:
    """The k+1 basis functions that are not zero on each interval, as polynomials of u in [0, 1] across it.

    Cox-de Boor (de Boor 1978, A Practical Guide to Splines, ch. X, eq. 4) run on coefficients, once a grid.
    Gives [inputs, intervals, power 0..k, k+1], or [1, 1, ...] where all intervals are even and so share theirs.
    """
    steps = grid.diff(dim=1)
    mean = steps.mean(1, keepdim=True)
    if bool(((steps - mean).abs() <= 16 * torch.finfo(grid.dtype).eps * grid.abs().amax(1, keepdim=True)).all()):
        grid = torch.arange(2, dtype=grid.dtype, device=grid.device)[None]
    knots = extended_knots(grid, k)
    intervals = grid.shape[1] - 1
    span = torch.arange(intervals, device=grid.device) + k
    start, width = knots[:, span], knots[:, span + 1] - knots[:, span]
    table = torch.zeros(*start.shape, k + 1, k + 1, dtype=grid.dtype, device=grid.device)
    table[:, :, 0, 0] = 1.0
    for degree in range(1, k + 1):
        raised = torch.zeros_like(table)
        for r in range(degree):  # the basis function that starts at knot span - degree + 1 + r, of the lower degree
            first = span - degree + 1 + r
            left, right = knots[:, first], knots[:, first + degree]
            polynomial = table[:, :, :, r] / (right - left)[..., None]
            shifted = torch.roll(polynomial, 1, dims=2) * width[..., None]  # times u * width; the top power is 0 here
            raised[:, :, :, r] += polynomial * (right - start)[..., None] - shifted
            raised[:, :, :, r + 1] += polynomial * (start - left)[..., None] + shifted
        table = raised
    return table


class Place(NamedTuple):
    """Where the rows lie in the grid: [rows, inputs] each, `powers` [rows, inputs, k+1]."""

    span: Tensor  # number of the interval
    powers: Tensor  # 1, u, u^2, ... u^k of the way u across the interval, 0 to 1
    width: Tensor  # of the interval
    beyond: Tensor | None  # signed distance outside the grid, None where no row is


def locate(x: Tensor, grid: Tensor, table: Tensor) -> Place:
    """Places `x` [rows, inputs]; points outside the grid are placed at its border."""
    low, high, intervals = grid[:, 0], grid[:, -1], grid.shape[1] - 1
    inside = torch.clamp(x, low, high)
    if table.shape[1] == 1:  # even intervals
        width = (high - low) / intervals
        u = (inside - low).div_(width)
        span = u.long().clamp_(0, intervals - 1)  # also where x is NaN, which then spoils the values alone
        u = u.sub_(span)
    else:
        span = torch.searchsorted(grid[:, 1:-1].contiguous(), inside.T.contiguous(), right=True).T
        column = torch.arange(x.shape[1], device=x.device)
        start = grid[column, span]
        width = grid[column, span + 1] - start
        u = (inside - start).div_(width)
    powers = [torch.ones_like(u), u]
    for _ in range(2, table.shape[2]):
        powers.append(powers[-1] * u)
    beyond = None if torch.equal(inside, x) else x - inside
    return Place(span, torch.stack(powers[: table.shape[2]], dim=2), width, beyond)


def local_values(place: Place, table: Tensor) -> Tensor:
    """Values of the k+1 basis functions that are not zero, the first being number `span`: [rows, inputs, k+1]."""
    if table.shape[1] == 1:
        values = place.powers @ table[0, 0]
    else:
        values = (place.powers[..., None] * own_polynomials(place, table)).sum(2)
    return values if place.beyond is None else values + local_slopes(place, table) * place.beyond[..., None]


def local_slopes(place: Place, table: Tensor) -> Tensor:
    """Slopes of the same functions; outside the grid those at its border, where each goes on along its tangent."""
    if table.shape[2] == 1:
        return torch.zeros_like(place.powers)
    rise = place.powers[..., :-1] * torch.arange(1, table.shape[2], dtype=table.dtype, device=table.device)
    if table.shape[1] == 1:
        return (rise @ table[0, 0, 1:]).div_(place.width[..., None])
    return (rise[..., None] * own_polynomials(place, table)[:, :, 1:]).sum(2).div_(place.width[..., None])


def own_polynomials(place: Place, table: Tensor) -> Tensor:
    """The polynomials of each row's interval: [rows, inputs, power, k+1]."""
    return table[torch.arange(table.shape[0], device=table.device), place.span]


def positions(span: Tensor, order: int) -> Tensor:
    """Where the k+1 values belong in a row of all basis functions: [rows, inputs, k+1]."""
    return span[..., None] + torch.arange(order, device=span.device)


def spread_out(place: Place, local: Tensor, functions: int) -> Tensor:
    """The k+1 local numbers put in their places among all basis functions: [rows, inputs, functions]."""
    dense = torch.zeros(*place.span.shape, functions, dtype=local.dtype, device=local.device)
    return dense.scatter_(2, positions(place.span, local.shape[2]), local)


def blocks(rows: int, inputs: int) -> Iterator[slice]:
    """Slices of rows small enough for what is computed on the way to stay in the processor's cache."""
    size = max(1, BLOCK // max(inputs, 1))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


class DenseBasis(torch.autograd.Function):
    """Values of all basis functions, with a backward pass that touches only the k+1 that are not zero.

    Both go through the rows in blocks: large temporaries cost more than arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(x, grid, table)
        dense = torch.zeros(*x.shape, grid.shape[1] + table.shape[2] - 2, dtype=x.dtype, device=x.device)
        for rows in blocks(*x.shape):
            place = locate(x[rows], grid, table)
            dense[rows].scatter_(2, positions(place.span, table.shape[2]), local_values(place, table))
        return dense

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, grid, table = ctx.saved_tensors
        result = torch.empty_like(x)
        for rows in blocks(*x.shape):
            place = locate(x[rows], grid, table)
            local = gradient[rows].gather(2, positions(place.span, table.shape[2]))
            result[rows] = local.mul_(local_slopes(place, table)).sum(2)
        return result, None, None


def basis(x: Tensor, grid: Tensor, table: Tensor) -> Tensor:
    """Values of all basis functions at `x` [rows, inputs]: [rows, inputs, intervals + k]. Has first derivatives."""
    return DenseBasis.apply(x, grid, table)


def basis_slopes(x: Tensor, grid: Tensor, table: Tensor) -> Tensor:
    """Slopes of all basis functions at `x`, in the shape of `basis`."""
    place = locate(x, grid, table)
    return spread_out(place, local_slopes(place, table), grid.shape[1] + table.shape[2] - 2)


def fit_coefficients(x: Tensor, y: Tensor, grid: Tensor, k: int) -> Tensor:
    """Coefficients [inputs, outputs, intervals + k] of the splines closest to `y` [rows, inputs, outputs] at `x`.

    Where the rows leave a coefficient free, a slight pull to zero decides.
    """
    values = basis(x, grid, span_polynomials(grid, k))
    design, targets = values.transpose(0, 1), y.transpose(0, 1)
    size = design.shape[2]
    pull = 0.1 * torch.finfo(x.dtype).eps ** 0.5 * torch.eye(size, dtype=x.dtype, device=x.device)
    pull = pull.expand(design.shape[0], size, size)
    q, r = torch.linalg.qr(torch.cat([design, pull], dim=1))
    zeros = torch.zeros(targets.shape[0], size, targets.shape[2], dtype=x.dtype, device=x.device)
    solved = torch.linalg.solve_triangular(r, q.transpose(1, 2) @ torch.cat([targets, zeros], dim=1), upper=True)
    return solved.transpose(1, 2)


def points_within(grid: Tensor, per_interval: int) -> Tensor:
    """Points spread over every interval of a grid, borders included: [intervals * per_interval + 1, inputs]."""
    part = torch.arange(per_interval, dtype=grid.dtype, device=grid.device) / per_interval
    inner = grid[:, :-1, None] + (grid[:, 1:] - grid[:, :-1])[..., None] * part
    return torch.cat([inner.flatten(1), grid[:, -1:]], dim=1).T


def refined_grid(grid: Tensor, intervals: int) -> Tensor:
    """The grid cut into another number of intervals, in proportion to the old ones."""
    old = grid.shape[1] - 1
    position = torch.linspace(0, old, intervals + 1, dtype=grid.dtype, device=grid.device)
    below = position.floor().long().clamp(max=old - 1)
    return torch.lerp(grid[:, below], grid[:, below + 1], position - below)
