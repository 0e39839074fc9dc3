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
from kanrun.symbolic.fit import fit_edges
from kanrun.symbolic.formula import evaluate_all
from kanrun.symbolic.library import FUNCTIONS, Function
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


def find_relations(model: KAN, data: Dataset, groups: list[list[int]], functions: list[Function]) -> list[Relation]:
    """The equations of these groups of inputs that hold on the real training rows.

    Of two inputs one is a function of the other, which is fitted directly: every monotone function of both sides ties
    them as well, so the network's own two terms need not be the simplest. The terms of larger groups are those of the
    symbolic network.
    """
    real = real_rows(data)
    found = []
    for group in groups:
        sums = [pair_terms(group, data.inputs, real, functions)] if len(group) == 2 else []
        sums += [
            network_terms(model, g, data.inputs) for g in related_groups(model, real) if set(g.inputs) <= set(group)
        ]
        relations = [write_relation(terms, data.inputs, real) for terms in sums if terms is not None]
        holding = [r for r in relations if r.residual < HOLDS]
        if holding:
            found.append(min(holding, key=lambda r: (-len(r.inputs), r.residual > EXACT, len(r.equation))))
    return found


def pair_terms(pair: list[int], names: list[str], real: Tensor, functions: list[Function]) -> sp.Expr | None:
    """y - f(x) with the function that fits one input to the other best, None where none fits well."""
    both = [(pair[0], pair[1]), (pair[1], pair[0])]
    x, y = (torch.stack([real[:, way[side]] for way in both], dim=1) for side in (0, 1))
    best = [(c[0], way) for c, way in zip(fit_edges(x, y, functions), both, strict=True) if c]
    candidate, (i, j) = min(best, key=lambda b: b[0].score())
    if candidate.unexplained > HOLDS:
        return None
    fitted = edge_expression(candidate.function, candidate.a, candidate.b, candidate.c, symbol(names[i]))
    return symbol(names[j]) - fitted - number(candidate.d)


def network_terms(model: KAN, group: Group, names: list[str]) -> sp.Expr:
    """The sum over a group's edges in the first layer of a symbolic network."""
    layer, terms = model.layers[0], sp.Integer(0)
    for i in group.inputs:
        a, b, c = layer.affine[group.sub, i].tolist()
        terms += edge_expression(FUNCTIONS[layer.functions[group.sub, i]], a, b, c, symbol(names[i]))
    return terms


def related_inputs(model: KAN, real: Tensor) -> list[list[int]]:
    """The inputs that belong together, over all sums of the first layer."""
    merged: list[set[int]] = []
    for group in related_groups(model, real):
        touching = [m for m in merged if m & set(group.inputs)]
        merged = [m for m in merged if m not in touching] + [set(group.inputs).union(*touching)]
    return sorted(sorted(m) for m in merged)


def write_relation(terms: sp.Expr, names: list[str], real: Tensor) -> Relation:
    """The relation that these terms add up to a constant: the first with factor 1, nice numbers where they hold."""
    inputs = sorted((n.name for n in terms.free_symbols), key=names.index)
    _, terms = unit_lead(terms)
    terms = terms.as_coeff_Add()[1]

    def loss_of(trial: list[sp.Expr]) -> float:
        parts = evaluate_all([*sp.Add.make_args(trial[0])], real, names).numpy()
        total = parts.var(axis=0).sum()
        if len(trial[0].free_symbols) < len(inputs) or len(sp.Add.make_args(trial[0])) < 2 or not total > 0:
            return math.nan
        return float(parts.sum(axis=1).var() / total)

    left = snap([terms], loss_of, len(real), EXACT)[0]
    level = float(np.mean(evaluate_all([left], real, names).numpy()))
    right = number(level) if abs(level) > 1e-10 else sp.Integer(0)
    solutions = {}
    for name in inputs:
        solution = solve_for(left, right, symbol(name))
        if solution is not None:
            solutions[name] = str(shortest(solution))
    equation, short = f"{left} = {right}", f"{rounded(left)} = {rounded(right)}"
    return Relation(inputs, equation, short, solutions, loss_of([left]))


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
