"""What a piece of work is given beside its data: how much it may use, whom it tells, and what it has done before."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Over = Callable[[], bool]

PER_SECOND = 1000.0  # units of work in about a second of one core of a machine of 2026
GRAIN = 2.0**-10  # work is counted in whole numbers of these, so that sums do not depend on the order of adding


def never() -> bool:
    """No limit."""
    return False


def not_cancelled() -> str | None:
    """Nobody wants the work to end."""
    return None


class Meter:
    """What has been used so far: work, in units that are the same on any machine, and seconds.

    `used` seconds, `cpu_used` and `work` come from before, where work goes on that was interrupted. `cancelled` gives
    the reason why everything has to end now, None as long as there is none.
    """

    def __init__(
        self, used: float = 0.0, cpu_used: float = 0.0, work: float = 0.0,
        cancelled: Callable[[], str | None] = not_cancelled,
    ) -> None:  # fmt: skip
        self.begin, self.cpu_begin = time.perf_counter() - used, time.process_time() - cpu_used
        self.work = work
        self.cancelled = cancelled

    def seconds(self) -> float:
        """Seconds since the work began, without those in which it was interrupted."""
        return time.perf_counter() - self.begin

    def cpu_seconds(self) -> float:
        """The same of this process on the processor."""
        return time.process_time() - self.cpu_begin


@dataclass(frozen=True)
class Budget:
    """How much of `meter` may be used: until `end`, of `whole`, both in seconds or in units of work.

    A budget of work never looks at a clock, so that what it allows is the same on any machine.
    """

    meter: Meter
    end: float = math.inf
    whole: float = math.inf
    of_work: bool = False

    @classmethod
    def of(cls, meter: Meter, seconds: float = math.inf, work: float | None = None) -> Budget:
        """So much work, or so many seconds where no work is named, since the meter began."""
        whole = seconds if work is None else work
        return cls(meter, whole, whole, of_work=work is not None)

    def now(self) -> float:
        """What has been used of it, in its own units."""
        return self.meter.work if self.of_work else self.meter.seconds()

    def left(self) -> float:
        """What may still be used."""
        return self.end - self.now()

    def over(self) -> bool:
        """Whether it is used up, or everything has to end."""
        return self.meter.cancelled() is not None or self.now() > self.end

    def of_seconds(self, seconds: float) -> float:
        """What so many seconds are in its own units."""
        return PER_SECOND * seconds if self.of_work else seconds

    def within(self, part: float, least: float = 0.0) -> Budget:
        """The same up to this part of the whole from now, or `least` seconds, and not beyond its end."""
        return replace(self, end=min(self.end, self.now() + max(part * self.whole, self.of_seconds(least))))

    def leaving(self, part: float) -> Budget:
        """The same but for this part of the whole at its end, which is left for something else."""
        return replace(self, end=self.end - part * self.whole) if math.isfinite(self.whole) else self

    def share(self, part: float) -> Budget:
        """This part of what is left as a whole of its own."""
        whole = part * self.left()
        return replace(self, end=self.now() + whole, whole=whole)


class Events(Protocol):
    """What is told while the work goes on; what it has reached is kept in its state."""

    def stage_began(self, name: str) -> None: ...
    def step(self, record: Any, steps: int) -> None: ...
    def trial(self, trial: Any) -> None: ...
    def allowed(self, budget: Budget) -> None: ...
    def note(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def stage_ended(self, entry: Any) -> None: ...
    def ended(self, result: Any, folder: Path) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Hears all events and does nothing with them: what a listener is that cares for a few of them."""

    def stage_began(self, name: str) -> None:
        """A stage begins."""

    def step(self, record: Any, steps: int) -> None:
        """A training step, of about `steps`, was taken; `record` is its row of the history."""

    def trial(self, trial: Any) -> None:
        """A search has fitted one more network, or read one as a formula."""

    def allowed(self, budget: Budget) -> None:
        """From here on the stage may use so much, which can be asked how much of it is left."""

    def note(self, text: str) -> None:
        """Something worth knowing about the stage."""

    def warning(self, text: str) -> None:
        """Something went wrong and was mended, or needs the user's attention."""

    def stage_ended(self, entry: Any) -> None:
        """A stage is over; `entry` is what metrics.json says of it."""

    def ended(self, result: Any, folder: Path) -> None:
        """The run is over, or was interrupted, and what it has reached is written in its folder."""

    def close(self) -> None:
        """Nothing more is told, however the run has ended."""


@dataclass(frozen=True)
class Entry:
    """A finished piece of work, how deep within others it was done, and the units of work that it took."""

    value: Any
    depth: int
    work: float


class Unrecorded:
    """The journal of work that nobody will take up again: it keeps nothing."""

    def once(self, compute: Callable[[], T], meter: Meter) -> T:  # noqa: ARG002
        """What `compute` gives."""
        return compute()

    def unfinished(self) -> Any:
        """Nothing was begun before."""
        return None

    def progress(self, partial: Callable[[], Any], last: bool = False) -> None:
        """The piece in progress is at a point from which it could go on."""

    def begun(self) -> Any:
        """The state at the last landmark: none was passed."""
        return None

    def landmark(self, base: Callable[[], Any], meter: Meter) -> None:
        """A point from which the work could go on."""


@dataclass
class Journal(Unrecorded):
    """The finished pieces of the work in progress, in order.

    Work that goes on after an interruption is done again from `base`, the state at its last landmark, and takes from
    the journal what was finished since then: so it makes the same decisions, and soon gets to where it was.
    `partial` gives the state of the piece that is not finished. `save` is called when there is something new to keep
    and it is `due`. `freeze` turns a value into one that never changes, which is what is kept; `thaw` turns it back.
    """

    save: Callable[[], None]
    due: Over
    freeze: Callable[[Any], Any]
    thaw: Callable[[Any], Any]
    base: Any = None
    entries: list[Entry] = field(default_factory=list)
    unfinished_piece: Any = None  # its state as it was saved
    work: float = 0.0  # spent up to the landmark

    def __post_init__(self) -> None:
        self.position = self.depth = 0
        self.partial: Callable[[], Any] | None = None
        self.saved = False  # since the last landmark
        self.closed = False  # a piece was cut short: what comes after it must not be kept

    def begun(self) -> Any:
        """The state at the last landmark, None where none was passed."""
        return None if self.base is None else self.thaw(self.base)

    def once(self, compute: Callable[[], T], meter: Meter) -> T:
        """What `compute` gives, or gave before the interruption. It must be a value that can be saved.

        Pieces within a piece are kept until that is finished.
        """
        if self.position < len(self.entries) and self.entries[self.position].depth == self.depth:
            entry = self.entries[self.position]
            self.position += 1
            meter.work += entry.work
            known: T = self.thaw(entry.value)
            return known
        start, work = self.position, meter.work
        self.depth += 1
        try:
            value = compute()
        finally:
            self.depth -= 1
        if meter.cancelled() is not None:
            self.closed = True
        if not self.closed:
            self.entries[start:] = [Entry(self.freeze(value), self.depth, meter.work - work)]
            self.position, self.partial, self.unfinished_piece = start + 1, None, None
            self.keep()
        return value

    def unfinished(self) -> Any:
        """The state of the piece that was interrupted, None where the next piece has not been begun."""
        if self.position < len(self.entries):
            return None
        piece, self.unfinished_piece = self.unfinished_piece, None
        return piece

    def progress(self, partial: Callable[[], Any], last: bool = False) -> None:
        """The piece in progress is whole and unharmed, and `partial` gives its state; `last` where it goes no further.

        What `partial` gives may change afterwards: it is asked for only now.
        """
        if self.closed:
            return
        self.partial, self.closed = partial, last
        if last or self.due():
            self.save()

    def landmark(self, base: Callable[[], Any], meter: Meter) -> None:
        """A point from which the work can go on with nothing but what `base` gives.

        It takes the place of the pieces before it as often as these are saved: the fewer have to be gone through again.
        """
        ready = self.position == len(self.entries) and meter.cancelled() is None and not self.closed
        if ready and (self.saved or self.due()):
            self.base, self.work = self.freeze(base()), meter.work
            self.entries, self.position, self.partial, self.saved = [], 0, None, False
            self.keep()

    def keep(self) -> None:
        """Saves what is new, if it is time to."""
        if self.due():
            self.save()
            self.saved = True


@dataclass(frozen=True)
class Context:
    """What a piece of work is given beside its data. Without anything said it may use all, and tells nobody."""

    budget: Budget = field(default_factory=lambda: Budget(Meter()))
    events: Events = field(default_factory=Silent)
    journal: Unrecorded = field(default_factory=Unrecorded)

    def over(self) -> bool:
        """Whether the work has to end with what it has."""
        return self.budget.over()

    def cancelled(self) -> bool:
        """Whether it has to end at once: what is left to write is written as it is."""
        return self.budget.meter.cancelled() is not None

    def spend(self, work: float) -> None:
        """Counts units of work, each about a millisecond on one core of a machine of 2026."""
        self.budget.meter.work += GRAIN * round(work / GRAIN)

    def once(self, compute: Callable[[], T]) -> T:
        """What `compute` gives; when interrupted work goes on, what it gave before."""
        return self.journal.once(compute, self.budget.meter)

    def within(self, part: float, least: float = 0.0) -> Context:
        """The same with no more than this part of the budget from now, or `least` seconds."""
        return replace(self, budget=self.budget.within(part, least))


UNLIMITED = Context()  # of work that nobody counts
