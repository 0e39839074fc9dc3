"""What a sweep says on the console while it goes on."""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from kanrun.report.standard_output import console_of
from kanrun.sweep.summary import cut
from kanrun.sweep.tasks import Outcome, Task

LINES = 8  # of jobs that ended last, where somebody is looking
WIDEST, LEAST = 60, 8  # characters of a formula


class Screen:
    """One screen where somebody is looking: counts, time left, the best so far; elsewhere a line a job."""

    def __init__(self, total: int, size: int, done: int = 0, out: Console | None = None) -> None:
        self.out = out or console_of(120)
        self.total, self.size, self.before = total, size, done
        self.states: Counter[str] = Counter()
        self.running, self.begun = 0, time.monotonic()
        self.best: tuple[Task, Outcome] | None = None
        self.last: list[str] = []
        self.live = (
            Live(console=self.out, get_renderable=self.picture, refresh_per_second=4) if self.out.is_terminal else None
        )

    def __enter__(self) -> Screen:
        already = f", {self.before} of them done before" if self.before else ""
        at_once = f"{self.size} at a time" if self.size > 1 else "one after the other"
        self.out.print(f"[bold]sweep[/] of {self.total + self.before} jobs{already}, {at_once}")
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.live:
            self.live.stop()

    def began(self, running: int) -> None:
        """So many jobs are going on."""
        self.running = running

    def ended(self, task: Task, outcome: Outcome) -> None:
        """A job has ended."""
        self.states[outcome.state] += 1
        if outcome.state == "completed" and self.is_better(outcome):
            self.best = (task, outcome)
        line = self.line(task, outcome)
        if self.live:
            self.last = [*self.last, line][-LINES:]
        else:
            self.out.print(line, soft_wrap=True)

    def is_better(self, outcome: Outcome) -> bool:
        """Whether it has the least validation loss so far; jobs without validation rows are not compared."""
        if outcome.loss is None:
            return False
        return self.best is None or self.best[1].loss is None or outcome.loss < self.best[1].loss

    def line(self, task: Task, outcome: Outcome) -> str:
        """How a job has ended, on one line."""
        done = sum(self.states.values())
        values = values_in_words(task)
        head = f"  {done:>{len(str(self.total))}}/{self.total}  job {task.number}  {escape(values)}"
        if outcome.state == "pruned":
            return f"{head}  ended early, {outcome.seconds:.1f} s"
        if outcome.state != "completed":
            return f"{head}  [red]{outcome.state}[/]: {escape(outcome.error or '')}"
        score = f"  {outcome.score[0]} {outcome.score[1]:.4g}" if outcome.score else ""
        if outcome.loss is not None:
            score = f"  validation {outcome.loss:.4g}{score}"
        took = f"  {outcome.seconds:.1f} s"
        room = min(WIDEST, self.out.width - len(head + score + took) - 2) if self.live else WIDEST
        formula = f"  {escape(cut(outcome.formula, room))}" if outcome.formula and room >= LEAST else ""
        return f"{head}{score}{formula}{took}"

    def picture(self) -> Table:
        """The whole screen."""
        table = Table.grid()
        for line in self.last:
            table.add_row(line)
        done = sum(self.states.values())
        told = [f"{done} of {self.total} done", f"{self.running} running"]
        told += [f"[red]{self.states[state]} {state}[/]" for state in ("failed", "interrupted") if self.states[state]]
        table.add_row(", ".join(told) + self.time_left(done))
        if self.best:
            task, outcome = self.best
            values = values_in_words(task)
            table.add_row(f"best so far: job {task.number}  {escape(values)}  validation loss {outcome.loss:.4g}")
        return table

    def time_left(self, done: int) -> str:
        """At the pace so far."""
        if not done or done == self.total:
            return ""
        seconds = (time.monotonic() - self.begun) / done * (self.total - done)
        return f", about {in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def values_in_words(task: Task) -> str:
    """What a job has of the swept values."""
    short = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in task.values.items()}
    return " ".join(f"{key}={value}" for key, value in short.items())
