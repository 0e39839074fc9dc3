"""How far a stage is: a live bar where somebody is looking, elsewhere a line from time to time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kanrun.context import Budget
from kanrun.errors import counted
from kanrun.training.history import Record

NAME, BAR = 9, 12  # columns for the name of the stage and for its bar
GAP = 2


class Progress:
    """What has been heard of a stage since it began; `loss` is how its loss is called, of which `root` is the root."""

    def __init__(self, stage: str, loss: str = "loss", root: bool = False) -> None:
        self.stage, self.loss, self.root = stage, loss, root
        self.begun = time.monotonic()
        self.record: Record | None = None
        self.steps = 0
        self.trial: Any = None
        self.budget: Budget | None = None
        self.from_work = 0.0  # of the budget, when it was given

    def step(self, record: Record, steps: int) -> None:
        """A training has taken a step of at most so many."""
        self.record, self.steps = record, steps

    def allowed(self, budget: Budget) -> None:
        """From here on the stage may use so much."""
        self.budget, self.from_work, self.record = budget, budget.now(), None

    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.begun

    def fraction(self) -> float | None:
        """The part that is done of what it may take at most, None where that is not known."""
        if self.budget is not None and math.isfinite(self.budget.end):
            whole = self.budget.end - self.from_work
            return min(1.0, max(0.0, (self.budget.now() - self.from_work) / whole)) if whole > 0 else None
        return (self.record.step + 1) / self.steps if self.record is not None and self.steps else None

    def left(self) -> float | None:
        """Seconds left at most, at the pace so far; None where nothing says so."""
        done = self.fraction()
        if self.budget is not None and done is not None and not self.budget.of_work:
            return max(0.0, self.budget.left())
        spent = self.record.seconds if self.record is not None and self.budget is None else self.seconds()
        return spent * (1 - done) / done if done else None

    def score(self, loss: float) -> str:
        """A loss as it is shown."""
        return f"{math.sqrt(loss) if self.root and loss >= 0 else loss:.3g}"

    def words(self) -> list[str]:
        """What there is to say, the most telling first."""
        told, left = list[str](), self.left()
        if left is not None:
            told.append(f"{'up to ' * (self.budget is not None)}{left:.0f} s left")
        if self.record is not None:
            told.append(f"{self.loss} {self.score(self.record.train_loss)}")
            if self.record.validation_loss is not None:
                told.append(f"validation {self.score(self.record.validation_loss)}")
            told.append(f"step {self.record.step + 1}/{self.steps}")
        if self.trial is not None:
            told.append(f"{counted(self.trial.structures, 'structure')} tried")
            told.append(f"the best leaves {self.trial.least:.1e} of the variance")
        if left is None:
            told.append(f"{self.seconds():.0f} s")
        if self.record is not None and self.record.attempt:
            told.append(f"restart {self.record.attempt + 1}")
        return told

    def line(self) -> str:
        """The same as a line for a file."""
        done = self.fraction()
        part = [f"{100 * done:.0f} %"] if done is not None and self.record is None else []
        return f"  {self.stage:<9} {self.seconds():6.1f} s   {', '.join([*part, *self.words()])}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A bar and as many words as there is room for, on one line."""
        bar, room = self.fraction(), options.max_width - NAME - GAP
        room -= BAR + GAP if bar is not None else 0
        kept = list[str]()
        for word in self.words():
            if sum(len(k) + GAP for k in kept) + len(word) <= room:
                kept.append(word)
        grid = Table.grid(padding=(0, GAP, 0, 0))
        name = Text(self.stage, no_wrap=True, overflow="ellipsis")
        grid.add_column(width=NAME, no_wrap=True)
        if bar is not None:
            grid.add_column(width=BAR)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        bars = [] if bar is None else [ProgressBar(total=1.0, completed=bar, width=BAR)]
        grid.add_row(name, *bars, (" " * GAP).join(kept))
        yield grid


class Beat:
    """Calls a function every so many seconds from a thread of its own, until it is stopped."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self.seconds, self.function, self.ended = seconds, function, threading.Event()
        self.thread = threading.Thread(target=self.go_on, daemon=True)

    def start(self) -> None:
        """Begins."""
        self.thread.start()

    def go_on(self) -> None:
        """Calls it until the end."""
        while not self.ended.wait(self.seconds):
            self.function()

    def stop(self) -> None:
        """Ends; nothing is called any more afterwards."""
        self.ended.set()
        if self.thread.is_alive() and self.thread is not threading.current_thread():
            self.thread.join()
