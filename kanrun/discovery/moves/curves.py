"""The curve of one input as a formula of its own: forms that science knows, begun from what the rows show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import sympy as sp

from kanrun.context import Context
from kanrun.discovery.curve_fits import Found, fits_of_curves, found_of, power_laws
from kanrun.discovery.curve_sums import sums_of_curves
from kanrun.discovery.expression_network import FUNCTIONS_OF
from kanrun.discovery.moves.expressions import keep_expression
from kanrun.discovery.screening import telling_alone
from kanrun.discovery.search import Search
from kanrun.discovery.stopping import reason_to_stop
from kanrun.functions.algebra import rewritten
from kanrun.functions.curves import X
from kanrun.functions.evaluate import Array
from kanrun.symbolic.compare import over_decades, relative_weights
from kanrun.symbolic.polishing import polished
from kanrun.symbolic.textbook import as_in_textbooks

KEPT = 8  # curves that are kept
MUCH_WORSE = 30.0  # bits beyond those of the best one, with which a curve is not looked at any more
POLISHING = 20.0  # units of work of a curve
MOST_INPUTS = 6  # each of which is looked at on its own


@dataclass(frozen=True)
class Curves:
    """All curves of each input, and powers of all inputs together, in a part of what is left of the budget.

    Of several inputs the one that tells all `alone`, where there is one; or else the others.
    """

    part: float
    alone: bool = False
    name: ClassVar[str] = "curves of one input"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled", "noise"})

    def wanted(self, search: Search) -> bool:
        """Where there are not many inputs, one varies, and no width is given."""
        x = search.problem.x
        if search.problem.width is not None or search.problem.n > MOST_INPUTS or not bool((x != x[0]).any()):
            return False
        return not self.alone or input_alone(search) is not None

    def run(self, search: Search) -> bool:
        """Fits them, and keeps those that describe the rows shortest, by errors of one size or relative ones."""
        problem = search.problem
        (columns, y), alone = problem.arrays, input_alone(search)
        own = [name for i, name in enumerate(columns) if alone is None or (i == alone) is self.alone]
        ways = [problem.factors]
        if problem.weights is None and over_decades(y):
            ways.append(relative_weights(y))
        context = search.context.within(self.part)
        for weights in ways:
            keep_best(search, own, weights, context, powers=not self.alone)
        return False


def input_alone(search: Search) -> int | None:
    """Of several inputs the one beside which the others say next to nothing."""
    (columns, y), factors = search.problem.arrays, search.problem.factors
    return telling_alone(np.stack(list(columns.values()), axis=1), y, factors) if len(columns) > 1 else None


def keep_best(search: Search, inputs: Sequence[str], weights: Array, context: Context, powers: bool) -> None:
    """Keeps the curves of these inputs that describe the rows shortest where errors count times `weights` [rows].

    And `powers` of all inputs, where they are asked for.
    """
    (columns, y), known = search.problem.arrays, known_to(search)
    found = power_laws(columns, y, weights) if powers and len(columns) > 1 and known(sp.log(X)) else []
    fits = {}
    for name in inputs:
        if np.ptp(columns[name]) > 0:
            fits[name] = fits_of_curves(columns[name], y, weights, known, context)
            found += found_of(fits[name], columns, name, y, weights)
    keep(search, found, weights)
    if len(columns) == len(fits) == 1 and reason_to_stop(search) is None:
        [(name, of_one)] = fits.items()
        if longer := sums_of_curves(of_one, columns[name], y, weights, known, context):
            keep(search, found_of(longer, columns, name, y, weights), weights)


def keep(search: Search, found: Sequence[Found], weights: Array) -> None:
    """Keeps the curves that describe the rows shortest, with their constants at their best."""
    columns, y = search.problem.arrays
    best, kept = min((c.bits for c in found), default=0.0), 0
    for curve in sorted(found, key=lambda c: c.bits):
        if curve.bits > best + MUCH_WORSE or kept == KEPT or search.state.findings.exact or search.over():
            break
        search.context.spend(POLISHING)
        # In one wave and one power no constant stands twice, which would be two in a network.
        expression = rewritten(as_in_textbooks, polished(curve.expression, columns, y, weights))
        kept += keep_expression(search, f"curve: {curve.name}", expression)


def known_to(search: Search) -> Callable[[sp.Expr], bool]:
    """Whether the functions of a shape are all in the library of a search."""
    library = {f.name for f in search.problem.functions}
    return lambda shape: all(FUNCTIONS_OF.get(f.func) in library for f in shape.atoms(sp.Function))
