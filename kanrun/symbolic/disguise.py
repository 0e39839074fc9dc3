"""Functions that undo each other on the rows, and so are only another way to write what is inside them."""

from __future__ import annotations

import numpy as np
import sympy as sp

from kanrun.functions.evaluate import Array, evaluate

# outer function, inner function: the outer one of the inner one of z is z, at least somewhere
UNDOING = (
    (sp.atan, sp.tan), (sp.asin, sp.sin), (sp.acos, sp.cos), (sp.atanh, sp.tanh), (sp.log, sp.exp),
    (sp.tan, sp.atan), (sp.sin, sp.asin), (sp.cos, sp.acos), (sp.tanh, sp.atanh), (sp.exp, sp.log),
)  # fmt: skip


def undone(expression: sp.Expr, columns: dict[str, Array]) -> sp.Expr:
    """The expression without pairs of functions that undo each other, and without Abs of what has one sign on the rows.

    The first may differ from the expression, as atan(tan(z)) does from z beyond a quarter of a turn.
    """
    for outer, inner in UNDOING:
        expression = expression.replace(
            lambda e, o=outer, i=inner: isinstance(e, o) and isinstance(e.args[0], i), lambda e: e.args[0].args[0]
        )
    expression = expression.replace(lambda e: isinstance(e, sp.exp), root_of_ratio)
    return expression.replace(sp.Abs, lambda inside: signed(inside, columns))


def root_of_ratio(exponential: sp.Expr) -> sp.Expr:
    """exp(c*atanh(z)) as ((1 + z)/(1 - z))**(c/2)."""
    factor, rest = exponential.args[0].as_coeff_Mul()
    return ((1 + rest.args[0]) / (1 - rest.args[0])) ** (factor / 2) if isinstance(rest, sp.atanh) else exponential


def signed(inside: sp.Expr, columns: dict[str, Array]) -> sp.Expr:
    """Abs of an expression, without Abs where it never changes its sign on the rows."""
    values = evaluate(inside, columns)
    if bool(np.all(values >= 0)):
        return inside
    return sp.Add(*[-term for term in sp.Add.make_args(inside)]) if bool(np.all(values <= 0)) else sp.Abs(inside)
