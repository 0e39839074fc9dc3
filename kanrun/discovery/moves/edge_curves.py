"""The edges of a network that is a sum or a product of functions of single inputs as curves that science knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import sympy as sp
import torch

from kanrun.context import Context
from kanrun.discovery.curve_fits import Found, best_curves, described
from kanrun.discovery.findings import STRUCTURED
from kanrun.discovery.moves.curves import POLISHING, known_to
from kanrun.discovery.moves.expressions import keep_expression
from kanrun.discovery.search import Search
from kanrun.discovery.trial import Trial
from kanrun.functions.algebra import rewritten
from kanrun.functions.evaluate import Array
from kanrun.symbolic.constants import MOST, constants_of
from kanrun.symbolic.expression import number
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.textbook import as_in_textbooks

SUM = "sum"  # the structure whose edges are looked at
LOOKED_AT, CURVES = 2, 3  # networks that are, under different link functions, and curves of an edge that are tried
AS_MUCH = 3.0  # times what the best formula leaves that a network may leave which is looked at
KEPT, MUCH_WORSE = 3, 20.0  # sums that are kept, and bits beyond those of the best one with which none is
OUTER: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "x": lambda e: e, "exp": sp.exp, "1/x": lambda e: 1 / e, "sqrt": sp.sqrt, "x^2": lambda e: e**2,
    "1/sqrt(x)": lambda e: 1 / sp.sqrt(e), "1/x^2": lambda e: e**-2, "tanh": sp.tanh, "log": sp.log,
}  # fmt: skip


@dataclass(frozen=True)
class EdgeCurves:
    """Backfitting: of each input in turn the curves for what the edges of the others leave of the targets.

    With that the inner functions under a link function are found as well, and under the exponential the factors of a
    product (Hastie and Tibshirani 1990, Generalized Additive Models, sec. 4.3 and 6.3). A turn is one network, in this
    part of what is left of the budget.
    """

    part: float
    name: ClassVar[str] = "curves of edges"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled", "noise"})

    def wanted(self, search: Search) -> bool:
        """Where a sum of functions under a link function explains nearly all, and no width is given."""
        return search.problem.width is None and bool(additive(search))

    def run(self, search: Search) -> bool:
        """Looks at the next network."""
        trials, turn = additive(search), search.state.doing.turn
        if turn >= len(trials):  # since the first turn a formula is known that leaves far less than these
            return False
        keep_sums(search, trials[turn], search.context.within(self.part))
        return turn + 1 < len(trials) and not search.state.findings.exact


def additive(search: Search) -> list[Trial]:
    """The best networks that are sums of functions, one of each link function."""
    best, one_input = search.state.findings.best, search.problem.n == 1  # whose curves another move looks at
    enough = STRUCTURED if best is None else min(STRUCTURED, AS_MUCH * best.symbolic.loss / search.problem.variance)
    met = sorted((t for t in search.state.reserve if t.structure == SUM), key=lambda t: -t.unexplained)
    of_links = {t.link_name: t for t in met if t.unexplained < enough and t.link_name in OUTER}
    trials = [t for t in of_links.values() if not (one_input and t.link_name == "x")]
    return sorted(trials, key=lambda t: t.unexplained)[:LOOKED_AT]


def keep_sums(search: Search, trial: Trial, context: Context) -> None:
    """Keeps the sums of curves under the trial's link function, or their products, that describe the rows shortest."""
    problem = search.problem
    columns, y = problem.arrays
    choices = list(curves_of_edges(search, trial, context))
    if not choices or not all(choices):
        return
    c, d = trial.link.constants(problem.y)
    found = list[Found]()
    for chosen in combinations(choices):
        if search.over():  # the curves alone may have used up this move's part
            break
        search.context.spend(POLISHING)
        parts = [curve.expression for curve in chosen]
        whole = c * (sp.Mul(*parts) if of_factors(trial) else OUTER[trial.link.function](sp.Add(*parts)))
        whole = number(d) + whole if d else whole
        if len(constants_of(whole)) <= MOST:
            name = ", ".join(curve.name for curve in chosen)
            found += described([(name, polished(whole, columns, y, problem.factors))], columns, y, problem.factors)
    found.sort(key=lambda one: one.bits)
    for one in found[:KEPT]:
        if one.bits < found[0].bits + MUCH_WORSE and not search.over():
            keep_expression(search, f"curve: {one.name}", rewritten(as_in_textbooks, one.expression))


def of_factors(trial: Trial) -> bool:
    """Whether the edges of a network are logarithms of factors."""
    return trial.link.function == "exp"


def curves_of_edges(search: Search, trial: Trial, context: Context) -> Iterator[list[Found]]:
    """For each input that has a say the best curves, of different forms, of what the others leave of the targets.

    In the unit of the targets without their link function, or as factors; errors count as they show in the targets.
    """
    problem = search.problem
    columns, _ = problem.arrays
    z, there = trial.link.undone(problem.y)
    with torch.no_grad():
        outputs = trial.model(problem.x) * trial.scale + trial.mean
        slopes = trial.link.slope(outputs, problem.y)[:, 0].double().cpu().numpy()
    own = np.where(there[:, 0].cpu().numpy() & np.isfinite(slopes), np.abs(slopes), 0.0) * problem.factors
    if not own.any():
        return
    own /= own.max()
    rest = np.where(own > 0, (z - outputs)[:, 0].double().cpu().numpy(), 0.0)
    alive = [i for i in range(problem.n) if trial.model.layers[0].alive[:, i].any()]
    level = float(np.average(outputs[:, 0].double().cpu().numpy(), weights=own**2))
    for place, i in enumerate(alive):
        name, share = f"x_{i + 1}", context.within(1 / (len(alive) - place))
        edge = edge_values(search, trial, i)
        edge = edge - np.average(edge, weights=own**2) + level * (place == 0)
        values, counted = edge + rest, own
        if of_factors(trial):
            values, counted = np.exp(values), own / np.exp(edge)
        yield different(best_curves({name: columns[name]}, name, values, counted, known_to(search), share))


def edge_values(search: Search, trial: Trial, i: int) -> Array:
    """What input i adds to the network [rows], where the others stay at their means."""
    x = search.problem.x
    moved = x.mean(0, keepdim=True).repeat(len(x), 1)
    moved[:, i] = x[:, i]
    with torch.no_grad():
        values: Array = (trial.model(moved) * trial.scale)[:, 0].double().cpu().numpy()
    return values


def different(found: Sequence[Found]) -> list[Found]:
    """The best ones of a list in order, each kind once."""
    first = {one.name: one for one in reversed(found)}
    return sorted(first.values(), key=lambda one: one.bits)[:CURVES]


def combinations(choices: Sequence[Sequence[Found]]) -> Iterator[list[Found]]:
    """The best of each, and with one of them another at a time."""
    best = [options[0] for options in choices]
    yield best
    for k, options in enumerate(choices):
        for other in options[1:]:
            yield [*best[:k], other, *best[k + 1 :]]
