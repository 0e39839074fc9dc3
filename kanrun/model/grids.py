"""Grids of splines, one an input, [inputs, intervals + 1], increasing: even, over rows, finer."""

from __future__ import annotations

import torch
from torch import Tensor

GAPS = 3  # how far a grid reaches beyond the rows: as far as this many rows lie apart there


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
