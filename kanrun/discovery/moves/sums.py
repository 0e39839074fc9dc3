"""Sums of products of functions, one more term at a time, under all link functions side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from kanrun.context import Context
from kanrun.discovery.beam import Beam, TermSearch
from kanrun.discovery.compose import finished_network
from kanrun.discovery.links import SUM_LINKS
from kanrun.discovery.moves.reading import keep_functions
from kanrun.discovery.search import Search
from kanrun.discovery.state import SumsOfTerms

BEFORE_POLYNOMIALS = 2  # terms that are tried before polynomials: a square of a sum is shorter than its terms


@dataclass(frozen=True)
class Sums:
    """Sums of up to so many `terms`, in this `part` of the budget; functions have constants where they are `shaped`.

    A turn is one more term under one link function.
    """

    shaped: bool
    terms: int
    part: float
    despite: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        """What it tries."""
        return f"sums of up to {self.terms} terms{' with constants' if self.shaped else ''}"

    def wanted(self, search: Search) -> bool:
        """Where no width is given."""
        return search.problem.width is None

    def ends(self, search: Search) -> bool:
        """Whether what was found is enough."""
        return search.state.findings.settled

    def run(self, search: Search) -> bool:
        """One more term under the next link function; a sum that is shorter than those before is a formula."""
        state = search.state
        if state.doing.turn == 0:
            state.doing.until = search.context.within(self.part).budget.end
        context = replace(search.context, budget=replace(search.context.budget, end=state.doing.until))
        if context.over():
            return False
        if self.shaped not in state.sums:
            state.sums[self.shaped] = begun(search, self.shaped)
        sums = state.sums[self.shaped]
        if sums.level >= self.terms or self.ends(search):
            return False
        if sums.waiting and not self.grow(search, sums, context):
            return False
        if not sums.waiting:
            sums.level, sums.waiting = sums.level + 1, list(sums.beams)
        return not search.state.findings.exact

    def grow(self, search: Search, sums: SumsOfTerms, context: Context) -> bool:
        """One more term under the link function that waits for it; whether that is done and the others may follow."""
        beam = sums.beams[sums.waiting[0]]
        terms = of_beam(search, self.shaped, beam, context)
        if not terms.grow(beam):
            return False
        sums.waiting.pop(0)
        if sums.level + 1 == BEFORE_POLYNOMIALS and not self.shaped and not beam.exact:
            terms.whole_polynomial(beam)
        if beam.best and (beam.exact or beam.shortest is beam.best[-1]):
            take(search, self.shaped, beam)
        return not search.state.findings.exact


@dataclass(frozen=True)
class SimplerSums(Sums):
    """Sums that may be simpler than what has explained all but noise."""

    despite: ClassVar[frozenset[str]] = frozenset({"noise"})

    def wanted(self, search: Search) -> bool:
        """Where something has explained all but noise."""
        findings = search.state.findings
        return search.problem.width is None and findings.explained and not findings.exact

    def ends(self, search: Search) -> bool:  # noqa: ARG002
        """Never: of several formulas the shortest is taken."""
        return False


def begun(search: Search, shaped: bool) -> SumsOfTerms:
    """The beams of all link functions that the targets can be undone by."""
    search.context.spend(search.table(shaped).making)
    beams = {}
    y, weights = search.problem.y, search.problem.weights
    # Where rows have weights it is said how large errors are: not relative to the targets.
    for link in (link for link in SUM_LINKS if link.allows(y) and not (link.relative and weights is not None)):
        terms = TermSearch.of(search.table(shaped), y, link, search.context, weights)
        if terms:
            beams[link.name] = terms.begun(link)
    return SumsOfTerms(beams, waiting=list(beams))


def of_beam(search: Search, shaped: bool, beam: Beam, context: Context) -> TermSearch:
    """What a beam is held against."""
    problem = search.problem
    terms = TermSearch.of(search.table(shaped), problem.y, beam.link, context, problem.weights)
    assert terms is not None
    return terms


def take(search: Search, shaped: bool, beam: Beam) -> None:
    """The shortest sum of a beam as a formula."""
    found = finished_network(beam.shortest.sum, search.table(shaped), beam.link, search.problem, search.context)
    keep_functions(search, "sum of terms", *found)
