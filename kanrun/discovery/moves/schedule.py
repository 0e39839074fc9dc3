"""What a search tries, in order: cheap and simple things first, and what is left at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kanrun.discovery.moves.factors import Factors, of_leader, of_targets
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.groups import Groups
from kanrun.discovery.moves.reading import AsGood, Reading
from kanrun.discovery.moves.splines import Splines
from kanrun.discovery.moves.sums import SimplerSums, Sums
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Move
from kanrun.discovery.structures import structures

MANY = 9  # structures after which longer sums are worth their time
ROUNDS = 3  # of further restarts of what may be stuck, where nothing is exact and no noise is seen

Placed = tuple[str, bool, Callable[[Problem], Sequence[Move]]]  # a move's name, whether before it, and what
REGISTERED: list[Placed] = []


def schedule(problem: Problem) -> list[Move]:
    """The moves for a problem. What is registered comes beside the moves of its choice."""
    first, *others = structures(problem.n, problem.x.dtype, problem.width)
    apart: list[Move] = [Factors("factors of a network", of_leader, True), Groups()]
    moves: list[Move] = [
        Sums(shaped=False, terms=2, part=0.1),
        Splines(first),
        Factors("factors of the targets", of_targets), *apart,
        Sums(shaped=False, terms=3, part=0.1),
        Sums(shaped=True, terms=2, part=0.15),
        Fractions(part=0.1),
        *(move for structure in others[:MANY] for move in (Splines(structure), *apart)),
        *([Sums(shaped=False, terms=6, part=0.15), Sums(shaped=True, terms=4, part=0.2)] if others[MANY:] else []),
        *(move for structure in others[MANY:] for move in (Splines(structure), *apart)),
        *(Splines(s, number) for number in range(1, ROUNDS + 1) for s in (first, *others) if s.plain),
        SimplerSums(shaped=False, terms=2, part=0.1),
        SimplerSums(shaped=True, terms=1, part=0.1),
        AsGood(),
        Reading(),
    ]  # fmt: skip
    return with_registered(moves, problem)
