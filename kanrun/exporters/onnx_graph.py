"""Values as a graph of ONNX, and formulas as its operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from kanrun.exporters.source import CannotExportError

HALF_PI = float(np.pi / 2)


class Graph:
    """Nodes and constants of a graph that grows; values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, kind: Any = np.float64) -> str:
        """A tensor that does not change."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name))
        return name

    def add(self, operator: str, *given: Any, **attributes: Any) -> str:
        """The value of an operator; numbers and arrays become constants."""
        from onnx import helper

        name = f"v{len(self.nodes)}"
        inputs = [one if isinstance(one, str) else self.constant(one) for one in given]
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def cast(self, value: str, single: bool = False) -> str:
        """In double precision, or single where a runtime has an operator in no other."""
        from onnx import TensorProto

        return self.add("Cast", value, to=TensorProto.FLOAT if single else TensorProto.DOUBLE)

    def total(self, terms: list[str]) -> str:
        """The sum of values."""
        result = terms[0]
        for term in terms[1:]:
            result = self.add("Add", result, term)
        return result


# ---- networks ------------------------------------------------------------------------------------------------------


class Operators:
    """Operators for an expression over x. Those that runtimes have in single precision only are made of others."""

    def __init__(self, graph: Graph, x: str) -> None:
        self.graph, self.x = graph, x

    def value(self, node: sp.Expr) -> str:
        """The values of a part. Raises CannotExportError for a function that there is no way to compute."""
        if node.is_Symbol:
            return self.x
        if node.is_number:
            return self.graph.constant(float(node))
        if node.is_Add:
            return self.graph.total([self.value(a) for a in node.args])
        if node.is_Mul or node.func in (sp.Min, sp.Max):
            kind = "Mul" if node.is_Mul else node.func.__name__
            result = self.value(node.args[0])
            for a in node.args[1:]:
                result = self.graph.add(kind, result, self.value(a))
            return result
        if node.is_Pow:
            if node.exp == sp.Rational(1, 2):
                return self.graph.add("Sqrt", self.value(node.base))
            return self.graph.add("Pow", self.value(node.base), self.value(node.exp))
        if node.func not in OPERATORS:
            raise CannotExportError(f"ONNX has no {node.func.__name__}: {node}")
        return OPERATORS[node.func](self.graph, self.value(node.args[0]))


def tangent(graph: Graph, z: str) -> str:
    return graph.add("Div", graph.add("Sin", z), graph.add("Cos", z))


def hyperbolic(sign: str) -> Any:
    """(exp(z) - exp(-z)) / 2, or with a plus."""

    def made(graph: Graph, z: str) -> str:
        ends = graph.add("Exp", z), graph.add("Exp", graph.add("Neg", z))
        return graph.add("Mul", graph.add(sign, *ends), 0.5)

    return made


def arctangent(graph: Graph, z: str) -> str:
    """In single precision for an argument up to 1, and one step of Newton's that makes it double."""
    size = graph.add("Abs", z)
    large = graph.add("Greater", size, 1.0)
    w = graph.add("Where", large, graph.add("Div", 1.0, size), size)
    y = graph.cast(graph.add("Atan", graph.cast(w, single=True)))
    sine, cosine = graph.add("Sin", y), graph.add("Cos", y)
    off = graph.add("Mul", graph.add("Sub", sine, graph.add("Mul", w, cosine)), cosine)
    y = graph.add("Sub", y, off)
    return graph.add("Mul", graph.add("Sign", z), graph.add("Where", large, graph.add("Sub", HALF_PI, y), y))


def arcsine(graph: Graph, z: str) -> str:
    """atan(z / sqrt((1 - z) (1 + z)))."""
    root = graph.add("Sqrt", graph.add("Mul", graph.add("Sub", 1.0, z), graph.add("Add", 1.0, z)))
    return arctangent(graph, graph.add("Div", z, root))


def area_tangent(graph: Graph, z: str) -> str:
    """log((1 + z) / (1 - z)) / 2."""
    ratio = graph.add("Div", graph.add("Add", 1.0, z), graph.add("Sub", 1.0, z))
    return graph.add("Mul", graph.add("Log", ratio), 0.5)


def area_sine(graph: Graph, z: str) -> str:
    """sign(z) log(|z| + sqrt(z^2 + 1))."""
    size, root = graph.add("Abs", z), graph.add("Sqrt", graph.add("Add", graph.add("Mul", z, z), 1.0))
    return graph.add("Mul", graph.add("Sign", z), graph.add("Log", graph.add("Add", size, root)))


def area_cosine(graph: Graph, z: str) -> str:
    """log(z + sqrt(z - 1) sqrt(z + 1))."""
    roots = [graph.add("Sqrt", graph.add("Add", z, one)) for one in (-1.0, 1.0)]
    return graph.add("Log", graph.add("Add", z, graph.add("Mul", *roots)))


def in_single(operator: str) -> Any:
    """An operator that runtimes have in single precision only."""
    return lambda graph, z: graph.cast(graph.add(operator, graph.cast(z, single=True)))


def plain(operator: str) -> Any:
    """An operator as it is."""
    return lambda graph, z: graph.add(operator, z)


OPERATORS: dict[Any, Any] = {
    sp.sin: plain("Sin"), sp.cos: plain("Cos"), sp.tan: tangent, sp.exp: plain("Exp"), sp.log: plain("Log"),
    sp.Abs: plain("Abs"), sp.sign: plain("Sign"), sp.floor: plain("Floor"), sp.tanh: plain("Tanh"),
    sp.sinh: hyperbolic("Sub"), sp.cosh: hyperbolic("Add"), sp.atan: arctangent, sp.asin: arcsine,
    sp.acos: lambda graph, z: graph.add("Sub", HALF_PI, arcsine(graph, z)), sp.atanh: area_tangent,
    sp.asinh: area_sine, sp.acosh: area_cosine, sp.erf: in_single("Erf"),
    sp.erfc: lambda graph, z: graph.add("Sub", 1.0, in_single("Erf")(graph, z)),
}  # fmt: skip
