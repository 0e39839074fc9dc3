"""B-splines on one grid an input: knots, basis values and derivatives, refitting to another grid.

Every function works on all inputs of a layer at once. A grid is `[inputs, intervals + 1]`, increasing; beyond it the
knots go on evenly for k more intervals a side, and the spline itself goes on as a straight line.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
    Gives [inputs, intervals, power 0..k, k+1].
    """
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


def basis(x: Tensor, grid: Tensor, table: Tensor, derivative: bool = False) -> tuple[Tensor, Tensor | None]:
    """Values of all basis functions at `x` [rows, inputs] and slopes: [rows, inputs, intervals + k].

    Differentiable in `x`. Outside the grid each function continues along its tangent at the border.
    """
    rows, inputs = x.shape
    intervals, powers = grid.shape[1] - 1, table.shape[2]
    # The clamp passes the whole gradient at the border itself; minimum and maximum would halve it.
    inside = torch.clamp(x, grid[:, 0], grid[:, -1])
    span = torch.searchsorted(
        grid[:, 1:-1].contiguous(), inside.detach().T.contiguous(), right=True
    ).T  # [rows, inputs]
    column = torch.arange(inputs, device=x.device)
    start = grid[column, span]
    width = grid[column, span + 1] - start
    u = (inside - start) / width
    local = table[column, span]  # [rows, inputs, power, k+1]
    index = span[..., None] + torch.arange(powers, device=x.device)
    values = local[..., powers - 1, :]
    for power in range(powers - 2, -1, -1):
        values = values * u[..., None] + local[..., power, :]
    outside = x - inside
    slopes = None
    if derivative or bool((outside.detach() != 0).any()):
        slopes = torch.zeros_like(values)
        for power in range(powers - 1, 0, -1):
            slopes = slopes * u[..., None] + power * local[..., power, :]
        slopes = slopes / width[..., None]
        values = values + slopes * outside[..., None]
    empty = torch.zeros(rows, inputs, intervals + powers - 1, dtype=x.dtype, device=x.device)
    dense = empty.scatter(2, index, values)
    return dense, (empty.scatter(2, index, slopes) if derivative and slopes is not None else None)


def fit_coefficients(x: Tensor, y: Tensor, grid: Tensor, k: int) -> Tensor:
    """Coefficients [inputs, outputs, intervals + k] of the splines closest to `y` [rows, inputs, outputs] at `x`.

    Where the rows leave a coefficient free, a slight pull to zero decides.
    """
    values, _ = basis(x, grid, span_polynomials(grid, k))
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
