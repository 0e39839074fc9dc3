"""Which inputs a relation needs, and its curves: sum_i phi_i(x_i) = constant, as the smallest eigenvalue problem."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, product

import torch
from torch import Tensor

from kanrun.functions.builtin import Function
from kanrun.model.grids import fitted_grid
from kanrun.model.spline import basis, knots_of, span_polynomials

HOLDS = 1e-3  # most residual of a relation that is worth writing down
ORDER, GRIDS = 3, (4, 8, 16, 32)
FEWEST = 20  # rows from which a relation is believed
ROWS_A_SPLINE = 3  # rows for every coefficient of the splines
EVEN = 0.3  # part of the knots that is even, the rest by quantiles
SAME = 4.0  # an input is needed where the residual without it is more than this many times the one with it
FLOOR = 1e-8  # residual of splines below which differences say nothing
MOST_WAYS = 200  # choices of inputs to set aside that are compared

# Beside the library: what undoes products of either sign, and cubes.
LOG_SIZE = Function("log|x|", "log(Abs(x))", 3, lambda z: z.abs().log(), torch.reciprocal, parity=1)
CUBE_ROOT = Function(
    "cbrt", "sign(x)*Abs(x)**(1/3)", 5, lambda z: z.sign() * z.abs() ** (1 / 3),
    lambda z: z.abs() ** (-2 / 3) / 3, parity=-1,
)  # fmt: skip
ROOTS = {"log": LOG_SIZE, "x^3": CUBE_ROOT}


@dataclass(frozen=True)
class Curves:
    """Values of phi_i(x_i), centred: [rows, inputs].

    `residual` is the variance of their sum over the sum of their variances on a third of the rows, which the others do
    not know.
    """

    values: Tensor
    residual: float


def tied_curves(x: Tensor) -> Curves:
    """The curves whose sum varies least on the rows `x` [rows, inputs], on the grid that does best on validation rows.

    Least variance of sum_i phi_i(x_i) at unit total variance of the phi_i (Breiman and Friedman 1985, J. Am. Stat.
    Assoc. 80, 580: alternating conditional expectations), all at once: the smallest singular value of orthonormal
    columns side by side, those of the splines and, where an input has both signs, of the ROOTS, which no spline follows
    at zero.
    """
    held = torch.arange(len(x), device=x.device) % 3 == 0
    best, chosen = math.inf, 0
    for intervals in GRIDS:
        if chosen and x.shape[1] * (intervals + ORDER) * ROWS_A_SPLINE > len(x):
            break
        weights, _, columns = least_varying(x, ~held, intervals)
        residual = residual_of(torch.stack([c[held] @ w for c, w in zip(columns, weights, strict=True)], dim=1))
        if residual < best or not chosen:
            best, chosen = residual, intervals
    weights, _, columns = least_varying(x, torch.ones_like(held), chosen)
    values = torch.stack([c @ w for c, w in zip(columns, weights, strict=True)], dim=1)
    return Curves(values - values.mean(0), best)


def least_varying(x: Tensor, rows: Tensor, intervals: int) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Coefficients an input, the residuals of all solutions, and the columns; only these `rows` are looked at."""
    grid = fitted_grid(x[rows], intervals, EVEN)
    values = basis(x, knots_of(grid, span_polynomials(grid, ORDER)))
    columns, frames, sides = [], [], []
    for i in range(x.shape[1]):
        block = values[:, i]
        if crosses_zero(x[:, i]):
            block = torch.cat([block, *(f.value(or_tiny(x[:, i : i + 1])) for f in ROOTS.values())], dim=1)
        block = block - block[rows].mean(0)
        u, s, v = torch.linalg.svd(block[rows], full_matrices=False)
        kept = s > 1e-9 * s[0].clamp(min=1e-300)
        columns.append(block)
        frames.append((v[kept] / s[kept, None]).T)
        sides.append(u[:, kept])
    _, singular, right = torch.linalg.svd(torch.cat(sides, dim=1), full_matrices=False)
    parts = right[-1].split([f.shape[1] for f in frames])
    return [f @ p for f, p in zip(frames, parts, strict=True)], singular**2, columns


def crosses_zero(x: Tensor) -> bool:
    """Whether the rows of one input have both signs."""
    return bool(x.amin() < 0 < x.amax())


def or_tiny(x: Tensor) -> Tensor:
    """The rows without zeros, at which a logarithm ends."""
    return torch.where(x == 0, 1e-300, x)


def residual_of(terms: Tensor) -> float:
    """Variance of the sum over the sum of variances of the terms [rows, inputs]; infinite where nothing varies."""
    total = float(terms.var(0).sum())
    return float(terms.sum(1).var()) / total if total > 0 else math.inf


def smallest_tied(x: Tensor, group: Iterable[int]) -> tuple[list[int], Curves] | None:
    """The inputs of `group` that one relation needs, and their curves; None where nothing ties them."""
    kept = [i for i in group if bool(x[:, i].amax() > x[:, i].amin())]
    if len(kept) < 2 or len(x) < FEWEST:
        return None
    curves = tied_curves(x[:, kept])
    while len(kept) > 2:
        fewer = [[i for i in kept if i != left_out] for left_out in kept]
        trials = [tied_curves(x[:, some]) for some in fewer]
        best = min(range(len(fewer)), key=lambda t: trials[t].residual)
        if trials[best].residual > max(SAME * curves.residual, FLOOR):
            break
        kept, curves = fewer[best], trials[best]
    return (kept, curves) if curves.residual < HOLDS and not any(map(is_step, curves.values.T)) else None


def is_step(curve: Tensor) -> bool:
    """Whether nearly all values are the least or the greatest: two signs that agree are no equation."""
    low, high = curve.amin(), curve.amax()
    near = torch.minimum(curve - low, high - curve) < 0.01 * (high - low)
    return float(near.double().mean()) > 0.9


def set_aside(x: Tensor, found: list[tuple[list[int], Tensor]], others: Iterable[int]) -> list[int]:
    """Inputs, one for each group `found` (with its curves), without which the most of what ties the `others` is left.

    To leave them out, or to shuffle them, breaks what was found. An input that a group has for itself is better than
    one that it shares with a relation yet to be found. They are so many, and the curves on them so different, that
    nothing is left that follows from what was found.
    """
    if not found:
        return []
    ways: set[tuple[int, ...]] = {
        tuple(sorted(set(way))) for way in islice(product(*(inputs for inputs, _ in found)), MOST_WAYS)
    }
    most = max(len(way) for way in ways)

    def left(way: tuple[int, ...]) -> tuple[int, bool, int, tuple[int, ...]]:
        rest = [i for i in others if i not in way]
        tied = 0
        if len(rest) > 1 and len(rest) * (GRIDS[1] + ORDER) * ROWS_A_SPLINE <= len(x):
            spectrum = least_varying(x[:, rest], torch.ones(len(x), dtype=torch.bool, device=x.device), GRIDS[1])[1]
            tied = int((spectrum < HOLDS).sum())
        return most - len(way), not are_independent(found, way), -tied, way

    chosen: tuple[int, ...] = min(sorted(ways), key=left)
    return list(chosen)


def are_independent(found: list[tuple[list[int], Tensor]], way: tuple[int, ...]) -> bool:
    """Whether no combination of the relations found is without all inputs of `way`."""
    vectors = []
    for inputs, curves in found:
        empty = torch.zeros(len(curves), dtype=curves.dtype, device=curves.device)
        vectors.append(torch.cat([curves[:, inputs.index(i)] if i in inputs else empty for i in way]))
    matrix = torch.stack([v / v.norm().clamp(min=1e-300) for v in vectors])
    return float(torch.linalg.svdvals(matrix)[-1]) > 1e-3
