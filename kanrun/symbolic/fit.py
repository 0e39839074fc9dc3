"""Fitting every function of the library to the curve of every edge at once: y = c * f(a * x + b) + d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.functions.builtin import Function


@dataclass(frozen=True)
class Candidate:
    """A function on an edge, its constants, and the part of the curve's variance that it leaves unexplained."""

    function: Function
    a: float
    b: float
    c: float
    d: float
    unexplained: float

    def score(self) -> float:
        """Bits: a function of one more complexity must leave a quarter as much unexplained to be preferred."""
        return 0.5 * math.log2(self.unexplained + 1e-9) + self.function.complexity


# Arguments between which a user's function is looked at first, closer together where they are small.
SIZES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0, 2.5, 3.2, 4.0, 6.0, 8.0)
USUAL = [*(-s for s in reversed(SIZES)), *SIZES]


def start_ranges(function: Function) -> list[tuple[float, float]]:
    """Ranges of the argument from which fits begin: the curve's x runs from the first number to the second."""
    name, ranges = function.name, []
    if name in ("0", "x"):
        return [(-1.0, 1.0)]
    if math.isfinite(function.period) and name != "tan":
        widths = (1.0, 2.0, 3.2, 4.7, 6.3, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0)
        ranges = [(p, p + w) for w in widths for p in torch.arange(0, 2 * math.pi, math.pi / 3).tolist()]
        turn = function.period / (2 * math.pi)
        ranges = [(turn * low, turn * high) for low, high in ranges]
    elif name == "sgn":
        ranges = [(-1 - m, 1 - m) for m in torch.linspace(-0.99, 0.99, 400).tolist()]
    elif name == "tan":
        ranges = [(-1.5, 1.5), (-1.5, 0.0), (-1.0, 1.0), (-0.5, 1.0), (-0.2, 1.4)]
    elif name == "exp":
        ranges = [(0.0, w) for w in (0.3, 1.0, 2.5, 5.0, 10.0)]
    elif function.domain in ("positive", "nonnegative", "nonzero"):
        ranges = [(low, 1.0) for low in (0.001, 0.01, 0.05, 0.15, 0.4, 0.8)]
    elif function.domain in ("unit", "inside"):
        ranges = [(-0.99, 0.99), (-0.9, 0.9), (-0.5, 0.5), (-0.99, 0.0), (0.0, 0.9), (-0.3, 0.99)]
    elif name.startswith("x^"):
        ranges = [(m - 1, m + 1) for m in (-4.0, -2.0, -1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0, 2.0, 4.0)]
    else:
        ranges = [
            (m - w, m + w) for w in (0.5, 1.0, 2.0, 4.0, 8.0) for m in (-0.8 * w, -0.4 * w, 0.0, 0.4 * w, 0.8 * w)
        ]
    if function.within is not None:  # a user's function, of which the domain does not say where it bends
        ranges = ranges + list(combinations(USUAL, 2))
    if function.parity == 0 or function.domain != "real":
        ranges = ranges + [(high, low) for low, high in ranges]
    return ranges


def fit_edges(
    x: Tensor, y: Tensor, functions: list[Function], keep: int = 2, context: Context = UNLIMITED
) -> list[list[Candidate]]:
    """Candidates for every edge, best score first. `x` and `y` [rows, edges] are the inputs and outputs of the edges.

    For each function a set of starting ranges is tried with c and d by linear least squares, and the best `keep` are
    refined by Levenberg-Marquardt on all four constants, all edges together.
    """
    middle, half = (x.amax(0) + x.amin(0)) / 2, or_one((x.amax(0) - x.amin(0)) / 2)
    level, spread = y.mean(0), or_one(y.std(0, correction=0))
    u, v = (x - middle) / half, (y - level) / spread
    found: list[list[Candidate]] = [[] for _ in range(x.shape[1])]
    for function in functions:
        constants, unexplained = _fit_once(u, v, function, keep, context)
        a = constants[:, 0] / half
        b = constants[:, 1] - a * middle
        c, d = constants[:, 2] * spread, constants[:, 3] * spread + level
        for edge, rest in enumerate(unexplained.tolist()):
            inner = into_domain(function, float(a[edge]), float(b[edge]), x[:, edge])
            numbers = (*inner, float(c[edge]), float(d[edge]))
            if math.isfinite(rest) and all(math.isfinite(n) for n in numbers):
                found[edge].append(Candidate(function, *numbers, rest))
    return [sorted(candidates, key=Candidate.score) for candidates in found]


def or_one(scale: Tensor) -> Tensor:
    """The scale, 1 where there is none."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def into_domain(function: Function, a: float, b: float, x: Tensor) -> tuple[float, float]:
    """a and b with which rounding takes no row [rows] out of a domain that has its border in it."""
    z = a * x + b
    if function.domain == "nonnegative" and float(z.amin()) < 0:
        return a, b + 2 * abs(float(z.amin()))
    if function.domain == "unit" and float(z.abs().amax()) > 1:
        size = float(z.abs().amax()) * (1 + 1e-15)
        return a / size, b / size
    return a, b


def _fit_once(u: Tensor, v: Tensor, function: Function, keep: int, context: Context) -> tuple[Tensor, Tensor]:
    """What `_fit` gives, counted as work and kept in the journal."""

    def fitted() -> tuple[Tensor, Tensor]:
        context.spend(_work(u, function))
        return _fit(u, v, function, keep)

    return context.once(fitted)


def _work(u: Tensor, function: Function) -> float:
    """Units of work of a fit to curves `u` [rows, edges]: of its starting ranges, and of refining the best."""
    starts, refined = len(start_ranges(function)), function.name not in ("x", "0")
    return 0.2 + 1e-5 * u.numel() * starts + (3.5 + 1.5e-3 * u.numel()) * refined


def _fit(u: Tensor, v: Tensor, function: Function, keep: int) -> tuple[Tensor, Tensor]:
    """Best a, b, c, d [edges, 4] for the normalized curves, and what they leave unexplained [edges], inf where none."""
    ranges = torch.tensor(start_ranges(function), dtype=u.dtype, device=u.device)
    a, b = (ranges[:, 1] - ranges[:, 0]) / 2, (ranges[:, 1] + ranges[:, 0]) / 2
    z = a * u[..., None] + b  # [rows, edges, starts]
    c, d, rest = _project(function.value(z), v)
    rest = torch.where(function.allows(z), rest, torch.inf)
    keep = min(keep, len(ranges))
    best, index = rest.topk(keep, dim=1, largest=False)  # [edges, keep]
    start = torch.stack([a[index], b[index], c.gather(1, index), d.gather(1, index)], dim=2)
    if function.name not in ("x", "0"):
        start, best = _refine(u, v, function, start, best)
    best, index = best.min(1)
    return start[torch.arange(len(start)), index], best


def _project(f: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """c and d of the best v = c f + d for each column of `f` [rows, edges, starts], and the mean squared rest."""
    mean = f.mean(0)
    centred = f - mean
    target = (v - v.mean(0))[..., None]
    c = (centred * target).mean(0) / (centred**2).mean(0).clamp(min=1e-300)
    rest = ((target - c * centred) ** 2).mean(0)
    return c, v.mean(0)[:, None] - c * mean, torch.where(torch.isfinite(rest), rest, torch.inf)


def _refine(
    u: Tensor, v: Tensor, function: Function, start: Tensor, best: Tensor, steps: int = 25
) -> tuple[Tensor, Tensor]:
    """Levenberg-Marquardt on [edges, starts, 4] constants at once; steps that fail or leave the domain are undone."""
    damping = torch.full_like(best, 1e-2)
    u, v = u[..., None], v[..., None]
    identity = torch.eye(4, dtype=u.dtype, device=u.device)
    for _ in range(steps):
        a, b, c, d = start.unbind(2)
        z = a * u + b
        value, slope = function.value(z), c * function.slope(z)
        jacobian = torch.stack([slope * u, slope, value, torch.ones_like(value)], dim=3)  # [rows, edges, starts, 4]
        jacobian = torch.nan_to_num(jacobian, 0.0, 0.0, 0.0)
        rest = torch.nan_to_num(c * value + d - v, 0.0, 0.0, 0.0)
        matrix = torch.einsum("resp,resq->espq", jacobian, jacobian)
        gradient = torch.einsum("resp,res->esp", jacobian, rest)
        diagonal = matrix.diagonal(dim1=2, dim2=3)
        shift = damping[..., None] * diagonal + 1e-12 * diagonal.amax(2, keepdim=True) + 1e-200
        step, _ = torch.linalg.solve_ex(matrix + shift[..., None] * identity, gradient)  # NaN where it is singular
        moved = start - torch.nan_to_num(step, 0.0, 0.0, 0.0)
        z = moved[..., 0] * u + moved[..., 1]
        reached = ((moved[..., 2] * function.value(z) + moved[..., 3] - v) ** 2).mean(0)
        reached = torch.where(function.allows(z) & torch.isfinite(reached), reached, torch.inf)
        better = reached < best
        start = torch.where(better[..., None], moved, start)
        best = torch.where(better, reached, best)
        damping = torch.where(better, damping / 5, damping * 4).clamp(1e-12, 1e8)
    return start, best
