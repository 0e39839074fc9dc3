"""Solving an equation for one input, by undoing one function after the other."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

Fits = Callable[[sp.Expr, sp.Expr], bool]  # whether a node of the equation has these values on the data's rows

INVERSES = {sp.exp: sp.log, sp.log: sp.exp, sp.tanh: sp.atanh, sp.atanh: sp.tanh, sp.atan: sp.tan, sp.asin: sp.sin,
            sp.acos: sp.cos}  # fmt: skip


def solve_for(left: sp.Expr, right: sp.Expr, x: sp.Symbol, fits: Fits | None = None) -> sp.Expr | None:
    """x from `left = right` where x stands in one term whose function can be undone; None where it can't.

    Of the branches of an even power, a size, a sine, ... the one that `fits` is taken; without `fits` there is none.
    """
    terms = sp.Add.make_args(left)
    own = [t for t in terms if x in t.free_symbols]
    if len(own) != 1:
        return None
    node, value = own[0], right - sp.Add(*[t for t in terms if t is not own[0]])
    while node != x:
        undone = undo(node, value, x)
        if undone is None:
            return None
        node, branches = undone
        if len(branches) == 1:
            value = branches[0]
            continue
        fitting = (branch for branch in branches if fits is not None and fits(node, branch))
        chosen = next(fitting, None)
        if chosen is None:
            return None
        value = chosen
    bare = value if value.has(sp.sign) else value.replace(sp.Abs, lambda u: u)
    return bare if bare != value and fits is not None and fits(x, bare) else value


def undo(node: sp.Expr, value: sp.Expr, x: sp.Symbol) -> tuple[sp.Expr, list[sp.Expr]] | None:
    """The part of `node` with x in it, and what it can be where the node is `value`; None where that is not known."""
    if node.is_Add:
        inside = [t for t in node.args if x in t.free_symbols]
        if len(inside) != 1:
            return None
        return inside[0], [value - sp.Add(*[t for t in node.args if t is not inside[0]])]
    if node.is_Mul:
        factor, rest = node.as_independent(x, as_Add=False)
        if factor != 1:
            return rest, [divided_by(value, factor)]
        return signed_root(node, value)
    if node.is_Pow and x not in node.exp.free_symbols:
        power = node.exp
        if power.is_Integer and power % 2 == 0:
            root = value ** (1 / power)
            return node.base, [root, -root]
        if power.is_Integer:
            return node.base, [sp.sign(value) * sp.Abs(value) ** (1 / power)]
        return node.base, [value ** (1 / power)]
    if node.func in INVERSES:
        return node.args[0], [INVERSES[node.func](value)]
    if node.func in BRANCHES:
        return node.args[0], BRANCHES[node.func](value)
    return None


def divided_by(value: sp.Expr, factor: sp.Expr) -> sp.Expr:
    """`value / factor`, put into every term of a sum."""
    return sp.Add(*[term / factor for term in sp.Add.make_args(value)])


def signed_root(node: sp.Expr, value: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]] | None:
    """sign(u) * |u|^p undone."""
    signs = [f.args[0] for f in node.args if f.func == sp.sign]
    sizes = [f for f in node.args if f.is_Pow and f.base.func == sp.Abs]
    if len(node.args) != 2 or not signs or not sizes or sizes[0].base.args[0] != signs[0]:
        return None
    power = 1 / sizes[0].exp
    odd = power.is_Integer and power % 2 == 1
    return signs[0], [value**power if odd else sp.sign(value) * sp.Abs(value) ** power]


def sizes_removed(value: sp.Expr) -> list[sp.Expr]:
    """|u| may be what is left of a product: the value and its negative, with the sizes in it and without."""
    bare = value.replace(sp.Abs, lambda u: u)
    return [value, -value] if bare == value else [bare, -bare, value, -value]


BRANCHES: dict[type, Callable[[sp.Expr], list[sp.Expr]]] = {
    sp.Abs: sizes_removed,
    sp.sin: lambda v: [sp.asin(v), sp.pi - sp.asin(v), -sp.pi - sp.asin(v)],
    sp.cos: lambda v: [sp.acos(v), -sp.acos(v)],
    sp.tan: lambda v: [sp.atan(v), sp.atan(v) + sp.pi, sp.atan(v) - sp.pi],
}
