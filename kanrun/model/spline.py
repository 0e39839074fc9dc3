"""B-splines on one grid an input: knots, basis values and derivatives, refitting to another grid.

Every function works on all inputs of a layer at once. A grid is `[inputs, intervals + 1]`, increasing; beyond it the
knots go on evenly for k more intervals a side, and the spline itself goes on as a straight line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

GAPS = 3  # how far a grid reaches beyond the rows: as far as this many rows lie apart there
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
    ordered = x.sort(0).values
    quantiles = torch.where(flat[:, None], even, ordered[rank].T)
    # Quantiles may coincide; a little of the even grid keeps the knots apart.
    share = max(grid_eps, 1e-3)
    grid = share * even + (1 - share) * quantiles
    return covering_grid(grid, ordered)


def likely_range(ordered: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
    """Where new rows may lie, a little beyond the `ordered` ones [rows, inputs]: two [inputs, 1].

    There the outermost polynomials go on, which a straight line would not do as well.
    """
    low, high = ordered[0], ordered[-1]
    next_row, most = min(GAPS, len(ordered) - 1), (high - low) / intervals
    below, above = torch.minimum(ordered[next_row] - low, most), torch.minimum(high - ordered[-1 - next_row], most)
    return (low - below)[:, None], (high + above)[:, None]


def covering_grid(grid: Tensor, ordered: Tensor) -> Tensor:
    """The grid with its ends moved outwards as far as the `ordered` rows [rows, inputs] need it."""
    low, high = likely_range(ordered, grid.shape[1] - 1)
    return torch.cat([torch.minimum(grid[:, :1], low), grid[:, 1:-1], torch.maximum(grid[:, -1:], high)], dim=1)


def extended_knots(grid: Tensor, k: int) -> Tensor:
    """All knots of order `k`: the grid and k more a side in steps of the mean interval, [inputs, intervals+1+2k]."""
    step = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    beyond = torch.arange(1, k + 1, dtype=grid.dtype, device=grid.device)
    return torch.cat([grid[:, :1] - step * beyond.flip(0), grid, grid[:, -1:] + step * beyond], dim=1)


def span_polynomials(grid: Tensor, k: int) -> Tensor:
    """The k+1 basis functions that are not zero on each interval, as polynomials of u in [0, 1] across it.

    Cox-de Boor (de Boor 1978, A Practical Guide to Splines, ch. X, eq. 4) run on coefficients, once a grid.
    Gives [power 0..k, inputs, intervals, k+1], or [k+1, 1, 1, k+1] where all intervals are even and so share theirs.
    """
    steps = grid.diff(dim=1)
    mean = steps.mean(1, keepdim=True)
    if bool(((steps - mean).abs() <= 16 * torch.finfo(grid.dtype).eps * grid.abs().amax(1, keepdim=True)).all()):
        grid = torch.arange(2, dtype=grid.dtype, device=grid.device)[None]
    knots = extended_knots(grid, k)
    intervals = grid.shape[1] - 1
    span = torch.arange(intervals, device=grid.device) + k
    start, width = knots[:, span], knots[:, span + 1] - knots[:, span]
    table = torch.zeros(k + 1, *start.shape, k + 1, dtype=grid.dtype, device=grid.device)
    table[0, :, :, 0] = 1.0
    for degree in range(1, k + 1):
        raised = torch.zeros_like(table)
        for r in range(degree):  # the basis function that starts at knot span - degree + 1 + r, of the lower degree
            first = span - degree + 1 + r
            left, right = knots[:, first], knots[:, first + degree]
            polynomial = table[..., r] / (right - left)
            shifted = torch.roll(polynomial, 1, dims=0) * width  # times u * width; the top power is 0 here
            raised[..., r] += polynomial * (right - start) - shifted
            raised[..., r + 1] += polynomial * (start - left) + shifted
        table = raised
    return table


class Place(NamedTuple):
    """Where the rows lie in the grid: [rows, inputs] each."""

    span: Tensor  # number of the interval
    u: Tensor  # the way across the interval, 0 to 1
    width: Tensor  # of the interval
    beyond: Tensor | None  # signed distance outside the grid, None where no row is


def locate(x: Tensor, grid: Tensor, table: Tensor) -> Place:
    """Places `x` [rows, inputs]; points outside the grid are placed at its border."""
    low, high, intervals = grid[:, 0], grid[:, -1], grid.shape[1] - 1
    inside = torch.clamp(x, low, high)
    if is_even(table):
        width = (high - low) / intervals
        u = (inside - low).div_(width)
        span = u.long().clamp_(0, intervals - 1)  # also where x is NaN, which then spoils the values alone
        u = u.sub_(span)
    else:
        span = torch.searchsorted(grid[:, 1:-1].contiguous(), inside.T.contiguous(), right=True).T
        place = span + torch.arange(x.shape[1], device=x.device) * (intervals + 1)
        start = grid.take(place)
        width = grid.take(place + 1).sub_(start)
        u = (inside - start).div_(width)
    return Place(span, u, width, None if torch.equal(inside, x) else x - inside)


def is_even(table: Tensor) -> bool:
    """Whether all intervals share their polynomials."""
    return table.shape[2] == 1


def polynomials(place: Place, table: Tensor) -> Tensor:
    """The polynomials in `table` at their place, by Horner's rule: [rows, inputs, k+1]."""
    u, shape = place.u[..., None], (*place.span.shape, table.shape[3])
    if is_even(table):
        own = list(table[:, 0, 0])
    else:
        rows = (place.span + torch.arange(table.shape[1], device=table.device) * table.shape[2]).flatten()
        own = [part.flatten(0, 1).index_select(0, rows).view(shape) for part in table]
    result = own[-1].expand(shape)
    for lower in own[-2::-1]:
        result = torch.addcmul(lower, result, u)
    return result


def local_values(place: Place, table: Tensor) -> Tensor:
    """Values of the k+1 basis functions that are not zero, the first being number `span`: [rows, inputs, k+1]."""
    values = polynomials(place, table)
    return values if place.beyond is None else values + local_slopes(place, table) * place.beyond[..., None]


def local_slopes(place: Place, table: Tensor) -> Tensor:
    """Slopes of the same functions; outside the grid those at its border, where each goes on along its tangent."""
    if len(table) == 1:
        return torch.zeros(*place.span.shape, 1, dtype=table.dtype, device=table.device)
    powers = torch.arange(1, len(table), dtype=table.dtype, device=table.device)
    return polynomials(place, table[1:] * powers[:, None, None, None]) / place.width[..., None]


def positions(span: Tensor, order: int) -> Tensor:
    """Where the k+1 values belong in a row of all basis functions: [rows, inputs, k+1]."""
    return span[..., None] + torch.arange(order, device=span.device)


def blocks(rows: int, inputs: int) -> Iterator[slice]:
    """Slices of rows small enough for what is computed on the way to stay in the processor's cache."""
    size = max(1, BLOCK // max(inputs, 1))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


class Beside(NamedTuple):
    """A function beside the splines and its slope."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def spread_out(
    x: Tensor,
    grid: Tensor,
    table: Tensor,
    local: Callable[[Place, Tensor], Tensor],
    beside: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """The k+1 local numbers put in their places among all basis functions, `beside` in a last column.

    Goes through the rows in blocks: large temporaries cost more than arithmetic.
    """
    functions = grid.shape[1] + len(table) - 2
    dense = torch.zeros(*x.shape, functions + (beside is not None), dtype=x.dtype, device=x.device)
    for rows in blocks(*x.shape):
        place = locate(x[rows], grid, table)
        dense[rows].scatter_(2, positions(place.span, len(table)), local(place, table))
        if beside:
            dense[rows, :, -1] = beside(x[rows])
    return dense


class DenseBasis(torch.autograd.Function):
    """Values of all basis functions, with a backward pass that touches only the k+1 that are not zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor, table: Tensor, beside: Beside | None) -> Tensor:
        ctx.save_for_backward(x, grid, table)
        ctx.beside = beside
        return spread_out(x, grid, table, local_values, beside and beside.value)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        x, grid, table = ctx.saved_tensors
        result = torch.empty_like(x)
        for rows in blocks(*x.shape):
            place = locate(x[rows], grid, table)
            local = gradient[rows].gather(2, positions(place.span, len(table)))
            result[rows] = local.mul_(local_slopes(place, table)).sum(2)
            if ctx.beside:
                result[rows] += gradient[rows, :, -1] * ctx.beside.slope(x[rows])
        return result, None, None, None


def basis(x: Tensor, grid: Tensor, table: Tensor, beside: Beside | None = None) -> Tensor:
    """Values of all basis functions at `x` [rows, inputs]: [rows, inputs, intervals + k]. Has first derivatives.

    A function `beside` them gets one column more.
    """
    return DenseBasis.apply(x, grid, table, beside)


def basis_slopes(x: Tensor, grid: Tensor, table: Tensor, beside: Beside | None = None) -> Tensor:
    """The slopes of `basis`, in its shape."""
    return spread_out(x, grid, table, local_slopes, beside and beside.slope)


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
