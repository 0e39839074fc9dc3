"""What a formula says of an edge: `sin(pi*x_1)` where the network has the cosine of something shifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import sympy as sp

from kanrun.data.dataset import Dataset
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.naming import as_shown
from kanrun.functions.parser import symbol
from kanrun.model.network import KAN
from kanrun.report.network_edges import Edge, some_rows
from kanrun.symbolic.expression import complexity, edge_expression, number, rounded, scaled
from kanrun.symbolic.snap import TINY, nice_numbers
from kanrun.symbolic.values import columns_of

MAX_ROWS, MAX_PARTS = 200, 300  # rows that edges and parts of formulas are compared on, and such parts
ALIKE = 1e-3  # part of the variance by which an edge may differ from what the formula says of it
STRAIGHT = 1e-9
LARGEST = 12  # denominator of a simple number
LONGEST_NAME = 12  # of an input in such a label; x stands for a longer one


def edge_labels(model: KAN, data: Dataset, formulas: Sequence[sp.Expr], edges: Iterable[Edge]) -> dict[
    tuple[int, int, int], list[str]
]:  # fmt: skip
    """Ways to write the function of each edge that has one, the most telling first.

    On the rows it is the part of a formula that the edge's values are, but for a factor and a constant; where there is
    none, what the network has, with simple numbers where its own are near.
    """
    x = some_rows(model, data.train.x)[:MAX_ROWS]
    traces, columns = model.trace(x), columns_of(x, data.inputs)
    parts = [(part, values_of(part, columns)) for part in parts_of(formulas)]
    labels = {}
    for edge in edges:
        if not edge.function:
            continue
        values = traces[edge.layer].edges[:, edge.sub, edge.input].double().cpu().numpy()
        given = traces[edge.layer].inputs[:, edge.input].double().cpu().numpy()
        name = data.inputs[edge.input] if edge.layer == 0 else None
        found = matching(parts, values, given, name)
        labels[edge.key] = written(model, edge, found, name, data.names)
    return labels


def parts_of(formulas: Sequence[sp.Expr]) -> list[sp.Expr]:
    """The parts of formulas that have inputs, the shortest first."""
    found = {part for formula in formulas for part in sp.preorder_traversal(formula) if part.free_symbols}
    return sorted(found, key=lambda part: (complexity(part), str(part)))[:MAX_PARTS]


def values_of(part: sp.Expr, columns: Mapping[str, Array]) -> Array:
    """Its values on the rows."""
    return np.asarray(evaluate(part, columns), dtype=float)


def explained(values: Array, by: Array) -> float:
    """The part of the variance of `values` that a line in `by` explains; 0 where one of them is not finite."""
    if not (np.isfinite(values).all() and np.isfinite(by).all()) or len(values) < 2:
        return 0.0
    a, b = values - values.mean(), by - by.mean()
    size = float(a @ a) * float(b @ b)
    return float(a @ b) ** 2 / size if size > 0 else 0.0


def matching(
    parts: Sequence[tuple[sp.Expr, Array]], values: Array, given: Array, name: str | None
) -> sp.Expr | None:  # fmt: skip
    """The shortest part that an edge's `values` follow; one of its own input alone in the first layer."""
    straight = explained(values, given) > 1 - STRAIGHT
    if straight and name is None:
        return None
    for part, own in parts:
        if name is not None and {s.name for s in part.free_symbols} != {name}:
            continue
        if (explained(own, given) > 1 - STRAIGHT) == straight and explained(values, own) > 1 - ALIKE:
            return part
    return None


def written(
    model: KAN, edge: Edge, found: sp.Expr | None, name: str | None, names: Mapping[str, str]
) -> list[str]:  # fmt: skip
    """The part of a formula that an edge is, or what the network has, as a label and as shorter ones."""
    layer = model.layers[edge.layer]
    function = layer.library[edge.function]
    if name is None:
        short = edge.function if found is None else head_of(found, edge.function)
        return ["linear"] if edge.function == "x" else [f"{short}(·)" if short.isidentifier() else short, short]
    a, b, c = layer.affine[edge.sub, edge.input].tolist()
    shift, scale = (float(v[edge.input]) for v in (model.shift, model.scale))
    given = scaled(symbol(name) - number(shift), number(1 / scale))
    if edge.function not in FUNCTIONS and edge.function.isidentifier():  # the user's own: its name says more
        found = sp.Function(edge.function)(simply(scaled(given, number(a)) + number(b)))
    elif found is None:
        found = plainly(edge_expression(function, a, b, c, given))
    called = " ".join(names.get(name, name).split())
    own = {name: called if len(called) <= LONGEST_NAME else "x"}
    return list(dict.fromkeys([as_shown(rounded(found, 3), own), head_of(found, edge.function)]))


def plainly(expression: sp.Expr) -> sp.Expr:
    """Without the factor and the constant around it, and with simple numbers where its decimals are near."""
    return simply(expression.as_coeff_Add()[1].as_coeff_Mul()[1]).as_coeff_Add()[1].as_coeff_Mul()[1]


def simply(expression: sp.Expr) -> sp.Expr:
    """With simple numbers where its decimals are near."""

    def near(value: float) -> sp.Expr:
        nice = (n for n in nice_numbers(value, True) if not n.is_Rational or n.q <= LARGEST)
        return sp.Integer(0) if abs(value) < TINY else next(nice, number(value))

    return expression.xreplace({f: near(float(f)) for f in expression.atoms(sp.Float)})


def head_of(expression: sp.Expr, otherwise: str) -> str:
    """The name of the function that an expression is: sin, x^2."""
    if expression.is_Function:
        return str(expression.func.__name__).lower()
    if expression.is_Pow and expression.exp.is_number:
        return f"x^{rounded(expression.exp, 3)}"
    return otherwise
