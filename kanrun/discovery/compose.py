"""A sum of terms as a network whose edges are functions: arguments, products by pairs, the sum, the last function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from kanrun.data.dataset import MSE
from kanrun.discovery.atoms import Argument, Factor, Term
from kanrun.discovery.outer import Outer
from kanrun.discovery.peel import with_last
from kanrun.discovery.terms import Sum, Table
from kanrun.model.network import KAN
from kanrun.symbolic.library import Function
from kanrun.symbolic.search import description_bits, library_complexity
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt

STEPS = 60

Edge = tuple[int, str, float, float, float]  # from this node: c * f(a * x + b)


@dataclass
class Layer:
    """The edges into every sum and into both factors of every product."""

    sums: list[list[Edge]] = field(default_factory=list)
    products: list[tuple[list[Edge], list[Edge]]] = field(default_factory=list)

    def add_sum(self, edges: list[Edge]) -> tuple[bool, int]:
        self.sums.append(edges)
        return False, len(self.sums) - 1

    def add_product(self, first: list[Edge], second: list[Edge]) -> tuple[bool, int]:
        self.products.append((first, second))
        return True, len(self.products) - 1

    def number(self, place: tuple[bool, int]) -> int:
        """The number of a node: sums come first."""
        return place[1] + (len(self.sums) if place[0] else 0)


def plain(node: int) -> Edge:
    """The edge that passes a node on."""
    return node, "x", 1.0, 0.0, 1.0


def network_of(
    terms: Sequence[Term], constants: Sequence[float], arguments: list[Argument], n: int, library: dict[str, Function],
    outer: Outer, y: torch.Tensor, below: Sequence[bool],
) -> KAN:  # fmt: skip
    """The network for constants c_0, c_1, ... of the terms: of n inputs, under the last function of targets `y`.

    Terms `below` the line are taken from 1, which the others are divided by.
    """
    layers: list[Layer] = []
    used = sorted({f.argument for term in terms for f in term})
    if all(arguments[k].is_input for k in used):
        node_of = {k: arguments[k].edges[0][0] for k in used}
    else:
        layers.append(Layer())
        places = {}
        for k in used:
            edges = [(i, name, 1.0, 0.0, c) for i, name, c in arguments[k].edges]
            product = arguments[k].is_product
            places[k] = layers[0].add_product(edges[:1], edges[1:]) if product else layers[0].add_sum(edges)
        node_of = {k: layers[0].number(place) for k, place in places.items()}
    wires = [[edge_of(f, node_of) for f in term] for term in terms]
    while any(len(w) > 1 for w in wires):
        wires = joined(wires, layers)
    edges_ = [[scaled(edge, c) for edge in w] for w, c in zip(wires, constants[1:], strict=True)]
    above = [edges for edges, below_line in zip(edges_, below, strict=True) if not below_line]
    sums = [summed(above)]
    if any(below):
        sums.append(
            summed([[scaled(e, -1.0) for e in edges] for edges, line in zip(edges_, below, strict=True) if line])
        )
    layers.append(Layer())
    if all(len(single) <= 1 for single in sums):
        for single in sums:
            layers[-1].add_sum(single[0] if single else [])
    else:  # two functions of one node cannot be two edges to the same sum
        nodes = [[layers[-1].add_sum(edges)[1] for edges in single] for single in sums]
        layers.append(Layer([[plain(at) for at in places] for places in nodes]))
    biases = torch.tensor([constants[0], 1.0][: len(sums)], dtype=y.dtype)
    if any(below):
        layers.append(Layer(products=[([plain(0)], [(1, "1/x", 1.0, 0.0, 1.0)])]))
    model = built(layers, n, library, y)
    with torch.no_grad():
        model.layers[-2 if any(below) else -1].bias += biases.to(y.device)
    return model if outer.name == "x" else with_last(model, outer.name, 1.0, 0.0, *outer.constants(y))


def finished_network(found: Sum, table: Table, outer: Outer, y: torch.Tensor) -> tuple[KAN, float, float]:
    """The sum as a network, trained on all rows and the targets `y` themselves; its loss and description length."""
    scale, count = float(outer.undo(y).std()), len(found.terms)
    n, functions = table.x.shape[1], table.functions
    whole = Sum(found.terms, found.vector.clone(), outer, y)
    whole.vector[: 1 + count] *= scale
    if table.targets is None:
        loss = levenberg_marquardt(whole, table.t, y, MSE, STEPS).loss  # type: ignore[arg-type]
        terms, below = whole.fixed(), [False] * count
    else:
        terms = [tuple(f for f in term if f.argument != table.targets) for term in found.terms]
        below = [len(rest) < len(term) for rest, term in zip(terms, found.terms, strict=True)]
        whole.vector[1 : 1 + count][torch.tensor(below)] /= scale
    network = network_of(terms, whole.vector[: 1 + count].tolist(), table.arguments, n, functions, outer, y, below)
    if table.targets is not None:
        loss = levenberg_marquardt(network, table.x, y, MSE, STEPS).loss
    unexplained = loss / max(float(y.var(correction=0)), 1e-300)
    bits = description_bits(max(unexplained, EXACT), library_complexity(network), whole.parameter_count(), len(y))
    return network, loss, bits


def edge_of(factor: Factor, node_of: dict[int, int]) -> Edge:
    """The factor as an edge from its argument's node."""
    return node_of[factor.argument], factor.function.name, factor.a, factor.b, 1.0


def scaled(edge: Edge, c: float) -> Edge:
    """The edge times c."""
    return (*edge[:4], edge[4] * c)


def joined(wires: list[list[Edge]], layers: list[Layer]) -> list[list[Edge]]:
    """The factors of every term multiplied in pairs, in one layer more."""
    layer = Layer()
    places = []
    for factors in wires:
        pairs = [factors[k : k + 2] for k in range(0, len(factors), 2)]
        places.append([
            layer.add_product([pair[0]], [pair[1]]) if len(pair) == 2 else layer.add_sum([pair[0]]) for pair in pairs
        ])  # fmt: skip
    layers.append(layer)
    return [[plain(layer.number(place)) for place in row] for row in places]


def summed(terms: list[list[Edge]]) -> list[list[Edge]]:
    """The terms, an edge each, in as few sums as no node goes twice into."""
    sums: list[list[Edge]] = []
    for (edge,) in terms:
        free = next((s for s in sums if all(edge[0] != other[0] for other in s)), None)
        if free is None:
            sums.append([edge])
        else:
            free.append(edge)
    return sums


def built(layers: list[Layer], n: int, library: dict[str, Function], y: torch.Tensor) -> KAN:
    """The network of these layers over n inputs, in the dtype of `y`."""
    width: list[int | list[int]] = [n, *([len(l.sums), len(l.products)] if l.products else len(l.sums) for l in layers)]
    model = KAN(width, grid=1, dtype=y.dtype).to(y.device)
    names = {edge[1] for l in layers for edges in [*l.sums, *(e for p in l.products for e in p)] for edge in edges}
    for layer, plan in zip(model.layers, layers, strict=True):
        layer.alive.zero_()
        layer.library = layer.library.joined([library[name] for name in sorted(names)])
        subnodes = [*plan.sums, *(factor for pair in plan.products for factor in pair)]
        for s, edges in enumerate(subnodes):
            for i, name, a, b, c in edges:
                layer.fix(s, i, name, (a, b, c), 0.0, True)
    return model
