"""Reading networks of splines as formulas: what looks right at once, the rest at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from kanrun.data.losses import MSE
from kanrun.discovery.findings import STRUCTURED
from kanrun.discovery.links import LINK_NAMED, LINKS
from kanrun.discovery.search import ALIKE, Search
from kanrun.discovery.trial import Discovered, Trial, rows_only, with_link
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic, symbolify
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.pruning import prune_and_refit

SHARP = 1e-9  # unexplained part on fine grids that only the right structure reaches
READ_AT_ONCE = 1e-4  # unexplained part with which a network is read before others are looked at
LEAST = 1.0  # seconds that reading a network may take in any case
QUICK, READING = 0.04, 0.1  # part of the budget that one network may take to be read, at once and at the end
MOST_READ = 6  # networks that explain equally much and are read as formulas, where none explains all
EQUALLY = 1.2  # times as much as the least unexplained, which is as much
AS_GOOD = 2  # networks that are read where something else explains as much
BEFORE = 10  # steps of a network with its link function before it is read


def keep_functions(search: Search, name: str, network: KAN, loss: float, bits: float) -> None:
    """Adds a network that was made of functions at once, and tells of it as of those of splines."""
    search.fits.judged(Trial(name, False, LINKS[0].name, network, 0.0, 1.0, math.inf))
    search.keep(Discovered(network, network, Symbolic(network, loss, bits)))


def consider(search: Search, sharp: Trial) -> None:
    """Reads at once what explains nearly all: the right structure gives its formula away quickly."""
    findings, problem = search.state.findings, search.problem
    promising = sharp.unexplained < READ_AT_ONCE or (
        sharp.unexplained < STRUCTURED and search.leaves_noise(sharp.predicted(problem.y))
    )
    if not findings.settled and promising:
        read(search, sharp, READING if sharp.unexplained < SHARP else QUICK)
    if not findings.exact:
        search.state.reserve.append(sharp)


def read(search: Search, trial: Trial, part: float) -> None:
    """Turns a trial into a formula, in this part of the budget for pruning and as much for the functions."""
    problem = search.problem
    search.note(trial, read=True)
    spline = with_link(trial, problem.y)
    levenberg_marquardt(spline, problem.x, problem.y, MSE, BEFORE, context=search.context, weights=problem.weights)
    rows = rows_only(problem.x, problem.y, problem.weights)
    pruned = prune_and_refit(spline, rows, context=search.context.within(part, LEAST))
    symbolic = symbolify(
        pruned, problem.x, problem.y, MSE, problem.functions, enough=problem.exact,
        context=search.context.within(part, LEAST), weights=problem.weights,
    )  # fmt: skip
    search.keep(Discovered(spline, pruned, symbolic))


@dataclass(frozen=True)
class Reading:
    """Reads what did not look right, simplest among the best first, while there is time; one network a turn."""

    name: ClassVar[str] = "reading what is left"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled", "seconds", "work"})

    def wanted(self, search: Search) -> bool:
        """Where there is something to read."""
        return bool(search.state.reserve)

    def run(self, search: Search) -> bool:
        """Reads one of those that explain equally much."""
        state = search.state
        if state.findings.exact or (state.findings.all and search.over()):
            return False
        waiting = in_order(state.reserve)
        read(search, waiting[state.doing.turn], READING)
        return state.doing.turn + 1 < len(waiting)


def in_order(reserve: list[Trial]) -> list[Trial]:
    """Networks that explain about as much as the best one, the simplest first."""
    best_first = sorted(reserve, key=lambda t: t.unexplained)
    near = [t for t in best_first if t.unexplained < EQUALLY * best_first[0].unexplained]
    near.sort(key=lambda t: (t.structure != "sum", t.model.active_edges(), LINKS.index(LINK_NAMED[t.link_name])))
    return near[:MOST_READ] or best_first[:1]


@dataclass(frozen=True)
class AsGood:
    """Reads networks that explain as much as the formula that has explained all but noise; one a turn."""

    name: ClassVar[str] = "reading what is as good"
    despite: ClassVar[frozenset[str]] = frozenset({"noise"})

    def wanted(self, search: Search) -> bool:
        """Where something has explained all but noise."""
        findings = search.state.findings
        return search.problem.width is None and findings.explained and not findings.exact

    def run(self, search: Search) -> bool:
        """Reads the next one, simple ones first."""
        state, doing = search.state, search.state.doing
        if doing.turn == 0:
            best = state.findings.best
            assert best is not None
            enough = ALIKE * best.symbolic.loss / search.problem.variance
            alike = [t for t in state.reserve if t.unexplained < enough]
            doing.coarse = sorted(alike, key=lambda t: t.model.active_edges())[:AS_GOOD]
        if doing.turn < len(doing.coarse) and not search.over():
            read(search, doing.coarse[doing.turn], QUICK)
        return doing.turn + 1 < len(doing.coarse)
