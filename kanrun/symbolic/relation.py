"""Which inputs of a contrastive network belong together, and the equation that ties them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.dataset import Dataset
from kanrun.model.network import KAN
from kanrun.symbolic.expression import edge_expression, number, rounded, scaled, unit_lead
from kanrun.symbolic.formula import evaluate_all
from kanrun.symbolic.library import FUNCTIONS
from kanrun.symbolic.parser import symbol
from kanrun.symbolic.snap import EXACT, shortest, snap

SIGNIFICANT = 4.5  # standard errors of a correlation before two inputs count as related
HOLDS = 1e-3  # most residual (see Relation) of an equation that is worth writing down
NOTICEABLE = 1e-3  # part of the largest spread in a sum that an edge must have
DOMINANT = 0.05  # least correlation, however many rows there are


@dataclass(frozen=True)
class Group:
    """Inputs that belong together by what the network does with the real rows: subnode and input numbers."""

    sub: int
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Relation:
    """sum_i phi_i(x_i) = constant over a group of inputs, and what follows from it for each input."""

    inputs: list[str]
    equation: str
    rounded: str
    solutions: dict[str, str]
    residual: float  # variance of the sum over the real rows / summed variance of its terms


def real_rows(data: Dataset) -> Tensor:
    """The training rows that are not shuffled."""
    return data.train.x[data.train.y[:, 0] > 0.5]


def related_groups(model: KAN, real: Tensor) -> list[Group]:
    """Groups of inputs whose edges into one sum of the first layer vary together on the `real` rows.

    Inputs of one relation have correlated edge outputs there; inputs of different relations, and free ones, have not.
    Edges that hardly move the sum, compared with the largest, are left out.
    """
    layer, trace = model.layers[0], model.trace(real)[0]
    limit = max(SIGNIFICANT / math.sqrt(len(real)), DOMINANT)
    groups: dict[tuple[int, ...], Group] = {}
    for sub in range(layer.n_sub):
        alive = layer.alive[sub].nonzero().flatten().tolist()
        spread = trace.edges[:, sub].std(0, correction=0)
        alive = [i for i in alive if float(spread[i]) > NOTICEABLE * float(spread.max())]
        if len(alive) < 2:
            continue
        correlation = torch.corrcoef(trace.edges[:, sub, alive].T).abs()
        waiting = set(range(len(alive)))
        while waiting:
            group, edge = set(), {min(waiting)}
            while edge:
                group |= edge
                waiting -= edge
                edge = {j for j in waiting if any(float(correlation[i, j]) > limit for i in group)}
            if len(group) > 1:
                inputs = tuple(sorted(alive[i] for i in group))
                groups.setdefault(inputs, Group(sub, inputs))
    return list(groups.values())


def find_relations(model: KAN, data: Dataset) -> list[Relation]:
    """The equations of the groups of related inputs in a symbolic network that hold on the real training rows."""
    real = real_rows(data)
    found = [write_relation(model, group, data.inputs, real) for group in related_groups(model, real)]
    return [relation for relation in found if relation.residual < HOLDS]


def related_inputs(model: KAN, real: Tensor) -> list[list[int]]:
    """The inputs that belong together, over all sums of the first layer."""
    merged: list[set[int]] = []
    for group in related_groups(model, real):
        touching = [m for m in merged if m & set(group.inputs)]
        merged = [m for m in merged if m not in touching] + [set(group.inputs).union(*touching)]
    return sorted(sorted(m) for m in merged)


def write_relation(model: KAN, group: Group, names: list[str], real: Tensor) -> Relation:
    """The relation of one group: its terms, the first one with factor 1, and the constant that they add up to."""
    layer = model.layers[0]
    terms = sp.Integer(0)
    for i in group.inputs:
        a, b, c = layer.affine[group.sub, i].tolist()
        terms += edge_expression(FUNCTIONS[layer.functions[group.sub, i]], a, b, c, symbol(names[i]))
    _, terms = unit_lead(terms)
    terms = terms.as_coeff_Add()[1]

    def loss_of(trial: list[sp.Expr]) -> float:
        parts = evaluate_all([*sp.Add.make_args(trial[0])], real, names).numpy()
        total = parts.var(axis=0).sum()
        if len(sp.Add.make_args(trial[0])) < len(group.inputs) or not total > 0:
            return math.nan
        return float(parts.sum(axis=1).var() / total)

    left = snap([terms], loss_of, len(real), EXACT)[0]
    level = float(np.mean(evaluate_all([left], real, names).numpy()))
    right = number(level) if abs(level) > 1e-10 else sp.Integer(0)
    equation = f"{left} = {right}"
    short = f"{rounded(left)} = {rounded(right)}"
    solutions = {}
    for i in group.inputs:
        solution = solve_for(left, right, symbol(names[i]))
        if solution is not None:
            solutions[names[i]] = str(shortest(solution))
    return Relation([names[i] for i in group.inputs], equation, short, solutions, loss_of([left]))


INVERSES = {sp.exp: sp.log, sp.log: sp.exp, sp.tanh: sp.atanh, sp.atanh: sp.tanh, sp.atan: sp.tan, sp.asin: sp.sin,
            sp.acos: sp.cos}  # fmt: skip


def solve_for(left: sp.Expr, right: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """x from `left = right` where x stands in one term whose function can be undone; None where it can't."""
    terms = sp.Add.make_args(left)
    own = [t for t in terms if x in t.free_symbols]
    if len(own) != 1:
        return None
    node, value = own[0], right - sp.Add(*[t for t in terms if t is not own[0]])
    while node != x:
        if node.is_Add:
            inside = [t for t in node.args if x in t.free_symbols]
            if len(inside) != 1:
                return None
            node, value = inside[0], value - sp.Add(*[t for t in node.args if t is not inside[0]])
        elif node.is_Mul:
            factor, node = node.as_independent(x, as_Add=False)
            value = scaled(value, 1 / factor)
        elif node.is_Pow and x not in node.exp.free_symbols:
            power = node.exp
            if power.is_Integer and power % 2 == 0:
                return None
            if power.is_Integer:
                value = sp.sign(value) * sp.Abs(value) ** (1 / power)
            else:
                value = value ** (1 / power)
            node = node.base
        elif node.func in INVERSES:
            node, value = node.args[0], INVERSES[node.func](value)
        else:
            return None
    return value
