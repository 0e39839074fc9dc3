"""From splines to library functions: fit every edge, train the constants together, exchange what can be better."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product

import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.losses import Loss
from kanrun.functions.builtin import Function
from kanrun.model.network import KAN
from kanrun.symbolic.fit import Candidate, fit_edges
from kanrun.training.least_squares import levenberg_marquardt

Edge = tuple[int, int, int]  # layer, subnode, input

FIT_ROWS = 300  # rows of an edge's curve that its functions are fitted to
MANY, LEAST_ROWS = 50, 100  # edges from which on there are fewer, and how many at least
STARTING = 5  # candidates of an edge that a search may begin with
PUT = 0.5  # units of work a layer of a network that is tried, beside those of training it
HOPELESS = 30.0  # a trial whose loss is this many times the best after a few steps is given up


@dataclass(frozen=True)
class Symbolic:
    """A network whose every edge is a library function, its training loss and its description length in bits.

    `front` has the networks met on the way that no other one beats in both complexity and loss.
    """

    model: KAN
    loss: float
    bits: float
    front: list[KAN] = field(default_factory=list)

    def changed(self, change: Callable[[KAN], KAN]) -> Symbolic:
        """The same with every network changed, as long as it says the same."""
        return replace(self, model=change(self.model), front=[change(model) for model in self.front])


def spline_edges(model: KAN) -> list[Edge]:
    """The edges that are still splines, from the inputs on."""
    return [(l, s, i) for l, layer in enumerate(model.layers) for s, i in layer.is_spline.nonzero().tolist()]


def edge_curves(model: KAN, x: Tensor, edges: list[Edge]) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of these edges at the rows `x`: two [rows, edges]."""
    traces = model.trace(x)
    inputs = torch.stack([traces[l].inputs[:, i] for l, _, i in edges], dim=1)
    outputs = torch.stack([traces[l].edges[:, s, i] for l, s, i in edges], dim=1)
    return inputs, outputs


def thinned(inputs: Tensor, outputs: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Every `step`-th row of curves [rows, edges], and both ends of each: a function must have values up to these."""
    if step == 1:
        return inputs, outputs
    ends = torch.stack([inputs.argmin(0), inputs.argmax(0)])
    parts = [(each[::step], each.gather(0, ends)) for each in (inputs, outputs)]
    return torch.cat(parts[0]), torch.cat(parts[1])


def fixed_to(model: KAN, edge: Edge, candidate: Candidate) -> KAN:
    """A copy with this edge as the candidate, whatever it was before."""
    changed = model.clone()
    put(changed, edge, candidate)
    return changed


def put(model: KAN, edge: Edge, candidate: Candidate, level: float = 0.0) -> None:
    """Makes the edge the candidate, in place; `level` is the constant of the function that it replaces."""
    model.put(edge, candidate.function, (candidate.a, candidate.b, candidate.c), candidate.d - level)


def library_complexity(model: KAN) -> int:
    """The sum of the complexities of the functions on all edges."""
    return sum(
        layer.library[name].complexity
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


@dataclass
class Search:
    """Tries networks of functions on the training rows, and remembers all that were tried.

    A loss of at most `enough` ends the search: there is nothing left to explain.
    """

    x: Tensor
    y: Tensor
    loss: Loss
    functions: list[Function]
    enough: float
    context: Context = UNLIMITED
    weights: Tensor | None = None  # of the rows
    tried: list[Symbolic] = field(default_factory=list)

    def polish(self, model: KAN, steps: int) -> Symbolic:
        """Trains all constants of `model` in place."""
        self.context.spend(PUT * len(model.layers))
        ridge = self.loss.constants_ridge
        reached = levenberg_marquardt(
            model, self.x, self.y, self.loss, steps, ridge, context=self.context, weights=self.weights
        ).loss
        self.tried.append(Symbolic(model, reached, self.bits(model, reached)))
        return self.tried[-1]

    def bits(self, model: KAN, reached: float) -> float:
        """The description length: of the formula once, and of the residuals of each output."""
        nulls = self.loss.weighted_null_values(self.y, self.weights)
        losses = [reached]
        if len(nulls) > 1:
            with torch.no_grad():
                losses = self.loss.weighted_values(model(self.x), self.y, self.weights).tolist()
        size, constants, total, mean = library_complexity(model), model.parameter_count(), 0.0, sum(nulls) / len(nulls)
        for loss, null in zip(losses, nulls, strict=True):
            enough = self.enough * null / mean if len(nulls) > 1 and mean > 0 else self.enough
            if null > 0 or len(nulls) == 1:
                total += self.loss.description_bits(max(loss, enough), null, size, constants, len(self.x))
                size = constants = 0  # counted once
        return total

    def candidates(self, model: KAN, edges: list[Edge]) -> list[list[Candidate]]:
        """The library fitted to the curves of these edges of `model`, best first; a constant where nothing fits."""
        rows = max(LEAST_ROWS, min(FIT_ROWS, FIT_ROWS * MANY // len(edges)))
        inputs, outputs = thinned(*edge_curves(model, self.x, edges), max(1, len(self.x) // rows))
        levels = outputs.mean(0).nan_to_num(0.0, 0.0, 0.0).tolist()
        constants = [Candidate(self.functions[0], 1.0, 0.0, 0.0, level, 1.0) for level in levels]
        fitted = fit_edges(inputs, outputs, self.functions, context=self.context)
        return [found or [c] for found, c in zip(fitted, constants, strict=True)]

    def begin(
        self, model: KAN, candidates: dict[Edge, list[Candidate]], steps: int, others: int = STARTING
    ) -> Symbolic:
        """The best of a few choices of candidates for all edges: the likeliest one and `others`, likely ones first."""
        likely = {edge: found[:STARTING] for edge, found in candidates.items()}
        choices = [dict.fromkeys(likely, 0)]  # rank of the candidate of each edge
        swaps = [
            (found[r].score() - found[0].score(), e, r) for e, found in likely.items() for r in range(1, len(found))
        ]
        choices += [{**choices[0], e: r} for _, e, r in sorted(swaps)[:others]]
        if len(likely) == 2:
            choices = [
                dict(zip(likely, ranks, strict=True)) for ranks in product(*(range(len(f)) for f in likely.values()))
            ]
        best: Symbolic | None = None
        for choice in choices:
            first = model.clone()
            for edge, rank in choice.items():
                put(first, edge, likely[edge][rank])
            trial = self.polish(first, steps if best is None else steps // 3)
            best = trial if best is None or trial.bits < best.bits else best
            if best.loss <= self.enough or self.context.over():
                break
        assert best is not None
        return self.polish(best.model, steps)

    def exchange(self, best: Symbolic, edge: Edge, first_choices: list[str], choices: int, steps: int) -> Symbolic:
        """Tries other functions on one edge, each in the whole network, and gives the best network."""
        # The rest of the network has moved since the first fit: the library is fitted to the curve as it is now.
        now = {c.function.name: c for c in self.candidates(best.model, [edge])[0]}
        for name in dict.fromkeys([*first_choices, *list(now)[:choices]]):
            if name not in now or name == best.model.layers[edge[0]].functions[edge[1], edge[2]]:
                continue
            trial = self.polish(fixed_to(best.model, edge, now[name]), steps // 6)
            if trial.loss < HOPELESS * best.loss:
                trial = self.polish(trial.model, steps // 3)
            if trial.bits < best.bits:
                best = self.polish(trial.model, steps)
            if best.loss <= self.enough or self.context.over():
                break
        return best


def symbolify(
    model: KAN, x: Tensor, y: Tensor, loss: Loss, functions: list[Function], *, enough: float = 0.0, steps: int = 60,
    choices: int = 5, rounds: int = 4, context: Context = UNLIMITED, weights: Tensor | None = None,
) -> Symbolic:  # fmt: skip
    """Fixes every spline edge of a copy of `model` to a function, judged on the training rows `x`, `y` only.

    First every edge becomes one of its best candidates and all constants are trained together. Then, edge by edge,
    the next `choices` candidates are tried in the whole network and kept where the description length falls, for at
    most `rounds` rounds, until none does or the loss is at most `enough` or the budget is used up. Of more edges than
    anybody reads each keeps its best candidate: a training of them all for each other one takes long and gains nothing.
    """
    edges = spline_edges(model)
    search = Search(x, y, loss, [f for f in functions if f.name != "0"], enough, context, weights)
    if not edges:
        return search.polish(model.clone(), steps)
    candidates = dict(zip(edges, search.candidates(model, edges), strict=True))
    few = len(edges) <= MANY
    best = search.begin(model, candidates, steps, others=STARTING if few else 0)
    for _ in range(rounds if few else 0):
        before = best
        for edge in edges:
            if best.loss > enough and not context.over():
                names = [c.function.name for c in candidates[edge][: choices + 1]]
                best = search.exchange(best, edge, names, choices, steps)
        if best is before:
            break
    return replace(best, front=pareto(search.tried))
