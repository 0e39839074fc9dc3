"""What a search tries, in order: cheap and simple things first, and what is left at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kanrun.discovery.moves.composites import Composites
from kanrun.discovery.moves.curves import MOST_INPUTS, Curves
from kanrun.discovery.moves.dimensionless import Dimensionless
from kanrun.discovery.moves.edge_curves import EdgeCurves
from kanrun.discovery.moves.factors import Factors, of_leader, of_targets
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.groups import Groups
from kanrun.discovery.moves.reading import AsGood, Reading
from kanrun.discovery.moves.splines import Splines
from kanrun.discovery.moves.straight import Straight
from kanrun.discovery.moves.sums import SimplerSums, Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Move
from kanrun.discovery.structures import Structure, structures

MANY = 9  # structures after which longer sums are worth their time
ROUNDS = 3  # of further restarts of what may be stuck, where nothing is exact and no noise is seen

USED_UP = frozenset({"cancelled", "seconds", "work"})
UNLESS_CANCELLED = frozenset({"noise", "stalled", "seconds", "work"})

Moves = Callable[[Problem], Sequence[Move]]
REGISTERED: list[tuple[Moves, str]] = []


def register(moves: Moves, before: str = Reading.name) -> None:
    """Puts more moves into all searches: before the first one of this name, or at the end where there is none."""
    REGISTERED.append((moves, before))


def schedule(problem: Problem) -> list[Move]:
    """The moves for a problem, with those that were registered."""
    first, *others = structures(problem.n, problem.x.dtype, problem.width)
    moves: list[Move] = [
        *([Straight()] if problem.n > MOST_INPUTS else []),  # which soon ends a search where it leaves noise
        Sums(shaped=False, terms=2, part=0.1),
        Curves(part=0.3, alone=problem.n > 1),
        Splines(first, despite=USED_UP),  # so that there is something to read
        *([Dimensionless(part=0.25)] if problem.measured and problem.measured.known else []),
        Factors("factors of the targets", of_targets), *divided(first),
        Sums(shaped=False, terms=3, part=0.1),
        Sums(shaped=True, terms=2, part=0.15),
        Fractions(part=0.1),
        Composites(),
        EdgeCurves(part=0.15),
        *([Curves(part=0.3)] if problem.n > 1 else []),  # of each input: more work than what may be enough
        *(move for structure in others[:MANY] for move in (Splines(structure), *divided(structure))),
        *([Sums(shaped=False, terms=6, part=0.15), Sums(shaped=True, terms=4, part=0.2)] if others[MANY:] else []),
        *(move for structure in others[MANY:] for move in (Splines(structure), *divided(structure))),
        *(Splines(s, number) for number in range(1, ROUNDS + 1) for s in (first, *others) if s.plain),
        SimplerSums(shaped=False, terms=2, part=0.1),
        SimplerSums(shaped=True, terms=1, part=0.1),
        *([Straight(despite=UNLESS_CANCELLED)] if 1 < problem.n <= MOST_INPUTS else []),
        AsGood(),
        Reading(),
    ]  # fmt: skip
    for more, before in REGISTERED:
        names = [move.name for move in moves]
        at = names.index(before) if before in names else len(moves)
        moves[at:at] = more(problem)
    return moves


def divided(structure: Structure) -> list[Move]:
    """What the best network of a structure is looked at for, if it is promising."""
    name = structure.name
    return [Factors(f"factors: {name}", of_leader, name), Composites(name), Groups(name)]
