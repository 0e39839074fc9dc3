"""The network as a graph of ONNX in float64: splines as polynomials of their interval, functions as operators.

Written by hand: torch's own exporter needs more packages, and writes out every step of how splines are looked up.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from kanrun.errors import KanrunError
from kanrun.exporters.onnx_graph import Graph, Operators
from kanrun.exporters.source import CannotExportError, Source
from kanrun.functions.parser import parse_formula
from kanrun.model.layer import FACTORS, KANLayer
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN

OPSET, FORMAT = 17, 8  # of operators, and of the file: those of 2022, which every runtime since then reads


def onnx(source: Source) -> bytes:
    """A model from `x` [rows, inputs] to `y` [rows, outputs], both float64; its metadata has the names of the columns.

    Raises KanrunError without the package onnx, and CannotExportError for a function without operators.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError:
        raise KanrunError("--to onnx: the package onnx is missing; pip install 'kanrun[onnx]'") from None
    graph, network = Graph(), source.network
    if isinstance(network, KAN):
        shift, scale = (numbers.cpu().double().numpy() for numbers in (network.shift, network.scale))
        last = graph.add("Div", graph.add("Sub", "x", shift), scale)
        for layer in network.layers:
            last = kan_layer(graph, last, layer)
    elif isinstance(network, MLP):
        last = perceptron(graph, "x", network)
    else:
        raise CannotExportError("there is no network to export")
    graph.nodes.append(helper.make_node("Identity", [last], ["y"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", size])
        for name, size in (("x", network.n_in), ("y", network.n_out))
    ]
    made = helper.make_graph(graph.nodes, "kanrun", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(
        made, producer_name="kanrun", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT
    )
    names = {"inputs": [source.name(name) for name in source.inputs], "outputs": [law.output for law in source.laws]}
    helper.set_model_props(model, {key: json.dumps(value) for key, value in names.items()})
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def perceptron(graph: Graph, x: str, model: MLP) -> str:
    """The outputs of an MLP."""
    numbers = {name: tensor.detach().cpu().double().numpy() for name, tensor in model.state_dict().items()}
    value = graph.add("Div", graph.add("Sub", x, numbers["shift"]), numbers["scale"])
    count = len(model.biases)
    for n in range(count):
        value = graph.add("Add", graph.add("MatMul", value, numbers[f"weights.{n}"].T), numbers[f"biases.{n}"])
        if n + 1 < count:
            value = ACTIVATIONS[model.activation](graph, value)
    return value


def silu(graph: Graph, z: str) -> str:
    """z * sigmoid(z)."""
    return graph.add("Mul", z, graph.add("Sigmoid", z))


ACTIVATIONS = {
    "silu": silu,
    "tanh": lambda graph, z: graph.add("Tanh", z),
    "relu": lambda graph, z: graph.add("Relu", z),
}


def kan_layer(graph: Graph, x: str, layer: KANLayer) -> str:
    """The nodes [rows, n_out] of a layer of a KAN."""
    terms = [graph.constant(layer.bias.detach().cpu().double().numpy()[None])]
    splines = layer.is_spline.cpu().numpy()
    if splines.any():
        terms.append(spline_sums(graph, x, layer))
        if layer.base != "zero":
            scale = (layer.base_scale.detach().cpu().double().numpy() * splines).T
            terms.append(graph.add("MatMul", silu(graph, x) if layer.base == "silu" else x, scale))
    affine = layer.affine.detach().cpu().double().numpy()
    for name, *edges in layer.structure().groups:
        subs, inputs = (index.cpu().numpy() for index in edges)
        a, b, c = affine[subs, inputs].T
        columns = graph.add("Gather", x, graph.constant(inputs, np.int64), axis=1)
        z = graph.add("Add", graph.add("Mul", columns, a), b)
        to_subs = np.zeros((len(subs), layer.n_sub))
        to_subs[np.arange(len(subs)), subs] = c
        values = Operators(graph, z).value(parse_formula(layer.library[name].text, ["x"]))
        spread = graph.add("Add", values, graph.add("Mul", z, 0.0))  # a constant becomes a column
        terms.append(graph.add("MatMul", spread, to_subs))
    total = graph.total(terms)
    if len(terms) == 1:  # the bias alone, for every row
        total = graph.add("Add", graph.add("MatMul", x, np.zeros((layer.n_in, layer.n_sub))), total)
    return products(graph, total, layer)


def products(graph: Graph, subnodes: str, layer: KANLayer) -> str:
    """Nodes from subnodes: sums pass, products are taken."""
    if not layer.n_mult:
        return subnodes
    parts = [graph.add("Gather", subnodes, graph.constant(range(layer.n_sum), np.int64), axis=1)] * bool(layer.n_sum)
    factors = [
        graph.add("Gather", subnodes, graph.constant(range(layer.n_sum + f, layer.n_sub, FACTORS), np.int64), axis=1)
        for f in range(FACTORS)
    ]
    parts.append(graph.add("Mul", *factors))
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def spline_sums(graph: Graph, x: str, layer: KANLayer) -> str:
    """The sums of the splines [rows, n_sub].

    Which interval a value lies in is a row of zeros with a one; times the powers of the way across the interval, and
    beyond the grid their slopes, it is what all splines are linear in.
    """
    grid = layer.grid.cpu().double().numpy()
    inputs, intervals = grid.shape[0], grid.shape[1] - 1
    within = graph.add("Min", graph.add("Max", x, grid[:, 0]), grid[:, -1])
    last = graph.constant([2], np.int64)
    passed = graph.add("GreaterOrEqual", graph.add("Unsqueeze", x, last), grid[None, :, 1:-1])
    number = graph.add("ReduceSum", graph.cast(passed), last, keepdims=1)
    hot = graph.cast(graph.add("Equal", number, np.arange(float(intervals))))
    start = graph.add("ReduceSum", graph.add("Mul", hot, grid[None, :, :-1]), last, keepdims=0)
    scale = graph.add("ReduceSum", graph.add("Mul", hot, 1 / np.diff(grid)[None]), last, keepdims=0)
    u = graph.add("Mul", graph.add("Sub", within, start), scale)
    beyond = graph.add("Mul", graph.add("Sub", x, within), scale)
    rows = graph.constant([-1, inputs * intervals], np.int64)
    terms, power = [], graph.add("Add", graph.add("Mul", u, 0.0), 1.0)
    for degree, weights in enumerate(polynomials(layer)):
        feature = power
        if degree:  # u^n + n u^(n-1) beyond
            slope = graph.add("Mul", graph.add("Mul", power, beyond), float(degree))
            power = graph.add("Mul", power, u)
            feature = graph.add("Add", power, slope)
        placed = graph.add("Mul", hot, graph.add("Unsqueeze", feature, last))
        terms.append(graph.add("MatMul", graph.add("Reshape", placed, rows), weights))
    return graph.total(terms)


def polynomials(layer: KANLayer) -> list[Any]:
    """The splines as polynomials of the way across each interval: by powers, [n_in * intervals, n_sub] each."""
    intervals = layer.grid.shape[1] - 1
    table = layer.table.cpu().double().expand(-1, layer.n_in, intervals, -1).numpy()  # [power, n_in, interval, k+1]
    coef = (layer.coef.detach() * layer.is_spline[..., None]).cpu().double().numpy()
    windows = np.lib.stride_tricks.sliding_window_view(coef, layer.k + 1, axis=2)  # [n_sub, n_in, interval, k+1]
    weights = np.einsum("pigr,sigr->pigs", table, windows)
    return list(weights.reshape(layer.k + 1, -1, layer.n_sub))


# ---- functions -----------------------------------------------------------------------------------------------------
