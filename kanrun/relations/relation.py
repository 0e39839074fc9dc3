"""Which inputs of a contrastive network belong together, and the equation that ties them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanrun.data.contrastive import read_relations
from kanrun.data.dataset import Dataset
from kanrun.data.formula import draw_inputs
from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula, symbol
from kanrun.model.network import KAN
from kanrun.relations.curves import residual_of, set_aside, smallest_tied
from kanrun.relations.fit import fit_terms
from kanrun.relations.solve import solve_for
from kanrun.symbolic.compare import AGREEMENT, POINTS, WIDER
from kanrun.symbolic.expression import number, rounded, unit_lead
from kanrun.symbolic.snap import EXACT, shortest, snap
from kanrun.symbolic.values import OWN_LENGTH, evaluate_all

SIGNIFICANT = 4.5  # standard errors of a correlation before two inputs count as related
NOTICEABLE = 1e-3  # part of the largest spread in a sum that an edge must have
DOMINANT = 0.05  # least correlation, however many rows there are
MOST_INPUTS = 50  # beyond so many a group is not completed
ON_ROWS = 0.8  # part of the rows on which a solution must be real


@dataclass(frozen=True)
class Relation:
    """sum_i phi_i(x_i) = constant over a group of inputs, and what follows from it for each input.

    `exact` says whether the dataset's own relations imply it and its solutions; None where they are not known.
    """

    inputs: list[str]
    equation: str
    rounded: str
    solutions: dict[str, str]
    residual: float  # variance of the sum over the real rows / summed variance of its terms
    exact: bool | None = None

    def lines(self) -> list[str]:
        """The equation and its solutions, rounded, for reading."""
        first = self.rounded + (" (exact)" if self.exact else "")
        solved = {name: parse_formula(s, self.inputs, "solution", OWN_LENGTH) for name, s in self.solutions.items()}
        return [first, *(f"  {name} = {rounded(solution)}" for name, solution in solved.items())]


@dataclass(frozen=True)
class Tie:
    """Inputs that the real rows tie, the curves whose sum is constant there [rows, inputs], and the equation if any."""

    inputs: list[int]
    curves: Tensor
    relation: Relation | None = None


def real_rows(data: Dataset) -> Tensor:
    """The training rows that are not shuffled."""
    return data.train.x[data.train.y[:, 0] > 0.5]


def related_groups(model: KAN, real: Tensor) -> list[tuple[int, ...]]:
    """Groups of inputs whose edges into one sum of the first layer vary together on the `real` rows.

    Inputs of one relation have correlated edge outputs there; inputs of different relations, and free ones, have not.
    Edges that hardly move the sum, compared with the largest, are left out.
    """
    layer, trace = model.layers[0], model.trace(real)[0]
    limit = max(SIGNIFICANT / math.sqrt(len(real)), DOMINANT)
    groups: dict[tuple[int, ...], None] = {}  # in the order in which they are met
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
                groups[tuple(sorted(alive[i] for i in group))] = None
    return list(groups)


def find_relations(data: Dataset, groups: list[list[int]], functions: list[Function]) -> list[Tie]:
    """What ties the inputs of these groups on the real training rows. A group may hold several independent relations.

    A group of which the network saw only a part is completed by the input that ties it best.
    """
    found: list[Tie] = []
    for group in groups:
        found += ties_within(data, group, functions, found)
    return found


def ties_within(data: Dataset, group: list[int], functions: list[Function], known: list[Tie]) -> list[Tie]:
    """What ties the inputs of a group, beside what is `known`."""
    real = real_rows(data).double().cpu()
    found: list[Tie] = []
    broken = inputs_aside(data, known)
    allowed = [i for i in range(real.shape[1]) if i not in broken]
    left = [i for i in group if i in allowed]
    tied = smallest_tied(real, left)
    if tied is None:
        left = completed(real, left, allowed)
        tied = smallest_tied(real, left)
    while tied is not None and len(found) < len(left):
        inputs, curves = tied
        terms = fit_terms(real[:, inputs], curves.values, functions)
        if terms is None:
            found.append(Tie(inputs, curves.values))
        else:
            expression = terms.expression([symbol(data.inputs[i]) for i in inputs])
            found.append(Tie(inputs, terms.values(real[:, inputs]), write_relation(expression, data, real)))
        broken = set_aside(real, [(t.inputs, t.curves) for t in [*known, *found]], left)
        tied = smallest_tied(real, [i for i in left if i not in broken])
    return found


def inputs_aside(data: Dataset, known: list[Tie]) -> list[int]:
    """One input of everything known: shuffled, it leaves what is not known yet."""
    real = real_rows(data).double().cpu()
    return set_aside(real, [(t.inputs, t.curves) for t in known], range(real.shape[1]))


def completed(real: Tensor, group: list[int], allowed: list[int]) -> list[int]:
    """The group with the one input more that ties it best; the group where none does or too many would be tried."""
    if len(allowed) > MOST_INPUTS or not group:
        return group
    trials = {i: smallest_tied(real, [*group, i]) for i in allowed if i not in group}
    tied = {i: t[1].residual for i, t in trials.items() if t is not None and set(group) & set(t[0])}
    return sorted([*group, min(tied, key=tied.__getitem__)]) if tied else group


def write_relation(terms: sp.Expr, data: Dataset, real: Tensor) -> Relation:
    """The relation that these terms add up to a constant: the first with factor 1, nice numbers where they hold."""
    names = data.inputs
    inputs = sorted((n.name for n in terms.free_symbols), key=names.index)
    _, terms = unit_lead(terms)
    terms = terms.as_coeff_Add()[1]

    def loss_of(trial: list[sp.Expr]) -> float:
        parts = evaluate_all([*sp.Add.make_args(trial[0])], real, names)
        if len(trial[0].free_symbols) < len(inputs) or parts.shape[1] < 2:
            return math.nan
        return residual_of(parts)

    left = snap([terms], loss_of, len(real), EXACT, ones=True)[0]
    residual = loss_of([left])
    level = float(np.mean(evaluate_all([left], real, names).numpy()))
    right = next(iter(snap([number(level)], lambda trial: abs(float(trial[0]) - level), len(real), 1e-10)))
    if residual >= EXACT:
        right = number(level) if abs(level) > 1e-10 else sp.Integer(0)

    def fits(node: sp.Expr, value: sp.Expr) -> bool:
        there, here = evaluate_all([node, value], real, names).T
        finite = torch.isfinite(here)
        if float(finite.double().mean()) < ON_ROWS:
            return False
        allowed = min(1e-4 + 30 * math.sqrt(residual), 0.1) * float(there.max() - there.min())
        rows = 1.0 if residual < EXACT else 0.95  # with noise a few rows near a turning point miss by more
        return float((there - here)[finite].abs().quantile(rows)) <= allowed

    solutions = {}
    for name in inputs:
        solution = solve_for(left, right, symbol(name), fits)
        if solution is not None:
            solutions[name] = shortest(solution)
    return Relation(
        inputs, f"{left} = {right}", f"{rounded(left)} = {rounded(right)}",
        {name: str(solution) for name, solution in solutions.items()}, residual,
        is_implied(left - right, solutions, data),
    )  # fmt: skip


def is_implied(zero: sp.Expr, solutions: dict[str, sp.Expr], data: Dataset) -> bool | None:
    """Whether `zero` is zero where the dataset's relations hold, and not elsewhere, and whether the solutions are true.

    On fresh rows: the equation to 1e-9 over 1.5 times the domain, the solutions over the domain, where a branch of a
    sine or a square was chosen by the rows. None where the relations are not known.
    """
    if not data.relations:
        return None
    truths = read_relations(data.relations, data.inputs)
    draw = np.random.default_rng(12345)
    terms = [*sp.Add.make_args(zero)]
    for factor in (1.0, WIDER):
        wide = [((1 + factor) / 2 * l + (1 - factor) / 2 * h, (1 - factor) / 2 * l + (1 + factor) / 2 * h)
                for l, h in data.domain]  # fmt: skip
        x = draw_inputs(draw, wide, POINTS)
        columns = {name: x[:, i] for i, name in enumerate(data.inputs)}
        for name, (formula, _) in truths.items():
            columns[name] = evaluate(formula, columns)
        parts = np.stack([evaluate(t, columns) for t in terms])
        finite = np.isfinite(np.stack([*columns.values(), *parts])).all(0)
        size = np.abs(parts[:, finite]).max(0, initial=1e-300)
        if finite.mean() < 0.1 or float(np.abs(parts[:, finite].sum(0) / size).max()) > AGREEMENT:
            return False
        if factor == 1.0:
            mixed = {name: draw.permutation(column) for name, column in columns.items()}
            if float(np.nanmedian(np.abs(evaluate(zero, mixed)))) < AGREEMENT:
                return False
            if not all(agree(evaluate(s, columns), columns[name]) for name, s in solutions.items()):
                return False
    return True


def agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether a solution gives the input's values. A root near zero has few digits left, so few rows may not."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    if both.mean() < ON_ROWS:
        return False
    return float(np.quantile(np.abs(ours[both] - theirs[both]), 0.95)) <= 1e-8 * float(np.std(theirs[both]))


def related_inputs(model: KAN, real: Tensor) -> list[list[int]]:
    """The inputs that belong together, over all sums of the first layer."""
    return merged(related_groups(model, real))


def merged(groups: Iterable[Iterable[int]]) -> list[list[int]]:
    """Groups that share inputs as one."""
    apart: list[set[int]] = []
    for group in groups:
        touching = [m for m in apart if m & set(group)]
        apart = [m for m in apart if m not in touching] + [set(group).union(*touching)]
    return sorted(sorted(m) for m in apart)
