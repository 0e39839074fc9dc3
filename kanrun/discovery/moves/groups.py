"""Divide and conquer: sums over groups of inputs that do not interact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kanrun.discovery.fits import PROMISING
from kanrun.discovery.interaction import interacting, without
from kanrun.discovery.links import LINKS, Link
from kanrun.discovery.moves.reading import EQUALLY, consider
from kanrun.discovery.search import Search
from kanrun.discovery.structures import KINDS, grouped
from kanrun.discovery.trial import Trial
from kanrun.model.protocol import work_of_pass

INTERACTS = 1e-4  # mean square of a mixed difference, of targets with variance 1, that counts
SMALLEST = 3  # inputs, of which some may be put together


@dataclass(frozen=True)
class Groups:
    """Sums over groups of inputs as the best network of a structure shows them; one link function a turn."""

    structure: str
    name: ClassVar[str] = "groups of inputs"
    despite: ClassVar[frozenset[str]] = frozenset({"stalled"})

    def wanted(self, search: Search) -> bool:
        """Where that network is promising, and no width is given."""
        return search.problem.width is None and search.problem.n >= SMALLEST and search.leads(self.structure)

    def run(self, search: Search) -> bool:
        """The groups under the next link function."""
        state = search.state
        assert state.leader
        link = LINKS[state.doing.turn]
        if state.findings.settled or search.over():
            return False
        if link.allows(search.problem.y):
            self.look(search, link, state.leader)
        return state.doing.turn + 1 < len(LINKS)

    def look(self, search: Search, link: Link, leader: Trial) -> None:
        """Fits sums over the groups under one link function, where there are several that it has not looked at."""
        problem, state = search.problem, search.state
        threshold = max(INTERACTS, 30 * leader.unexplained)
        passes = 1 + problem.n * (problem.n + 1) // 2
        search.context.spend(passes * work_of_pass(leader.model, len(problem.x)))
        groups = interacting(without(link, leader.predicted(problem.y)), problem.x, threshold)
        if len(groups) == 1 or (link.name, str(groups)) in state.grouped:
            return
        state.grouped.add((link.name, str(groups)))
        for kind in KINDS if any(len(g) > 1 for g in groups) else KINDS[:1]:
            found = search.fits.coarse(grouped(problem.n, groups, problem.x.dtype, kind), link, state.seed)[:1]
            if found and found[0].unexplained < PROMISING and not state.findings.settled and not search.over():
                sharp = search.fits.sharpened(found[0])
                if EQUALLY * sharp.unexplained < leader.unexplained:
                    consider(search, sharp)
                else:  # no more than is known: where that is noise, everything would be read, and nothing else be tried
                    state.reserve.append(sharp)
