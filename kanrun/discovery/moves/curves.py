"""The curve of one input as a formula of its own: forms that science knows, begun from what the rows show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import sympy as sp
import torch

from kanrun.discovery.compose import bits_of
from kanrun.discovery.curve_fits import best_curves
from kanrun.discovery.expression_network import FUNCTIONS_OF, NoNetworkError, network_of_expression
from kanrun.discovery.moves.reading import keep_functions
from kanrun.discovery.search import Search
from kanrun.functions.curves import CURVES
from kanrun.functions.evaluate import Array
from kanrun.functions.parser import symbol
from kanrun.symbolic.compare import over_decades, relative_weights
from kanrun.symbolic.uncertainty import constants_of, polished

KEPT = 8  # curves that are kept
MUCH_WORSE = 30.0  # bits beyond those of the best one, with which a curve is not looked at any more
SCREENING, POLISHING = 25.0, 20.0  # units of work of a curve


@dataclass(frozen=True)
class Curves:
    """All curves of the only input."""

    name: ClassVar[str] = "curves of one input"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled", "noise"})

    def wanted(self, search: Search) -> bool:
        """Where there is one input that varies, and no width is given."""
        x = search.problem.x
        return search.problem.width is None and search.problem.n == 1 and bool((x != x[0]).any())

    def run(self, search: Search) -> bool:
        """Fits them, and keeps those that describe the rows shortest, by errors of one size or relative ones."""
        problem = search.problem
        x, y = (part[:, 0].double().cpu().numpy() for part in (problem.x, problem.y))
        given = None if problem.weights is None else np.sqrt(problem.weights.double().cpu().numpy())
        ways = [np.ones(len(y)) if given is None else given]
        if given is None and over_decades(y):
            ways.append(relative_weights(y))
        for weights in ways:
            keep_best(search, x, y, weights)
        return False


def keep_best(search: Search, x: Array, y: Array, weights: Array) -> None:
    """Keeps the curves that describe the rows shortest where errors count times `weights` [rows]."""
    problem, input_ = search.problem, symbol("x_1")
    library = {f.name: f for f in problem.functions}

    def known(shape: sp.Expr) -> bool:
        return all(FUNCTIONS_OF.get(f.func) in library for f in shape.atoms(sp.Function))

    search.context.spend(SCREENING * len(CURVES))
    found = best_curves(x, y, weights, known, input_)
    kept = 0
    for curve in found:
        if curve.bits > found[0].bits + MUCH_WORSE or kept == KEPT or search.state.findings.exact or search.over():
            break
        search.context.spend(POLISHING)
        expression = polished(curve.expression, {input_.name: x}, y, weights)
        try:
            network = network_of_expression(expression, [input_.name], library, problem.y)
        except NoNetworkError:
            continue
        with torch.no_grad():
            loss = problem.loss(network(problem.x))
        bits = bits_of(network, loss, len(constants_of(expression)), problem)
        keep_functions(search, f"curve: {curve.name}", network, loss, bits)
        kept += 1
