"""The edges of a network as pictures show them: how strong each is, its curve, and the strongest paths of many."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from kanrun.model.attribution import Scores, attribution
from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN

MAX_ROWS, POINTS = 1000, 61  # rows that give the scores and ranges, and points of one curve

Point = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Edge:
    """One edge that is left. `function` is the library function it is fixed to, empty for a spline."""

    layer: int
    sub: int
    input: int
    score: float
    function: str

    @property
    def key(self) -> tuple[int, int, int]:
        """Layer, subnode and input."""
        return self.layer, self.sub, self.input


def some_rows(model: KAN, x: Tensor) -> Tensor:
    """At most MAX_ROWS rows of `x` [rows, inputs], fewer where a layer has very many edges: a trace keeps them all."""
    rows = min(MAX_ROWS, max(20, 4_000_000 // max(layer.alive.numel() for layer in model.layers)))
    if len(x) <= rows:
        return x
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:rows].to(x.device)]


def scores_of(model: KAN, x: Tensor) -> Scores:
    """Attribution scores on the rows `x`."""
    with torch.no_grad():
        return attribution(model, x)


def edges_of(model: KAN, scores: Scores) -> list[Edge]:
    """The edges that are left, a layer after the other, ordered by input and then by subnode."""
    edges = []
    for depth, layer in enumerate(model.layers):
        own = scores.edges[depth].nan_to_num(0, 0, 0).tolist()
        for i, sub in layer.alive.T.nonzero().tolist():
            edges.append(Edge(depth, sub, i, own[sub][i], layer.functions.get((sub, i), "")))
    return edges


def curves_of(model: KAN, x: Tensor, edges: list[Edge]) -> list[tuple[Tensor, Tensor]]:
    """Each edge's input [points] over its range on the rows `x`, in the user's units in layer 0, and its output.

    Half of the points are spread evenly and half lie among the rows. Those at which the output is not finite are left
    out.
    """
    along = torch.linspace(0, 1, POINTS, dtype=x.dtype, device=x.device)[:, None]
    among = torch.linspace(0, len(x) - 1, min(POINTS, len(x))).long()
    inputs: list[Tensor] = []
    values: list[Tensor] = []
    for layer, trace in zip(model.layers, model.trace(x), strict=True):
        rows = trace.inputs.nan_to_num(0, 0, 0)
        points = torch.cat([torch.lerp(rows.amin(0), rows.amax(0), along), rows.sort(0).values[among]]).sort(0).values
        with torch.no_grad():
            values.append(layer.trace(points).edges.cpu())
        inputs.append((points * model.scale + model.shift if not inputs else points).detach().cpu())
    curves = []
    for edge in edges:
        y = values[edge.layer][:, edge.sub, edge.input]
        finite = torch.isfinite(y)
        curves.append((inputs[edge.layer][finite, edge.input], y[finite]))
    return curves


def unit_curve(curve: tuple[Tensor, Tensor]) -> list[Point]:
    """A curve scaled to 0..1 in both directions; one that does not vary lies in the middle."""
    x, y = curve
    if not len(x):
        return []
    return list(zip(unit(x), unit(y), strict=True))


def unit(values: Tensor) -> list[float]:
    """Values scaled to 0..1, 0.5 where they do not vary."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(high), abs(low)):
        return [0.5] * len(values)
    scaled: list[float] = ((values - low) / (high - low)).tolist()
    return scaled


def node_of(model: KAN, layer: int, sub: int) -> int:
    """The node that a subnode belongs to: itself for a sum, its product for a factor."""
    sums = model.layers[layer].n_sum
    return sub if sub < sums else int(sums + (sub - sums) // FACTORS)


def alive_nodes(model: KAN) -> list[list[bool]]:
    """Whether any edge enters or leaves each node, [boundary][node] from the inputs to the outputs."""
    alive = [torch.zeros(model.n_in, dtype=torch.bool)]
    for layer in model.layers:
        alive[-1] |= layer.alive.any(0).cpu()
        entered = layer.alive.any(1).cpu()
        alive.append(torch.cat([entered[: layer.n_sum], entered[layer.n_sum :].reshape(-1, FACTORS).any(1)]))
    return [boundary.tolist() for boundary in alive]


# ---- paths ---------------------------------------------------------------------------------------------------------


def strongest_paths(model: KAN, scores: Scores, edges: list[Edge], most: int) -> list[list[Edge]]:
    """The paths from an input to an output, an edge a layer, with the largest products of shares, the strongest first.

    An edge's share is its score over that of the node that it enters.
    """
    best: list[list[tuple[float, list[Edge]]]] = [[(1.0, [])] for _ in range(model.n_in)]
    for depth, layer in enumerate(model.layers):
        after: list[list[tuple[float, list[Edge]]]] = [[] for _ in range(layer.n_out)]
        nodes = scores.nodes[depth + 1].nan_to_num(0, 0, 0).tolist()
        for edge in (e for e in edges if e.layer == depth):
            node = node_of(model, depth, edge.sub)
            share = edge.score / nodes[node] if nodes[node] > 0 else 0.0
            after[node] += [(strength * share, [*path, edge]) for strength, path in best[edge.input]]
        best = [heapq.nlargest(most, own, key=lambda one: one[0]) for own in after]
    return [path for _, path in heapq.nlargest(most, [one for own in best for one in own], key=lambda one: one[0])]


def number_of_paths(model: KAN) -> float:
    """How many ways lead from an input to an output."""
    ways = torch.ones(model.n_in, dtype=torch.float64)
    for layer in model.layers:
        sub = layer.alive.cpu().double() @ ways
        ways = torch.cat([sub[: layer.n_sum], sub[layer.n_sum :].reshape(-1, FACTORS).sum(1)])
    return float(ways.sum())


def in_words(count: float) -> str:
    """A count that may be very large."""
    return f"{count:,.0f}".replace(",", " ") if count < 1e6 else f"about 10^{math.floor(math.log10(count))}"
