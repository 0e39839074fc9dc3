"""A sum of terms as a network whose edges are functions: arguments, products by pairs, the sum, the link function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.losses import MSE, description_bits
from kanrun.discovery.atoms import Argument, Factor, Term
from kanrun.discovery.links import Link
from kanrun.discovery.peel import with_last
from kanrun.discovery.problem import Problem
from kanrun.discovery.terms import Sum, Table
from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.symbolic.search import library_complexity
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt

STEPS = 60
MADE = 3.0  # units of work of making a network

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


@dataclass(frozen=True)
class Weighted:
    """constant + sum of factor * term."""

    constant: float
    terms: list[tuple[float, Term]]


def plain(node: int) -> Edge:
    """The edge that passes a node on."""
    return node, "x", 1.0, 0.0, 1.0


def network_of(
    sums: Sequence[Weighted], arguments: list[Argument], n: int, library: dict[str, Function], link: Link, y: Tensor
) -> KAN:
    """The network of n inputs for a sum of terms, or for one divided by another, under the link function of `y`."""
    layers: list[Layer] = []
    used = sorted({f.argument for each in sums for _, term in each.terms for f in term})
    ends = [factors_of(arguments[k]) for k in used]
    if not all(arguments[k].is_input for k in used):
        ends = multiplied(joined(ends, layers), layers)
    node_of = {k: factors[0][0][0] for k, factors in zip(used, ends, strict=True)}
    terms = [[[edge_of(f, node_of)] for f in term] for each in sums for _, term in each.terms]
    found = iter(multiplied(terms, layers))
    layers.append(Layer())
    rows = [summed([scaled(next(found)[0][0], c) for c, _ in each.terms]) for each in sums]
    if all(len(row) <= 1 for row in rows):
        for row in rows:
            layers[-1].add_sum(row[0] if row else [])
    else:  # two functions of one node cannot be two edges to the same sum
        nodes = [[layers[-1].add_sum(edges)[1] for edges in row] for row in rows]
        layers.append(Layer([[plain(at) for at in row] for row in nodes]))
    depth = len(layers)
    if len(sums) == 2:
        layers.append(Layer(products=[([plain(0)], [(1, "1/x", 1.0, 0.0, 1.0)])]))
    model = built(layers, n, library, y)
    with torch.no_grad():
        model.layers[depth - 1].bias += y.new_tensor([each.constant for each in sums])
    return model if link.name == "x" else with_last(model, link.function, 1.0, 0.0, *link.constants(y))


def finished_network(
    found: Sum, table: Table, link: Link, problem: Problem, context: Context = UNLIMITED
) -> tuple[KAN, float, float]:
    """The sum as a network, trained on all rows and the targets themselves; its loss and description length.

    Under a link function that is relative it is trained on the targets without it.
    """
    count, y = len(found.terms), problem.y
    z, there = link.undone(y)
    context.spend(MADE)
    whole = Sum(found.terms, found.vector.clone()) if link.relative else Sum(found.terms, found.vector.clone(), link, y)
    whole.vector[: 1 + count] *= float(z[there].std())
    if link.relative:
        levenberg_marquardt(whole, table.t[there[:, 0]], z[there][:, None], MSE, STEPS, context=context)
    else:
        levenberg_marquardt(whole, table.t, y, MSE, STEPS, context=context, weights=problem.weights)
    constant, *factors = whole.vector[: 1 + count].tolist()
    weighted = Weighted(constant, list(zip(factors, whole.trained_terms(), strict=True)))
    network = network_of([weighted], table.arguments, table.x.shape[1], table.functions, link, y)
    with torch.no_grad():
        loss = problem.loss(network(table.x))
    return network, loss, bits_of(network, loss, whole.parameter_count(), problem)


def bits_of(network: KAN, loss: float, constants: int, problem: Problem) -> float:
    """The description length of a network of functions with so many constants."""
    unexplained = loss / max(problem.variance, 1e-300)
    return description_bits(max(unexplained, EXACT), library_complexity(network), constants, len(problem.y))


def edge_of(factor: Factor, node_of: dict[int, int]) -> Edge:
    """The factor as an edge from its argument's node."""
    return node_of[factor.argument], factor.function.name, factor.a, factor.b, 1.0


def scaled(edge: Edge, c: float) -> Edge:
    """The edge times c."""
    return (*edge[:4], edge[4] * c)


def factors_of(argument: Argument) -> list[list[Edge]]:
    """The factors of an argument, a sum of edges each."""
    edges = [(i, name, 1.0, 0.0, c) for i, name, c in argument.edges]
    return [[edge] for edge in edges] if argument.is_product else [edges]


def multiplied(wires: list[list[list[Edge]]], layers: list[Layer]) -> list[list[list[Edge]]]:
    """The factors of every term multiplied, until each has a single one."""
    while any(len(factors) > 1 for factors in wires):
        wires = joined(wires, layers)
    return wires


def joined(wires: list[list[list[Edge]]], layers: list[Layer]) -> list[list[list[Edge]]]:
    """The factors of every term multiplied in pairs, in one layer more."""
    layer = Layer()
    places = []
    for factors in wires:
        pairs = [factors[k : k + 2] for k in range(0, len(factors), 2)]
        places.append([
            layer.add_product(pair[0], pair[1]) if len(pair) == 2 else layer.add_sum(pair[0]) for pair in pairs
        ])  # fmt: skip
    layers.append(layer)
    return [[[plain(layer.number(place))] for place in row] for row in places]


def summed(terms: list[Edge]) -> list[list[Edge]]:
    """The terms, an edge each, in as few sums as no node goes twice into."""
    sums: list[list[Edge]] = []
    for edge in terms:
        free = next((s for s in sums if all(edge[0] != other[0] for other in s)), None)
        if free is None:
            sums.append([edge])
        else:
            free.append(edge)
    return sums


def built(layers: list[Layer], n: int, library: dict[str, Function], y: Tensor) -> KAN:
    """The network of these layers over n inputs, in the dtype of `y`."""
    width: list[int | list[int]] = [n, *([len(l.sums), len(l.products)] if l.products else len(l.sums) for l in layers)]
    model = KAN(width, grid=1, dtype=y.dtype).to(y.device)
    known = {**FUNCTIONS, **library}  # lines pass nodes on, whatever functions edges may become
    names = {edge[1] for l in layers for edges in [*l.sums, *(e for p in l.products for e in p)] for edge in edges}
    for layer, plan in zip(model.layers, layers, strict=True):
        layer.alive.zero_()
        layer.library = layer.library.joined([known[name] for name in sorted(names)])
        subnodes = [*plan.sums, *(factor for pair in plan.products for factor in pair)]
        for s, edges in enumerate(subnodes):
            for i, name, a, b, c in edges:
                layer.fix(s, i, name, (a, b, c), 0.0, True)
    return model
