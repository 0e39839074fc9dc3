"""The reasons why a search ends, each with its sentence; they are looked at between two moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kanrun.discovery.problem import Problem
from kanrun.discovery.state import SearchState


class Search(Protocol):
    """What the reasons look at in a search."""

    @property
    def problem(self) -> Problem: ...
    @property
    def state(self) -> SearchState: ...
    @property
    def of_work(self) -> bool: ...
    def over(self) -> bool: ...
    def cancelled(self) -> str | None: ...
    def stalls(self) -> bool: ...


@dataclass(frozen=True)
class Reason:
    """A reason to stop: its name in metrics.json, when it holds, and what is said of it."""

    name: str
    holds: Callable[[Search], bool]
    sentence: Callable[[Search], str]


def _says(text: str) -> Callable[[Search], str]:
    return lambda _: text


ALIKE = Reason("alike", lambda s: s.problem.alike, _says("all values are the same"))
EXACT = Reason("exact", lambda s: s.state.findings.closed, _says("a formula is exact to rounding"))
NOISE = Reason(
    "noise",
    lambda s: s.state.findings.explained and not s.state.findings.longest,
    _says("what the formula leaves looks like noise"),
)
CANCELLED = Reason("cancelled", lambda s: s.cancelled() is not None, lambda s: f"cancelled: {s.cancelled()}")
STALLED = Reason(
    "stalled", lambda s: s.stalls(), _says("several structures explain equally much, which is what noise leaves")
)
SECONDS = Reason("seconds", lambda s: not s.of_work and s.over(), lambda s: f"the {s.state.whole:g} s are over")
WORK = Reason("work", lambda s: s.of_work and s.over(), lambda s: f"the {s.state.whole:g} units of work are done")
UNDECIDED = Reason(
    "undecided",
    lambda s: s.state.findings.undecided,
    _says("a formula fits to rounding, and so do others: the data cannot decide"),
)
TRIED = Reason("tried", lambda _: True, _says("all structures were tried"))

REASONS = (ALIKE, EXACT, NOISE, CANCELLED, STALLED, SECONDS, WORK)  # the first one that holds counts


def reason_to_stop(search: Search) -> Reason | None:
    """Why nothing new should be begun, None where there is no reason."""
    return next((reason for reason in REASONS if reason.holds(search)), None)


def reason_of_end(search: Search) -> Reason:
    """Why a search has ended whose moves are all done or left out: a formula may be exact without being short."""
    found = reason_to_stop(search) or TRIED
    if found is ALIKE:
        return found
    if search.state.findings.exact:
        return EXACT
    return UNDECIDED if search.state.findings.undecided else found
