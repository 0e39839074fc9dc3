"""From the curves of a relation to library functions, with all constants trained together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import sympy as sp
import torch
from torch import Tensor

from kanrun.functions.builtin import Function
from kanrun.relations.curves import (
    CUBE_ROOT,
    HOLDS,
    LOG_SIZE,
    ROOTS,
    crosses_zero,
    is_step,
    or_tiny,
    residual_of,
)
from kanrun.symbolic.expression import edge_expression
from kanrun.symbolic.fit import Candidate, fit_edges
from kanrun.symbolic.linear import least_squares
from kanrun.symbolic.snap import EXACT

FIT_ROWS = 300  # rows of a curve that functions are fitted to
LIKELY, TRIALS = 4, 40  # functions a curve, and choices of one for every curve, that are tried
STEPS = 40
OUTER = ("log", "exp", "1/x", "sqrt", "x^2", "x^3", "tan", "tanh", "arctanh", "arcsin", "arctan")


def values_of(functions: list[Function], constants: Tensor, x: Tensor) -> Tensor:
    """c * f(a * x + b) for a function an input, with the `constants` a, b, c [inputs, 3]: [rows, inputs]."""
    a, b, c = constants.unbind(1)
    z = a * x + b
    return c * torch.stack([f.value(z[:, i]) for i, f in enumerate(functions)], dim=1)


@dataclass(frozen=True)
class Terms:
    """A relation as sum of c * f(a * x + b): a function an input, and a, b, c: [inputs, 3]."""

    functions: list[Function]
    constants: Tensor
    residual: float

    def bits(self, rows: int) -> float:
        """The description length, as in `kanrun.symbolic.search`; below EXACT only rounding is left."""
        size = sum(f.complexity for f in self.functions)
        return 0.5 * rows * math.log2(self.residual + EXACT) + (4 + 1.5 * math.log2(rows) / 2) * size

    def values(self, x: Tensor) -> Tensor:
        """The terms at the rows `x`, centred: [rows, inputs]."""
        values = values_of(self.functions, self.constants, x)
        return values - values.mean(0)

    def expression(self, symbols: list[sp.Symbol]) -> sp.Expr:
        """The sum of the terms."""
        total = sp.Integer(0)
        for function, numbers, x in zip(self.functions, self.constants.tolist(), symbols, strict=True):
            a, b, c = numbers
            if function is LOG_SIZE:  # a only shifts it
                a, b = 1.0, b / a
            elif function is CUBE_ROOT:
                a, b, c = 1.0, b / a, c * math.copysign(abs(a) ** (1 / 3), a)
            total += edge_expression(function, a, b, c, x)
        return total


def fit_terms(x: Tensor, curves: Tensor, functions: list[Function]) -> Terms | None:
    """The functions that tie the inputs `x` [rows, inputs] best, of those that fit their curves; None where none hold.

    Of two inputs one is a function of the other up to one function outside, and each is fitted directly: every monotone
    function of both sides ties them as well, so their curves need not be the simplest.
    """
    names = {f.name for f in functions}
    functions = [f for f in functions if f.name not in ("0", "sgn")]
    roots = [f for name, f in ROOTS.items() if name in names]
    some = slice(None, None, max(1, len(x) // FIT_ROWS))
    candidates = fit_edges(x[some], curves[some], functions)
    for i, own in enumerate(candidates):
        if crosses_zero(x[:, i]):
            own += [unshifted(f, x[:, i], curves[:, i]) for f in roots]
            own.sort(key=Candidate.score)
    found = best_choice(x, candidates)
    if x.shape[1] == 2:
        pairs = [found, *pair_terms(x, functions)]
        found = min((t for t in pairs if t is not None), key=lambda t: t.bits(len(x)), default=None)
    holds = found is not None and found.residual < HOLDS and not any(map(is_step, found.values(x).T))
    return found if holds else None


def unshifted(function: Function, x: Tensor, curve: Tensor) -> Candidate:
    """c * f(x) + d closest to the curve."""
    f = function.value(or_tiny(x))
    f, mean = f - f.mean(), float(f.mean())
    c = float((f * curve).sum() / (f * f).sum())
    d = float(curve.mean()) - c * mean
    return Candidate(function, 1.0, 0.0, c, d, float((curve - c * f).var() / curve.var().clamp(min=1e-300)))


def best_choice(x: Tensor, candidates: list[list[Candidate]]) -> Terms | None:
    """One candidate an input: the choice with the shortest description, the likeliest tried first."""
    likely = [found[:LIKELY] for found in candidates]
    choices = sorted(product(*likely), key=lambda choice: sum(c.score() for c in choice))[:TRIALS]
    best: Terms | None = None
    for choice in choices:
        start = torch.tensor([[c.a, c.b, c.c] for c in choice], dtype=x.dtype, device=x.device)
        trial = polish(x, [c.function for c in choice], start)
        if best is None or trial.bits(len(x)) < best.bits(len(x)):
            best = trial
        if best.residual < EXACT:
            break
    return best


def pair_terms(x: Tensor, functions: list[Function]) -> list[Terms]:
    """g(y) = f(x) for both ways round: g the identity, and only where that is not exact another function."""
    known = {f.name: f for f in functions}
    found: list[Terms] = []
    for outer in ([known.get("x")], [known.get(name) for name in OUTER]):
        sides = [(g, i) for g in outer if g for i in (0, 1) if bool(g.allows(x[:, i]))]
        if not sides or any(t.residual < EXACT for t in found):
            continue
        y = torch.stack([g.value(x[:, i]) for g, i in sides], dim=1)
        others = torch.stack([x[:, 1 - i] for _, i in sides], dim=1)
        some = slice(None, None, max(1, len(x) // FIT_ROWS))
        for (g, i), candidates in zip(sides, fit_edges(others[some], y[some], functions), strict=True):
            for c in candidates[:2]:
                rows = [[1.0, 0.0, -1.0], [c.a, c.b, c.c]]
                start = torch.tensor(rows if i == 0 else rows[::-1], dtype=x.dtype, device=x.device)
                found.append(polish(x, [g, c.function] if i == 0 else [c.function, g], start))
    return found


def polish(x: Tensor, functions: list[Function], start: Tensor, steps: int = STEPS) -> Terms:
    """All constants [inputs, 3] of the terms by Levenberg-Marquardt on the residual."""

    def terms(constants: Tensor) -> Tensor:
        z = constants[:, 0] * x + constants[:, 1]
        allowed = all(bool(f.allows(z[:, i])) for i, f in enumerate(functions))
        return values_of(functions, constants, x) if allowed else torch.full_like(x, math.nan)

    def residual(constants: Tensor) -> float:
        reached = residual_of(terms(constants))
        return reached if math.isfinite(reached) else math.inf

    best, constants, damping = residual(start), start, 1e-3
    for _ in range(steps):
        if best < 1e-30 or not math.isfinite(best) or damping > 1e8:
            break
        jacobian, rest = slopes(x, functions, constants, terms(constants))
        scale = (jacobian**2).sum(0).sqrt().clamp(min=1e-12)
        matrix = torch.cat([jacobian / scale, math.sqrt(damping) * torch.eye(len(scale), dtype=x.dtype).to(x)])
        step = least_squares(matrix, torch.cat([rest, rest.new_zeros(len(scale))]))
        if step is None:
            break
        moved = constants - (step / scale).reshape(constants.shape)
        reached = residual(moved)
        gained = reached < best
        damping = max(damping / 10, 1e-14) if gained else damping * 10
        if gained:
            constants, best = moved, reached
    return Terms(functions, constants, best)


def slopes(x: Tensor, functions: list[Function], constants: Tensor, terms: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives [rows, 3 * inputs] of the scaled sum [rows] by a, b, c of each term; the sum's variance is the
    residual."""
    a, b, c = constants.unbind(1)
    z = a * x + b
    inner = c * torch.stack([f.slope(z[:, i]) for i, f in enumerate(functions)], dim=1)
    own = torch.stack([inner * x, inner, terms / torch.where(c == 0, 1.0, c)], dim=2)  # [rows, inputs, 3]
    own = torch.nan_to_num(own, 0.0, 0.0, 0.0)  # before the mean, which one row without a slope would take from all
    own = own - own.mean(0)
    centred = terms - terms.mean(0)
    size = (centred**2).sum().sqrt()
    rest = centred.sum(1) / size
    growth = (own * centred[..., None]).sum(0) / size**2  # of the size, in parts of it
    jacobian = own / size - rest[:, None, None] * growth
    return jacobian.flatten(1), rest
