"""All that a search has reached and that its later decisions depend on, as a plain value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kanrun.discovery.beam import Beam
from kanrun.discovery.findings import Findings
from kanrun.discovery.trial import Discovered, Trial
from kanrun.model.network import KAN


@dataclass(frozen=True)
class Tried:
    """A network that a search has fitted: what it leaves unexplained of the variance, and when; or has then read.

    `within` says that it was for a part of the problem, whose variance is another one. What was read as a formula of
    the whole keeps its `trial`.
    """

    name: str
    unexplained: float
    seconds: float
    read: bool = False  # as a formula
    structure: str = ""
    structures: int = 1  # tried until then
    least: float = math.inf  # part of the variance that a network leaves unexplained until then
    within: bool = False
    trial: Trial | None = None


@dataclass
class SumsOfTerms:
    """The beams of sums of terms under all link functions, by the names of these, side by side."""

    beams: dict[str, Beam]
    level: int = 0  # terms that all of them have
    waiting: list[str] = field(default_factory=list)  # for their next term


@dataclass
class Doing:
    """The move in progress: its next turn, until when it may go on, and the networks that it has fitted so far."""

    turn: int = 0
    until: float = math.inf  # in the units of the budget
    coarse: list[Trial] = field(default_factory=list)
    sharp: list[Trial] = field(default_factory=list)


@dataclass
class SearchState:
    """A search between two turns of its moves: from this and its problem it goes on, whatever was before.

    `whole` and `end` are those of its budget, in its own units; `begun` has what was used before it, in seconds and
    units of work.
    """

    findings: Findings
    seed: int
    whole: float
    end: float
    begun: tuple[float, float]
    move: int = 0  # the next one of the schedule, or the one in progress
    doing: Doing = field(default_factory=Doing)
    reserve: list[Trial] = field(default_factory=list)  # networks that may yet be read
    leader: Trial | None = None  # the best network of the last structure, where it is promising
    divided: list[dict[int, float]] = field(default_factory=list)  # powers of inputs that were taken for factors
    joined: set[tuple[int, int]] = field(default_factory=set)  # pairs of inputs that were taken for one argument
    grouped: set[tuple[str, str]] = field(default_factory=set)  # links, and the groups of inputs tried under them
    sums: dict[bool, SumsOfTerms] = field(default_factory=dict)  # by whether functions have constants
    tried: list[Tried] = field(default_factory=list)
    looked_at: list[int] = field(default_factory=list)  # of many inputs those that tell something; empty: all
    failed: list[str] = field(default_factory=list)  # moves that have failed, a sentence each
    own: dict[str, object] = field(default_factory=dict)  # what moves from elsewhere keep, by names of their choice
    stopped: str = ""  # the name of the reason why it ended, and its sentence
    ended: str = ""
    seconds: float = 0.0  # that it took, and units of work
    work: float = 0.0
    result: Discovered | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it was cancelled before it had found anything: its result is no more than the mean."""
        return self.stopped == "cancelled" and self.findings.best is None

    @property
    def structures(self) -> int:
        """How many structures were tried, under whatever link functions."""
        return self.tried[-1].structures if self.tried else 0

    @property
    def networks(self) -> int:
        """How many networks were fitted."""
        return sum(not t.read for t in self.tried)

    def followed_by(self, other: SearchState) -> SearchState:
        """This search with another one for the same targets behind it: why that ended, and the better formula."""
        later = [replace(t, structures=t.structures + self.structures) for t in other.tried]
        both = replace(
            self, tried=self.tried + later, failed=self.failed + other.failed, stopped=other.stopped,
            ended=other.ended, seconds=self.seconds + other.seconds, work=self.work + other.work,
        )  # fmt: skip
        better = self.result and other.result and not other.is_empty and other.result.bits < self.result.bits
        return replace(both, result=other.result, looked_at=other.looked_at) if better else both

    def changed(self, change: Callable[[KAN], KAN]) -> SearchState:
        """The same with every network that was found or read changed, as long as it says the same."""
        tried = [
            t if t.trial is None else replace(t, trial=replace(t.trial, model=change(t.trial.model)))
            for t in self.tried
        ]  # fmt: skip
        return replace(self, tried=tried, result=None if self.result is None else self.result.changed(change))
