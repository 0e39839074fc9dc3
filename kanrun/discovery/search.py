"""A search in progress: its problem, its state and its budget, what its moves share, and the loop over them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from torch import Tensor

from kanrun.context import Context, Meter, Silent, Unrecorded
from kanrun.discovery.findings import STRUCTURED, Findings
from kanrun.discovery.fits import PROMISING, Fits
from kanrun.discovery.problem import Problem
from kanrun.discovery.state import Doing, SearchState, Tried
from kanrun.discovery.stopping import reason_of_end, reason_to_stop
from kanrun.discovery.terms import Table
from kanrun.discovery.trial import Discovered, Trial
from kanrun.discovery.whiteness import work_of_test
from kanrun.errors import failure
from kanrun.model.protocol import without_gradient

log = logging.getLogger("kanrun")

T = TypeVar("T")

WRITING = 0.1  # part of the budget that is left for writing the formula
AGREEING, ALIKE = 4, 1.25  # structures that leave equally much unexplained, and little, before that is taken for noise


class Move(Protocol):
    """One thing that a search tries, in one or more turns; it keeps nothing but what is in the search's state.

    It is done `despite` the reasons to stop of these names.
    """

    @property
    def name(self) -> str: ...
    @property
    def despite(self) -> frozenset[str]: ...
    def wanted(self, search: Search) -> bool: ...
    def run(self, search: Search) -> bool:
        """Does the turn that the state names; gives whether there is another one."""
        ...


Outputs = Callable[[Tensor], Tensor]
Schedule = Callable[[Problem], Sequence[Move]]


@dataclass
class Search:
    """A search for the formula of a problem. `context` has the budget up to where writing begins.

    `tables` can be made again from the problem at any time.
    """

    problem: Problem
    state: SearchState
    context: Context
    schedule: Schedule
    tables: dict[bool, Table] = field(default_factory=dict)

    @classmethod
    def begun(cls, problem: Problem, seed: int, context: Context, schedule: Schedule) -> Search:
        """A search that begins, or goes on from the last landmark of the journal."""
        budget = context.budget
        state: SearchState | None = context.journal.begun()
        if state is None:
            used = budget.meter.seconds(), budget.meter.work
            state = SearchState(Findings.of(problem), seed, budget.whole, budget.end, used)
        budget = replace(budget, whole=state.whole, end=state.end).leaving(WRITING)
        return cls(problem, state, replace(context, budget=budget), schedule)

    # ---- the loop --------------------------------------------------------------------------------------------

    def run(self) -> SearchState:
        """Does the moves of the schedule in order, as far as there is no reason to stop; gives where that has led."""
        state, moves = self.state, self.schedule(self.problem)
        while state.move < len(moves):
            move = moves[state.move]
            if self.context.budget.now() >= state.findings.longest:
                state.findings.longest = 0.0
            if (state.doing.turn or self.begins(move)) and self.turn(move):
                state.doing.turn += 1
            else:
                state.move, state.doing = state.move + 1, Doing()
            self.context.journal.landmark(lambda: state, self.context.budget.meter)
        if state.result is None:
            self.end()
        return state

    def turn(self, move: Move) -> bool:
        """One turn of a move; gives whether there is another one. A move that fails costs nothing but itself."""
        try:
            return move.run(self)
        except OSError:  # of the journal, which ends the run
            raise
        except Exception as error:
            log.exception("the move %r of the search failed", move.name)
            self.state.failed.append(f"{move.name} failed ({failure(error)})")
            return False

    def begins(self, move: Move) -> bool:
        """Whether a move is to be done."""
        reason = reason_to_stop(self)
        return (reason is None or reason.name in move.despite) and move.wanted(self)

    def end(self) -> None:
        """Says in the state what was found, why it ended and what it took."""
        self.state.findings.longest = 0.0
        state, meter, reason = self.state, self.context.budget.meter, reason_of_end(self)
        state.stopped, state.ended = reason.name, reason.sentence(self)
        state.result = state.findings.result(self.problem, at_once=self.cancelled() is not None)
        seconds, work = state.begun
        state.seconds, state.work = meter.seconds() - seconds, meter.work - work

    # ---- what moves share ------------------------------------------------------------------------------------

    @property
    def of_work(self) -> bool:
        """Whether its budget is one of work."""
        return self.context.budget.of_work

    def over(self) -> bool:
        """Whether the budget is used up, or everything has to end."""
        return self.context.over()

    def cancelled(self) -> str | None:
        """Why everything has to end, None where it need not."""
        return self.context.budget.meter.cancelled()

    def stalls(self) -> bool:
        """Whether several structures explain equally much and no more, which noise alone leaves."""
        floor = min((t.unexplained for t in self.state.reserve), default=math.inf)
        alike = {t.structure for t in self.state.reserve if t.unexplained < ALIKE * floor}
        return floor < STRUCTURED and len(alike) >= AGREEING

    def leads(self, structure: str) -> bool:
        """Whether the best network of this structure, the last one fitted, is promising."""
        return self.state.leader is not None and self.state.leader.structure == structure

    def known(self, structure: str) -> Outputs | None:
        """The best network of a structure as a function of rows, or of no structure the best formula; if promising."""
        if structure:
            return self.state.leader.predicted(self.problem.y) if self.leads(structure) and self.state.leader else None
        best = self.state.findings.best
        promising = best is not None and best.symbolic.loss < PROMISING * self.problem.variance
        return without_gradient(best.symbolic.model) if best is not None and promising else None

    @property
    def fits(self) -> Fits:
        """The fits to the problem's rows."""
        return Fits(self.problem, self.context, self.note)

    def table(self, shaped: bool) -> Table:
        """All products of functions, with constants where they are `shaped`."""
        if shaped not in self.tables:
            functions = {f.name: f for f in self.problem.functions}
            self.tables[shaped] = Table(self.problem.x, functions, shaped, self.problem.scales)
        return self.tables[shaped]

    def keep(self, found: Discovered) -> None:
        """Adds a formula to what was found; a long one that leaves noise has shorter ones looked for as long again."""
        now = self.context.budget.now()
        longest = 2 * now - self.state.begun[self.of_work]
        self.state.findings.keep(found, self.problem, self.leaves_noise, self.context, longest)

    def leaves_noise(self, outputs: Callable[[Tensor], Tensor]) -> bool:
        """Whether what a function of rows leaves of the targets looks like noise."""
        self.context.spend(work_of_test(len(self.problem.x), self.problem.n + self.problem.joined.shape[1]))
        return self.problem.leaves_noise(outputs)

    def note(self, trial: Trial, read: bool = False) -> None:
        """Remembers a network that was fitted, or that is read as a formula, and tells of it."""
        seconds = self.context.budget.meter.seconds() - self.state.begun[0]
        tried = Tried(trial.name, trial.unexplained, seconds, read, trial.structure, trial=trial if read else None)
        self.remember(tried)

    def remember(self, tried: Tried) -> None:
        """Adds a network to those tried, with how far the search is by it."""
        before = self.state.tried
        known = any(t.structure == tried.structure for t in before)
        structures = self.state.structures + (not known)
        least = before[-1].least if before else math.inf
        if not tried.within:
            least = min(least, tried.unexplained)
        before.append(replace(tried, structures=structures, least=least))
        self.context.events.trial(before[-1])

    def within(self, problem: Problem, part: float) -> Search:
        """A search for a part of the problem, with so much of what is left of the budget.

        Its networks are told of as this one's; it has no landmarks of its own.
        """
        context = Context(self.context.budget.share(part), _Within(self), WithoutLandmarks(self.context.journal))
        return Search.begun(problem, self.state.seed, context, self.schedule)


@dataclass
class _Within(Silent):
    """Hears of the networks of a search within another one."""

    search: Search

    def trial(self, trial: Tried) -> None:
        """Tells of it as of one of the other search."""
        self.search.remember(replace(trial, within=True, trial=None))


@dataclass
class WithoutLandmarks(Unrecorded):
    """The journal of a search within something else, whose landmarks alone count."""

    journal: Unrecorded

    def once(self, compute: Callable[[], T], meter: Meter) -> T:
        """A piece of the other's work."""
        return self.journal.once(compute, meter)
