"""From splines to library functions: fit every edge, train the constants together, exchange what can be better."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kanrun.model.network import KAN
from kanrun.symbolic.fit import Candidate, fit_edges
from kanrun.symbolic.library import FUNCTIONS, Function
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.data.dataset import CROSS_ENTROPY, MSE

Edge = tuple[int, int, int]  # layer, subnode, input

RIDGE = {MSE: 0.0, CROSS_ENTROPY: 1e-6}  # classes that can be told apart would drive the constants to infinity


@dataclass(frozen=True)
class Symbolic:
    """A network whose every edge is a library function, its training loss and its description length in bits.

    `front` has the networks met on the way that no other one beats in both complexity and loss.
    """

    model: KAN
    loss: float
    bits: float
    front: list[KAN] = field(default_factory=list)


def spline_edges(model: KAN) -> list[Edge]:
    """The edges that are still splines, from the inputs on."""
    return [(l, s, i) for l, layer in enumerate(model.layers) for s, i in layer.is_spline.nonzero().tolist()]


def edge_curves(model: KAN, x: Tensor, edges: list[Edge]) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of these edges at the rows `x`: two [rows, edges]."""
    traces = model.trace(x)
    inputs = torch.stack([traces[l].inputs[:, i] for l, _, i in edges], dim=1)
    outputs = torch.stack([traces[l].edges[:, s, i] for l, s, i in edges], dim=1)
    return inputs, outputs


def fixed_to(model: KAN, edge: Edge, candidate: Candidate) -> KAN:
    """A copy with this edge as the candidate, whatever it was before."""
    changed = model.clone()
    put(changed, edge, candidate)
    return changed


def put(model: KAN, edge: Edge, candidate: Candidate, level: float = 0.0) -> None:
    """Makes the edge the candidate, in place; `level` is the constant of the function that it replaces."""
    l, s, i = edge
    model.fix(l, i, s, candidate.function.name, candidate.a, candidate.b, candidate.c, candidate.d - level)


def description_bits(model: KAN, loss: float, loss_name: str, variance: float, rows: int) -> float:
    """Bits for the residuals plus bits for the formula (minimum description length, Rissanen 1978).

    Residuals: rows / 2 * log2(mse / variance), down to machine precision; rows * loss / ln 2 for cross entropy. Formula:
    4 bits a unit of complexity and log2(rows) / 2 a constant.
    """
    if not math.isfinite(loss):
        return math.inf
    if loss_name == MSE:
        residual = 0.5 * rows * math.log2(loss / max(variance, 1e-300) + 1e-28)
    else:
        residual = rows * loss / math.log(2)
    return residual + 4 * library_complexity(model) + 0.5 * math.log2(rows) * model.parameter_count()


def library_complexity(model: KAN) -> int:
    """The sum of the complexities of the functions on all edges."""
    return sum(
        FUNCTIONS[name].complexity
        for layer in model.layers
        for edge, name in layer.functions.items()
        if bool(layer.alive[edge])
    )


def pareto(tried: list[Symbolic], most: int = 8) -> list[KAN]:
    """The networks that no other one beats in both complexity and loss, simplest first."""
    front: list[Symbolic] = []
    for one in sorted(tried, key=lambda t: (library_complexity(t.model), t.loss)):
        if math.isfinite(one.loss) and (not front or one.loss < 0.5 * front[-1].loss):
            front.append(one)
    return [one.model for one in front[-most:]]


def symbolify(
    model: KAN, x: Tensor, y: Tensor, loss: str, functions: list[Function], *, steps: int = 60, choices: int = 5
) -> Symbolic:
    """Fixes every spline edge of a copy of `model` to a function, judged on the training rows `x`, `y` only.

    First every edge becomes its best candidate and all constants are trained together. Then, edge by edge, the next
    `choices` candidates are tried in the whole network and kept where the description length falls, until none does.
    """
    edges = spline_edges(model)
    rows = len(x)
    variance = float(y.var(0, correction=0).mean()) if loss == MSE else 1.0
    functions = [f for f in functions if f.name != "0"]
    tried: list[Symbolic] = []

    def polished(candidate: KAN, steps: int) -> Symbolic:
        reached = levenberg_marquardt(candidate, x, y, loss, steps, RIDGE[loss]).loss
        tried.append(Symbolic(candidate, reached, description_bits(candidate, reached, loss, variance, rows)))
        return tried[-1]

    if not edges:
        return polished(model.clone(), steps)
    inputs, outputs = edge_curves(model, x, edges)
    candidates = dict(zip(edges, fit_edges(inputs, outputs, functions), strict=True))
    first = model.clone()
    for edge in edges:
        put(first, edge, candidates[edge][0])
    best = polished(first, steps)
    improved = True
    while improved and best.loss > EXACT * variance:
        improved = False
        for edge in edges:
            (x_edge, y_edge) = edge_curves(best.model, x, [edge])
            current = best.model.layers[edge[0]].functions[edge[1], edge[2]]
            # The rest of the network has moved: fit the others to the curve as it is now, and to the spline's.
            now = {c.function.name: c for c in fit_edges(x_edge, y_edge, functions)[0]}
            names = [c.function.name for c in candidates[edge][: choices + 1]]
            names += [n for n in list(now)[: choices + 1] if n not in names]
            for name in names:
                if name == current or name not in now:
                    continue
                trial = fixed_to(best.model, edge, now[name])
                reached = polished(trial, steps // 3)
                if reached.bits < best.bits:
                    best, improved, current = polished(reached.model, steps), True, name
    return replace(best, front=pareto(tried))
