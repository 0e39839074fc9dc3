"""What a run says on the console: the data and the plan, the stages as they happen, and a closing summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from kanrun.config.schema import AUTO, QUIET
from kanrun.context import Budget, Silent
from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.data.losses import MSE
from kanrun.errors import counted
from kanrun.report.closing import say_end
from kanrun.report.progress import Beat, Progress
from kanrun.report.scores import NAMES, told
from kanrun.report.standard_output import console_of
from kanrun.report.words import cut
from kanrun.state import Problem, Result
from kanrun.training.history import Record

LEAST = 120  # columns of a file or a log, which have room for the whole table
SECONDS_BETWEEN = 10.0  # two lines about the progress of a stage, where nobody is looking
MOST_LETTERS = 160  # of the names of inputs


class Console(Silent):
    """Writes to standard output; bars only where somebody is looking."""

    def __init__(self, way: str = AUTO) -> None:
        self.out, self.quiet = console_of(LEAST, way), way == QUIET
        self.watched = self.out.is_terminal and not self.quiet
        self.loss, self.root = "loss", False
        self.progress = Progress("start")
        self.live: Live | None = None
        self.beat: Beat | None = None
        self.warnings: Counter[str] | None = None  # of a stage, said at its end
        self.notes: list[str] = []  # on a stage, said behind it

    def begin(self, problem: Problem, plan: Sequence[str] = ()) -> None:
        """The rows as they are understood, the network and its optimizer or the search for it, and the plan."""
        if self.quiet:
            return
        data, model, search = problem.data, problem.model, problem.config.search
        self.root = data.loss is MSE and data.task != CLASSIFICATION
        self.loss = NAMES["rmse"] if self.root else data.loss.short
        test = f"training and {len(data.test.x)} test rows" if data.test else "rows, too few to set some aside"
        rows = f"{len(data.train.x)} {test}, {counted(len(data.inputs), 'input')}"
        self.out.print(f"[bold]{escape(data.name)}[/]: {data.task}, {rows}")
        for line in data.notes or understood(data):
            self.out.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
        for line in data.warnings:
            self.stand_out(line)
        if search.wanted:
            self.out.print(f"[bold]search[/] for a network and its formula, at most {search.limit}")
        else:
            about = f"{model.description}, {counted(model.parameter_count(), 'parameter')}"
            optimizer = problem.config.optimizer.name
            self.out.print(f"[bold]network[/] {escape(str(model.width))}, {about}, trained by {optimizer}")
        if len(plan) > 1:
            self.out.print(f"[bold]plan[/] {escape(', '.join(plan))}")

    def stage_began(self, name: str) -> None:
        """A bar where somebody is looking, a line from time to time elsewhere."""
        self.say_what_is_left()
        self.warnings, self.progress = Counter(), Progress(name, self.loss, self.root)
        if self.watched:
            self.live = Live(
                console=self.out, get_renderable=lambda: self.progress, refresh_per_second=4, transient=True
            )
            self.live.start()
        elif not self.quiet:
            self.beat = Beat(SECONDS_BETWEEN, self.say_progress)
            self.beat.start()

    def say_progress(self) -> None:
        """A line about how far the stage is."""
        self.out.print(escape(self.progress.line()), soft_wrap=True)

    def step(self, record: Record, steps: int) -> None:
        """A step of a training."""
        self.progress.step(record, steps)

    def trial(self, trial: Any) -> None:
        """How far a search is."""
        self.progress.trial = trial

    def allowed(self, budget: Budget) -> None:
        """How much the stage may use."""
        self.progress.allowed(budget)

    def warning(self, text: str) -> None:
        """Within a stage it is said at its end, once with how often."""
        if self.warnings is None:
            self.stand_out(text)
        else:
            self.warnings[text] += 1

    def note(self, text: str) -> None:
        """It is said behind its stage."""
        self.notes.append(text)

    def stage_ended(self, entry: Mapping[str, Any]) -> None:
        """Its time and its most telling score."""
        if self.quiet:
            return
        self.close()
        self.say_warnings()
        part = "test" if entry["test"] else "train"
        score = f"{part} {' '.join(told(entry[part]))}"
        head = f"  {entry['name']:<9} {entry['seconds']:6.1f} s   {score:<24}"
        size = f" width {entry['width']}, {counted(entry['active_edges'], 'edge')}"
        line = head + size if len(head + size) <= self.out.width else head.rstrip()
        self.out.print(escape(line), soft_wrap=True)
        self.say_what_is_left()

    def stand_out(self, text: str) -> None:
        """A line that stands out."""
        self.out.print(f"[yellow]note[/]: {escape(text)}", soft_wrap=not self.watched)

    def say_warnings(self) -> None:
        """The warnings of the stage, each once."""
        for text, count in (self.warnings or {}).items():
            self.stand_out(text if count == 1 else f"{text} ({count} times)")
        self.warnings = None

    def say_what_is_left(self) -> None:
        """Warnings and notes of a stage that is over."""
        self.close()
        self.say_warnings()
        for text in self.notes:
            indent = 23 if self.out.width >= 80 else 4
            self.out.print(Padding(Text(text), (0, 0, 0, indent), expand=False))
        self.notes.clear()

    def close(self) -> None:
        """The terminal as it was, however the run has ended."""
        live, beat, self.live, self.beat = self.live, self.beat, None, None
        if live is not None:
            live.stop()
        if beat is not None:
            beat.stop()

    def ended(self, result: Result, folder: Path) -> None:
        """The answer, a table of the stages, where everything lies, and what to do next."""
        self.say_what_is_left()
        if not self.quiet:  # a table costs a job of a sweep as much as its page
            say_end(self.out, result, folder)


def understood(data: Dataset) -> list[str]:
    """Which outputs are explained by which inputs, with their ranges, where the rows do not say more themselves."""
    low, high = data.train.x.amin(0).tolist(), data.train.x.amax(0).tolist()
    inputs = [f"{name} from {a:.3g} to {b:.3g}" for name, a, b in zip(data.input_names, low, high, strict=True)]
    return [cut(f"{', '.join(data.outputs)} by {', '.join(inputs)}", MOST_LETTERS)]
