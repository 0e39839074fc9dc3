"""A search for the network as a run sees it: how far it is while it goes on, and why it ended."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from kanrun.config.schema import Config
from kanrun.data.dataset import Dataset
from kanrun.discovery.discover import Discovery
from kanrun.discovery.trial import Discovered, Trial
from kanrun.errors import counted
from kanrun.functions.builtin import Function
from kanrun.model.protocol import without_gradient
from kanrun.training.history import Record

log = logging.getLogger("kanrun")


@dataclass(frozen=True)
class Tried:
    """A network that a search has fitted: what it leaves unexplained of the variance, and when; or has then read."""

    name: str
    unexplained: float
    seconds: float
    read: bool = False  # as a formula


@dataclass
class Watched:
    """A search, the networks it has fitted so far, and a row of history for each that it read as a formula."""

    search: Discovery
    data: Dataset
    tell: Callable[[int, float, float], None]
    begin: float = field(default_factory=time.perf_counter)
    tried: list[Tried] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of the structures tried
    least: float = math.inf  # part of the variance that a network leaves unexplained
    seconds: float = 0.0  # that it took

    @classmethod
    def of(
        cls, config: Config, data: Dataset, functions: list[Function], tell: Callable[[int, float, float], None]
    ) -> Watched | None:
        """The search that the config asks for, None where it asks for none.

        `tell` is called for every network that is fitted or read, with the number of structures, the least that one of
        their networks leaves unexplained, and the seconds so far.
        """
        search = Discovery.of(config, data, functions, lambda trial: watched.note_read(trial))
        if search is None:
            return None
        watched = cls(search, data, tell)
        search.fits.on_fit = lambda trial: watched.note(trial, read=False)
        return watched

    @property
    def structures(self) -> int:
        """How many structures were tried, under whatever last functions."""
        return len(self.names)

    def run(self) -> Discovered:
        """The networks of the best formula; run again it gives the same.

        Where a formula was put together from those of its parts, no network of splines has ever had all of it: the
        network of its functions stands for it.
        """
        found = self.search.run()
        self.seconds = self.seconds or time.perf_counter() - self.begin
        if not self.history:  # nothing had to be read
            self.history.append(self.record(without_gradient(found.symbolic.model), 0.0, self.seconds, 0))
        if found.spline is found.pruned:
            return Discovered(found.symbolic.model, found.symbolic.model, found.symbolic)
        return found

    def over(self) -> bool:
        """Whether all of its time is over, what is for writing the formula too."""
        return time.perf_counter() > self.search.end

    def note(self, trial: Trial, read: bool) -> None:
        """Remembers a network."""
        name = f"{trial.structure.name} under {trial.link.name}"
        self.tried.append(Tried(name, trial.unexplained, time.perf_counter() - self.begin, read))
        self.names.add(trial.structure.name)
        self.least = min(self.least, trial.unexplained)
        self.tell(self.structures, self.least, self.tried[-1].seconds)

    def note_read(self, trial: Trial) -> None:
        """Remembers that a network is read, with its losses as a row of the history."""
        self.note(trial, read=True)
        held = trial.unexplained * self.search.variance
        self.history.append(
            self.record(self.search.fits.predicted(trial), held, self.tried[-1].seconds, trial.model.grid)
        )
        log.info("trial %d: %s leaves %.3g unexplained", len(self.history) - 1, self.tried[-1].name, trial.unexplained)

    def record(self, outputs: Callable[[Tensor], Tensor], held: float, seconds: float, grid: int) -> Record:
        """A row of the history for a network with these outputs."""
        train, test = (float(((outputs(r.x) - r.y) ** 2).mean()) for r in (self.data.train, self.data.test))
        return Record("train", 0, train, test, 0.0, seconds, held, grid, attempt=len(self.history))

    def reason(self) -> str:
        """Why it ended."""
        search = self.search
        if search.findings.alike:
            return "all values are the same"
        if search.findings.exact:
            return "a formula is exact to rounding"
        if search.findings.explained:
            return "what the formula leaves looks like noise"
        if search.stalls():
            return "several structures explain equally much, which is what noise leaves"
        return f"the {search.seconds:g} s are over" if search.over() else "all structures were tried"

    def summary(self) -> dict[str, float | int | str]:
        """What metrics.json says about it."""
        networks = sum(not t.read for t in self.tried)
        return {"structures": self.structures, "networks": networks, "seconds": self.seconds, "ended": self.reason()}

    def sentence(self) -> str:
        """What the console says about it."""
        networks = counted(sum(not t.read for t in self.tried), "network")
        return f"{self.reason()} ({counted(self.structures, 'structure')}, {networks}, {self.seconds:.1f} s)"
