"""One structure of splines under all link functions."""

from __future__ import annotations

from dataclasses import dataclass

from kanrun.discovery.fits import PROMISING
from kanrun.discovery.links import LINKS, Link
from kanrun.discovery.moves.reading import SHARP, consider
from kanrun.discovery.screening import FEW
from kanrun.discovery.search import Search
from kanrun.discovery.structures import Structure

ROUGH = 5e-2  # what is promising where splines follow splines, which take finer grids to show what they can
AT_ONCE = 3  # link functions of one structure that are looked at more closely
SEEDS_APART = 100_000  # between two rounds of restarts


@dataclass(frozen=True)
class Splines:
    """Fits a structure under every link function; sharpens the most promising and reads those that are sharp.

    A turn is one link function, then all that are sharpened, then each of these. A later `round` begins from other
    random numbers.
    """

    structure: Structure
    round: int = 0
    despite: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What it tries."""
        return f"splines: {self.structure.name}{f', round {self.round + 1}' if self.round else ''}"

    def wanted(self, search: Search) -> bool:
        """Restarts are for where nothing is exact."""
        return not self.round or not search.state.findings.exact

    def run(self, search: Search) -> bool:
        """The next link function, or what comes after the last of them."""
        doing = search.state.doing
        after = doing.turn - len(LINKS)
        if after < 0:
            self.fit(search, LINKS[doing.turn])
        elif after == 0:
            self.sharpen(search)
        else:
            consider(search, doing.sharp[after - 1])
        if after < 0 or after < len(doing.sharp):
            return True
        self.reserve(search)
        return False

    def fit(self, search: Search, link: Link) -> None:
        """Fits it under one link function; one that ends in a function of its own choice needs no other."""
        state, structure = search.state, self.structure
        if (structure.plain and link is not LINKS[0]) or not link.allows(search.problem.y):
            return
        if (search.over() or self.is_beyond_rows(search)) and (state.findings.all or state.reserve):
            return
        fitted = search.fits.coarse(structure, link, state.seed + SEEDS_APART * self.round)
        state.doing.coarse += fitted[: AT_ONCE if structure.plain else 1]

    def is_beyond_rows(self, search: Search) -> bool:
        """Whether the structure has more parameters than rows, because of many inputs: it would say anything."""
        problem = search.problem
        return problem.n > FEW and self.structure.build(0).parameter_count() > len(problem.x)

    def sharpen(self, search: Search) -> None:
        """Puts the most promising ones on finer grids."""
        state, doing = search.state, search.state.doing
        doing.coarse.sort(key=lambda t: t.unexplained)
        for trial in doing.coarse[:AT_ONCE]:
            if trial.unexplained > (ROUGH if self.structure.plain else PROMISING) or search.over():
                break
            doing.sharp.append(search.fits.sharpened(trial))
        # Among those that explain all, the link function that comes first is the simplest.
        doing.sharp.sort(key=lambda t: (max(t.unexplained, SHARP), LINKS.index(t.link)))
        state.leader = next((t for t in doing.sharp[:1] if t.unexplained < PROMISING), None)

    def reserve(self, search: Search) -> None:
        """Keeps the best of those that were not sharpened; if time was up before any was, whatever it is."""
        state, doing = search.state, search.state.doing
        cut = not (doing.sharp or state.reserve)
        state.reserve += [t for t in doing.coarse if t.unexplained > PROMISING or cut][:1]
