"""B-splines on one grid an input: knots, basis values and derivatives, coefficients fitted to rows.

Every function works on all inputs of a layer at once. A grid is `[inputs, intervals + 1]`, increasing; beyond it the
knots go on evenly for k more intervals a side, and the spline itself goes on as a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 2**18  # basis values in one block, for the processor's cache
DEVICE_BLOCK = 2**24  # the same on other devices: what small operations take there is the time to begin them
MANY = 2**14  # values for which several threads get in each other's way
FEWEST_ROWS = 1024  # in a block where there are as many: with fewer, matrix products lose their pace


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
        return even_polynomials(k, grid.dtype, grid.device).clone()
    return polynomials_of(grid, k)


@lru_cache(maxsize=32)
def even_polynomials(k: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Those of all even intervals, not to be changed: grids are put on new rows time and again."""
    return polynomials_of(torch.arange(2, dtype=dtype, device=device)[None], k)


def polynomials_of(grid: Tensor, k: int) -> Tensor:
    """What `span_polynomials` gives, for intervals of any widths."""
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


class Beside(NamedTuple):
    """A function beside the splines, how a gradient by its values (first) becomes one by x (second), and derivatives.

    The derivatives by x are of any order from 1 on.
    """

    value: Callable[[Tensor], Tensor]
    pull_back: Callable[[Tensor, Tensor], Tensor]
    derivative: Callable[[Tensor, int], Tensor]


class Knots(NamedTuple):
    """A grid and what every pass needs of it, computed once a grid.

    Where all intervals are even, `start` is that of the first one and the polynomials are shared; else there is a
    column for every interval of every input.
    """

    grid: Tensor  # [inputs, intervals + 1]
    even: bool
    start: Tensor  # of the intervals: [inputs] or [inputs * intervals]
    scale: Tensor  # 1 / their width, in the same shape
    values: list[Tensor]  # of the basis functions not zero there, by powers of u: k+1 times [k+1, 1 or columns]
    slopes: list[Tensor]  # their derivatives by u: k times (but once at least) the same shape

    @property
    def functions(self) -> int:
        """How many basis functions an input has."""
        return self.grid.shape[1] + len(self.values) - 2


def knots_of(grid: Tensor, table: Tensor) -> Knots:
    """The knots with the polynomials that `span_polynomials` gave for them."""
    even = table.shape[2] == 1
    width = (grid[:, -1] - grid[:, 0]) / (grid.shape[1] - 1) if even else grid.diff(dim=1).flatten()
    start = grid[:, 0] if even else grid[:, :-1].flatten()
    values = [part.flatten(0, 1).T.contiguous() for part in table]
    return Knots(grid, even, start.contiguous(), 1 / width, values, differentiated(values))


def differentiated(powers: list[Tensor]) -> list[Tensor]:
    """The derivatives by u of polynomials that are given by powers of u."""
    return [power * part for power, part in enumerate(powers)][1:] or [torch.zeros_like(powers[0])]


class Place(NamedTuple):
    """Where values of x lie in the grid, all of them in a row: [values] each."""

    first: Tensor  # where the first basis function that is not zero lies among those of all values
    column: Tensor | None  # of their interval in the tables, None where the grid is even
    scale: Tensor  # 1 / the width of the interval, [values] or one that broadcasts to the shape of x
    u: Tensor  # the way across the interval, 0 to 1
    beyond: Tensor | None  # signed distance outside the grid in widths of the outermost interval, None where none is


def locate(x: Tensor, knots: Knots, size: int, columns: slice = slice(None)) -> Place:
    """Places `x` [rows, inputs], of the inputs `columns`; `size` numbers are laid out for every value.

    Points outside the grid are placed at its border.
    """
    intervals = knots.grid.shape[1] - 1
    column = None
    if knots.even:
        scale = knots.scale[columns]
        u = (x - knots.start[columns]).mul_(scale)
        low, high = (extreme.item() for extreme in u.aminmax())
        number = u.floor()
        if not 0 <= low <= high < intervals:
            number.clamp_(0, intervals - 1)
        u = u.sub_(number).flatten()
    else:
        inner = knots.grid[columns, 1:-1].contiguous()
        number = torch.searchsorted(inner, x.T.contiguous(), right=True).T
        begin = columns.indices(len(knots.grid))[0] * intervals
        before = torch.arange(begin, begin + len(inner) * intervals, intervals, device=x.device)
        column = (number + before).flatten()
        scale = knots.scale.take(column)
        u = (x.flatten() - knots.start.take(column)).mul_(scale)
        low, high = (extreme.item() for extreme in u.aminmax())
    beyond = None
    if not 0 <= low <= high <= (intervals if knots.even else 1):  # also where x is NaN: its place must be none
        inside = u.clamp(0, 1)
        beyond, u, number = u - inside, inside, number.nan_to_num(0.0)
    first = number.long().flatten().add_(multiples(x.numel(), size, x.device))
    return Place(first, column, scale, u, beyond)


@lru_cache(maxsize=8)
def multiples(count: int, size: int, device: torch.device) -> Tensor:
    """0, size, 2 * size, ...: [count]. Every block of every step asks for the same ones."""
    return torch.arange(0, count * size, size, device=device)


def polynomials(powers: list[Tensor], place: Place) -> Tensor:
    """The polynomials, given by powers of u, at their place, by Horner's rule: [k+1, values]."""
    own = powers if place.column is None else [p.gather(1, place.column.expand(len(p), -1)) for p in powers]
    result = own[-1] * torch.ones_like(place.u) if len(own) == 1 else own[-1] * place.u
    for lower in own[-2:0:-1]:
        result.add_(lower).mul_(place.u)
    return result if len(own) == 1 else result.add_(own[0])


def local_values(place: Place, knots: Knots) -> Tensor:
    """Values of the k+1 basis functions that are not zero: [k+1, values]. Beyond the grid each goes on straight."""
    values = polynomials(knots.values, place)
    return values if place.beyond is None else values.addcmul_(polynomials(knots.slopes, place), place.beyond)


def local(dense: Tensor, order: int) -> Tensor:
    """A view of a contiguous tensor that begins anew at each of its numbers: [order, numbers].

    Row r holds what is r places further on, so that one index a value reaches all its basis functions.
    """
    return dense.as_strided((order, dense.numel() - order + 1), (1, 1))


def spread(place: Place, numbers: Tensor, dense: Tensor) -> None:
    """Puts the k+1 local numbers [k+1, values] in their places among all basis functions."""
    rows = local(dense, len(numbers))
    if torch.get_num_threads() == 1 or len(place.first) < MANY:
        rows.scatter_(1, place.first.expand(numbers.shape), numbers)
        return
    # Torch gives every thread rows of its own, which lie in the same cache lines: that takes five times as long.
    for row, own in zip(rows, numbers, strict=True):
        row.scatter_(0, place.first, own)


def gathered(place: Place, dense: Tensor, order: int) -> Tensor:
    """The numbers of a contiguous tensor where `spread` puts local ones: [k+1, values]."""
    return local(dense, order).gather(1, place.first.expand(order, -1))


def blocks(x: Tensor, size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of blocks of `x` [rows, inputs] small enough for what is computed on the way to stay in a cache.

    `size` numbers are laid out for every value. Whole rows, unless that leaves too few of them for a matrix product.
    """
    (rows, inputs), most = x.shape, BLOCK if x.device.type == "cpu" else DEVICE_BLOCK
    height = max(most // (inputs * size), FEWEST_ROWS)
    # All of them alike: a small rest costs as many calls.
    height = max(1, math.ceil(rows / math.ceil(max(rows, 1) / height)))
    width = math.ceil(inputs / max(1, round(min(height, rows) * inputs * size / most)))
    for top in range(0, rows, height):
        for left in range(0, inputs, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, inputs))


class Spread(NamedTuple):
    """Values of all basis functions, [rows, inputs, functions], and where those that are not zero lie, by blocks."""

    values: Tensor
    places: list[tuple[slice, Place]]


def spread_out(x: Tensor, knots: Knots, beside: Beside | None) -> Spread:
    """The basis functions at `x` [rows, inputs], and in a last column the function `beside` them."""
    size = knots.functions + (beside is not None)
    dense = torch.zeros(*x.shape, size, dtype=x.dtype, device=x.device)
    places = []
    for rows, _ in blocks(x[:, :1], x.shape[1] * size):
        place = locate(x[rows], knots, size)
        spread(place, local_values(place, knots), dense[rows])
        places.append((rows, place))
    if beside is not None:
        dense[..., -1] = beside.value(x)
    return Spread(dense, places)


def pulled_back(
    x: Tensor, places: list[tuple[slice, Place]], knots: Knots, beside: Beside | None, gradient: Tensor
) -> Tensor:
    """The gradient by `x` from that by what `spread_out` gave for it, which is contiguous."""
    parts = [input_gradient(place, knots, gradient[rows], x[rows].shape) for rows, place in places]
    result = parts[0] if len(parts) == 1 else torch.cat([x.new_zeros(0, x.shape[1]), *parts])
    return result + beside.pull_back(gradient[..., -1], x) if beside else result


class Basis(torch.autograd.Function):
    """Values of all basis functions, with a backward pass that touches only the k+1 that are not zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, knots: Knots, beside: Beside | None) -> Tensor:
        values, ctx.places = spread_out(x, knots, beside)
        ctx.save_for_backward(x)
        ctx.knots, ctx.beside = knots, beside
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return pulled_back(x, ctx.places, ctx.knots, ctx.beside, gradient.contiguous()), None, None


def input_gradient(place: Place, knots: Knots, gradient: Tensor, shape: torch.Size) -> Tensor:
    """The gradient by x [rows, inputs] from that by all basis functions."""
    own = gathered(place, gradient, len(knots.values))
    by_u = own.mul_(polynomials(knots.slopes, place)).sum(0)
    return by_u.view(shape).mul_(place.scale if place.column is None else place.scale.view(shape))


def basis(x: Tensor, knots: Knots, beside: Beside | None = None) -> Tensor:
    """Values of all basis functions at `x` [rows, inputs]: [rows, inputs, intervals + k]. Has first derivatives.

    A function `beside` them gets one column more.
    """
    return Basis.apply(x, knots, beside)


def banded_solution(x: Tensor, y: Tensor, knots: Knots, size: int) -> Tensor:
    """Solves the normal equations of splines with `size` coefficients, as `fit_coefficients` has them, by their bands.

    As many points in every interval make them well conditioned, and no more than k+1 functions meet at a point.
    """
    from scipy.linalg import solveh_banded

    place = locate(x, knots, size)
    values = local_values(place, knots)
    begin = torch.arange(x.shape[1], device=x.device).repeat(len(x)) * size + place.first % size
    bands, right = x.new_zeros(len(values), x.shape[1] * size), x.new_zeros(x.shape[1] * size, y.shape[2])
    for first, own in enumerate(values):
        right.index_add_(0, begin + first, own[:, None] * y.flatten(0, 1))
        for off in range(len(values) - first):
            bands[off].index_add_(0, begin + first, own * values[first + off])
    systems = bands.view(len(values), x.shape[1], size).transpose(0, 1), right.view(x.shape[1], size, -1)
    pairs = zip(*(part.cpu().numpy() for part in systems), strict=True)
    return torch.stack([torch.from_numpy(solveh_banded(*pair, lower=True)) for pair in pairs]).to(right)


LARGE = 200  # coefficients of a spline beyond which it is fitted by its Gram matrix, many times faster


def fit_coefficients(x: Tensor, y: Tensor, grid: Tensor, k: int, table: Tensor | None = None) -> Tensor:
    """Coefficients [inputs, outputs, intervals + k] of the splines closest to `y` [rows, inputs, outputs] at `x`.

    Rows lie in every interval. Where they leave a coefficient free nevertheless, a slight pull to zero decides. The
    `table` is that of `span_polynomials`, where it is known.
    """
    knots, size = knots_of(grid, span_polynomials(grid, k) if table is None else table), grid.shape[1] - 1 + k
    if size > LARGE:
        return banded_solution(x, y, knots, size).transpose(1, 2)
    design, targets = basis(x, knots).transpose(0, 1), y.transpose(0, 1)
    pull = 0.1 * torch.finfo(x.dtype).eps ** 0.5 * torch.eye(size, dtype=x.dtype, device=x.device)
    pull = pull.expand(design.shape[0], size, size)
    q, r = torch.linalg.qr(torch.cat([design, pull], dim=1))
    zeros = torch.zeros(targets.shape[0], size, targets.shape[2], dtype=x.dtype, device=x.device)
    solved = torch.linalg.solve_triangular(r, q.transpose(1, 2) @ torch.cat([targets, zeros], dim=1), upper=True)
    return solved.transpose(1, 2)
