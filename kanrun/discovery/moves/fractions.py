"""One sum of terms divided by another, where that is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kanrun.data.losses import MSE
from kanrun.discovery.compose import bits_of, network_of
from kanrun.discovery.fractions import find_fraction
from kanrun.discovery.links import LINKS
from kanrun.discovery.moves.reading import keep_functions
from kanrun.discovery.search import Search
from kanrun.training.least_squares import levenberg_marquardt

STEPS = 20


@dataclass(frozen=True)
class Fractions:
    """Fractions of sums of terms, in this `part` of the budget."""

    part: float
    name: ClassVar[str] = "fractions"
    despite: ClassVar[frozenset[str]] = frozenset()

    def wanted(self, search: Search) -> bool:
        """Where there are sums whose terms it can take."""
        return search.problem.width is None and False in search.state.sums

    def run(self, search: Search) -> bool:
        """Looks for the shortest one."""
        problem, table, context = search.problem, search.table(False), search.context.within(self.part)
        y = problem.y
        found = find_fraction(table, y[:, 0], context)
        if found:
            network = network_of(found, table.arguments, problem.n, table.functions, LINKS[0], y)
            loss = levenberg_marquardt(
                network, problem.x, y, MSE, STEPS, context=search.context, weights=problem.weights
            ).loss
            constants = sum(len(each.terms) for each in found)
            keep_functions(search, "fraction", network, loss, bits_of(network, loss, constants, problem))
        return False
