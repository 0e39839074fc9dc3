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
from kanrun.functions.parser import symbol
from kanrun.symbolic.uncertainty import constants_of

KEPT = 5  # curves whose constants are polished on all rows
MUCH_WORSE = 100.0  # times what the best one leaves, with which a curve is not looked at any more
SCREENING, POLISHING = 25.0, 30.0  # units of work of a curve


@dataclass(frozen=True)
class Curves:
    """All curves of the only input."""

    name: ClassVar[str] = "curves of one input"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled"})

    def wanted(self, search: Search) -> bool:
        """Where there is one input that varies, and no width is given."""
        x = search.problem.x
        return search.problem.width is None and search.problem.n == 1 and bool((x != x[0]).any())

    def run(self, search: Search) -> bool:
        """Fits them, and keeps the best ones."""
        problem = search.problem
        x, y = (part[:, 0].double().cpu().numpy() for part in (problem.x, problem.y))
        weights = np.ones(len(y)) if problem.weights is None else np.sqrt(problem.weights.double().cpu().numpy())
        library = {f.name: f for f in problem.functions}

        def known(shape: sp.Expr) -> bool:
            return all(FUNCTIONS_OF.get(f.func) in library for f in shape.atoms(sp.Function))

        search.context.spend(SCREENING * len(CURVES))
        found = best_curves(x, y, weights, known)
        names = set[str]()
        for curve in found:
            if curve.unexplained > MUCH_WORSE * max(found[0].unexplained, 1e-12) or len(names) == KEPT:
                break
            if curve.curve.name in names:
                continue
            names.add(curve.curve.name)
            search.context.spend(POLISHING)
            expression = curve.expression(x, y, weights, symbol("x_1"))
            if expression is None:
                continue
            try:
                network = network_of_expression(expression, ["x_1"], library, problem.y)
            except NoNetworkError:
                continue
            with torch.no_grad():
                loss = problem.loss(network(problem.x))
            bits = bits_of(network, loss, len(constants_of(expression)), problem)
            keep_functions(search, f"curve: {curve.curve.name}", network, loss, bits)
            if search.state.findings.exact or search.over():
                break
        return False
