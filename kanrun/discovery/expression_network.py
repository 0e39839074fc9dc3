"""An expression as a network of functions: sums and products of edges, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
import torch
from torch import Tensor

from kanrun.discovery.compose import Edge, Layer, built, plain
from kanrun.functions.builtin import Function
from kanrun.model.network import KAN

POWERS = {
    2.0: "x^2", 3.0: "x^3", 4.0: "x^4", 5.0: "x^5", -1.0: "1/x", -2.0: "1/x^2", -3.0: "1/x^3", -4.0: "1/x^4",
    -5.0: "1/x^5", 0.5: "sqrt", 1.5: "x^1.5", -0.5: "1/sqrt(x)",
}  # fmt: skip
FUNCTIONS_OF = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.tanh: "tanh", sp.Abs: "abs",
    sp.asin: "arcsin", sp.acos: "arccos", sp.atan: "arctan", sp.atanh: "arctanh",
}  # fmt: skip


class NoNetworkError(ValueError):
    """An expression with a function that is not in the library."""


@dataclass
class Value:
    """A sum of edges from nodes, and a constant."""

    edges: list[Edge]
    constant: float = 0.0


@dataclass
class Node:
    """A sum of one value, or the product of two, whose sources lie in layers before its own."""

    factors: list[Value]
    level: int


@dataclass
class Compiler:
    """Turns an expression into nodes; the inputs are the first ones, of level 0."""

    inputs: Sequence[str]
    library: Mapping[str, Function]
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = [Node([], 0) for _ in self.inputs]

    def value(self, e: sp.Expr) -> Value:
        """The value of an expression. Raises NoNetworkError where a function is not known."""
        if e.is_number:
            return Value([], float(e))
        if e.is_Symbol:
            return Value([plain(self.inputs.index(e.name))])
        if e.is_Add:
            parts = [self.value(a) for a in e.args]
            return Value([edge for p in parts for edge in p.edges], sum(p.constant for p in parts))
        if e.is_Mul:
            return self.product(e)
        if e.is_Pow and e.exp.is_number:
            return self.power(self.value(e.base), float(e.exp))
        if e.func in FUNCTIONS_OF and len(e.args) == 1:
            return self.applied(FUNCTIONS_OF[e.func], self.value(e.args[0]))
        raise NoNetworkError(f"no edge is {e.func.__name__}")

    def product(self, e: sp.Expr) -> Value:
        """A number times a product of values."""
        factor = float(sp.Mul(*[a for a in e.args if a.is_number]))
        whole, *others = [self.value(a) for a in e.args if not a.is_number]
        for other in others:
            whole = Value([plain(self.node([whole, other]))])
        return Value([(*edge[:4], factor * edge[4]) for edge in whole.edges], factor * whole.constant)

    def power(self, base: Value, exponent: float) -> Value:
        """A power that the library has, or the exponential of a logarithm."""
        name = POWERS.get(exponent, "")
        if name in self.library:
            return self.applied(name, base)
        logarithm = self.applied("log", base)
        return self.applied("exp", Value([(*edge[:4], exponent * edge[4]) for edge in logarithm.edges]))

    def applied(self, name: str, value: Value) -> Value:
        """A function of a value."""
        if name not in self.library:
            raise NoNetworkError(f"no edge is {name}")
        if len(value.edges) == 1 and value.edges[0][1] == "x":
            source, _, a, b, c = value.edges[0]
            return Value([(source, name, c * a, c * b + value.constant, 1.0)])
        return Value([(self.node([value]), name, 1.0, 0.0, 1.0)])

    def node(self, factors: list[Value]) -> int:
        """The number of a new node. No two edges lead from one node to the same sum: the second has one of its own."""
        for value in factors:
            seen = set[int]()
            for k, edge in enumerate(value.edges):
                if edge[0] in seen:
                    value.edges[k] = plain(self.node([Value([edge])]))
                seen.add(edge[0])
        level = 1 + max((self.nodes[edge[0]].level for v in factors for edge in v.edges), default=0)
        self.nodes.append(Node(factors, level))
        return len(self.nodes) - 1


def network_of_expression(e: sp.Expr, inputs: Sequence[str], library: Mapping[str, Function], y: Tensor) -> KAN:
    """The network over `inputs` whose only output is the expression, in the dtype of `y`.

    Raises NoNetworkError for a function that the library has not.
    """
    compiler = Compiler(inputs, library)
    return network_of_values(compiler, [compiler.value(e)], y)


def network_of_sums(
    terms: Sequence[sp.Expr], factors: Sequence[Sequence[float]], inputs: Sequence[str],
    library: Mapping[str, Function], y: Tensor,
) -> KAN:  # fmt: skip
    """The network whose outputs are sums of the same terms: for each of them a constant and the `factors` of the terms.

    Terms are nodes that all outputs share, unless each is a function of an input of its own. Raises NoNetworkError as
    above.
    """
    compiler = Compiler(inputs, library)
    values = [compiler.value(term) for term in terms]
    sources = [edge[0] for value in values for edge in value.edges]
    direct = len(sources) == len(terms) == len(set(sources)) and max(sources, default=0) < len(inputs)
    if not direct or any(value.constant for value in values):
        values = [Value([plain(compiler.node([value]))]) for value in values]
    ends = [
        Value([(*value.edges[0][:4], factor * value.edges[0][4])
               for value, factor in zip(values, own, strict=True) if factor], constant)
        for constant, *own in factors
    ]  # fmt: skip
    return network_of_values(compiler, ends, y)


def network_of_values(compiler: Compiler, ends: Sequence[Value], y: Tensor) -> KAN:
    """The network whose outputs are these values, in the dtype of `y`."""
    numbers = [compiler.node([value]) for value in ends]
    nodes, inputs = compiler.nodes, compiler.inputs
    last = max(nodes[k].level for k in numbers)
    for k in numbers:
        nodes[k].level = last
    needed = {k: max((n.level for n in nodes if any(edge[0] == k for v in n.factors for edge in v.edges)), default=0)
              for k in range(len(nodes))}  # fmt: skip
    layers, biases = list[Layer](), list[list[float]]()
    place = {k: k for k in range(len(inputs))}
    for level in range(1, last + 1):
        layer, places, sums, products = Layer(), dict[int, tuple[bool, int]](), list[float](), list[float]()
        for k, node in enumerate(nodes):
            if node.level == level:
                moved = [[(place[edge[0]], *edge[1:]) for edge in v.edges] for v in node.factors]
                constants = [v.constant for v in node.factors]
                if len(moved) == 1:
                    places[k] = layer.add_sum(moved[0])
                    sums += constants
                else:
                    places[k] = layer.add_product(moved[0], moved[1])
                    products += constants
            elif node.level < level < needed[k]:
                places[k] = layer.add_sum([plain(place[k])])
                sums.append(0.0)
        place = {k: layer.number(at) for k, at in places.items()}
        layers.append(layer)
        biases.append([*sums, *products])
    model = built(layers, len(inputs), dict(compiler.library), y)
    with torch.no_grad():
        for layer, bias in zip(model.layers, biases, strict=True):
            layer.bias += y.new_tensor(bias)
    return model
