"""What a run says on the console: the stages as they happen, and a closing summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kanrun.context import Silent
from kanrun.data.losses import LOSSES, MSE
from kanrun.errors import counted
from kanrun.report.standard_output import StandardOutput
from kanrun.report.words import about_lines, decision_lines, front_lines, other_lines
from kanrun.state import Problem, Result
from kanrun.training.history import Record

NAMES = {"rmse": "RMSE", "r2": "R2", "accuracy": "accuracy"}  # of scores beside the loss

MOST_ADVICE = 4  # of which the first matters most
SECONDS_BETWEEN = 10.0  # two lines about the progress of a search


class Console(Silent):
    """Writes to standard output; progress only where somebody is looking."""

    def __init__(self, quiet: bool = False) -> None:
        self.out = RichConsole(file=StandardOutput(), quiet=quiet, highlight=False)  # type: ignore[arg-type]
        if not self.out.is_terminal:
            self.out.width = max(self.out.width, 120)  # a file or a log has room for the whole table
        self.status = self.out.status("") if self.out.is_terminal and not quiet else None
        self.warnings: Counter[str] | None = None  # of a stage, said at its end
        self.notes: list[str] = []  # on a stage, said behind it
        self.next_line = SECONDS_BETWEEN

    def begin(self, problem: Problem) -> None:
        """One line about the problem and one about the network and its optimizer, or about the search for it."""
        data, model, search = problem.data, problem.model, problem.config.search
        test = f"training and {len(data.test.x)} test rows" if data.test else "rows, too few to set some aside"
        rows = f"{len(data.train.x)} {test}, {counted(len(data.inputs), 'input')}"
        self.out.print(f"[bold]{escape(data.name)}[/]: {data.task}, {rows}")
        for line in data.notes:
            self.out.print(f"  {escape(line)}", soft_wrap=True)
        for line in data.warnings:
            self.stand_out(line)
        if search.wanted:
            self.out.print(f"[bold]search[/] for a network and its formula, at most {search.limit}")
            return
        about = f"{model.description}, {counted(model.parameter_count(), 'parameter')}"
        optimizer = problem.config.optimizer.name
        self.out.print(f"[bold]network[/] {escape(str(model.width))}, {about}, trained by {optimizer}")

    def stage_began(self, name: str) -> None:
        """Shows its name where somebody is looking."""
        self.say_what_is_left()
        self.warnings = Counter()
        if self.status:
            self.status.update(f"{name} ...")
            self.status.start()

    def step(self, record: Record, steps: int) -> None:
        """Shows the loss."""
        if self.status:
            self.status.update(f"{record.stage}: step {record.step + 1} of {steps}, loss {record.train_loss:.3g}")

    def trial(self, trial: Any) -> None:
        """Shows how far a search is. A line from time to time where nobody is looking."""
        so_far = f"{counted(trial.structures, 'structure')} tried, the best leaves {trial.least:.1e} of the variance"
        if self.status:
            self.status.update(f"search: {so_far}, {trial.seconds:.0f} s")
        elif trial.seconds >= self.next_line:
            self.next_line = trial.seconds + SECONDS_BETWEEN
            self.out.print(f"  {'search':<9} {trial.seconds:6.1f} s   {so_far}")

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
        if self.status:
            self.status.stop()
        self.say_warnings()
        part = "test" if entry["test"] else "train"
        key = next(k for k in ("accuracy", "rmse", *LOSSES) if k in entry[part])
        score = f"{part} {name_of(key)} {shown(entry[part][key])}"
        size = f"width {escape(str(entry['width']))}, {counted(entry['active_edges'], 'edge')}"
        self.out.print(f"  {entry['name']:<9} {entry['seconds']:6.1f} s   {score:<24} {size}")
        self.say_what_is_left()

    def stand_out(self, text: str) -> None:
        """A line that stands out."""
        self.out.print(f"[yellow]note[/]: {escape(text)}", soft_wrap=True)

    def say_warnings(self) -> None:
        """The warnings of the stage, each once."""
        for text, count in (self.warnings or {}).items():
            self.stand_out(text if count == 1 else f"{text} ({count} times)")
        self.warnings = None

    def say_what_is_left(self) -> None:
        """Warnings and notes of a stage that is over."""
        if self.status:
            self.status.stop()
        self.say_warnings()
        for text in self.notes:
            self.out.print(f"{'':<23}{escape(text)}", soft_wrap=True)
        self.notes.clear()

    def close(self) -> None:
        """The terminal as it was, however the run has ended."""
        if self.status:
            self.status.stop()

    def end(self, result: Result, folder: Path) -> None:
        """The scores stage by stage, the formulas, and where everything lies."""
        self.say_what_is_left()
        data, formulas, metrics = result.problem.data, result.formulas, result.metrics
        if metrics["stages"]:
            self.out.print(score_table(metrics))
        for formula in formulas:
            exact = " [green](exact)[/]" if formula.exact else ""
            self.out.print(f"[bold]{escape(formula.output)}[/] = {escape(formula.rounded)}{exact}", soft_wrap=True)
            for line in [*about_lines(formula), *other_lines(formula), *front_lines(formula, data.loss)]:
                self.out.print(f"  {escape(line)}", soft_wrap=True)
        for line in decision_lines(formulas):
            self.out.print(escape(line), soft_wrap=True)
        if found := metrics.get("cross_validation"):
            known = f"RMSE {shown(found['rmse'])}, R2 {shown(found['r2'])} on rows that the constants have not seen"
            self.out.print(
                f"[bold]cross-validated[/] ({escape(folds_in_words(found['folds']))}): {known}", soft_wrap=True
            )
        say_advice(self.out, metrics.get("advice", []))
        self.say_relations(result)
        self.out.print(f"[bold]folder[/] {escape(str(folder))}", soft_wrap=True)

    def say_relations(self, result: Result) -> None:
        """Which inputs belong together, and by which equations."""
        for group in result.metrics.get("related_inputs", []):
            self.out.print(f"[bold]related inputs[/]: {escape(', '.join(group))}")
        if result.metrics.get("related_inputs") == []:
            self.out.print("[bold]related inputs[/]: none found")
        for relation in result.state.relations.equations:
            for number, line in enumerate(relation.lines()):
                self.out.print(escape(line) if number else f"[bold]relation[/]: {escape(line)}", soft_wrap=True)


def say_advice(out: RichConsole, advice: Iterable[Mapping[str, Any]]) -> None:
    """What a run says of its own result, and under each what to try next."""
    told = list(advice)
    for one in told[:MOST_ADVICE]:
        out.print(f"[yellow]note[/]: {escape(str(one.get('finding')))}")
        if one.get("suggestion"):
            out.print(Padding(Text(f"try {one['suggestion']}"), (0, 0, 0, 6), expand=False))
    if len(told) > MOST_ADVICE:
        out.print(f"      and {len(told) - MOST_ADVICE} more, see metrics.json")


def score_table(metrics: dict[str, Any]) -> Table:
    """Train and test scores of every stage, as far as there are such rows."""
    found = metrics["stages"][0]["train"]
    parts = [part for part in ("train", "test") if metrics["stages"][0][part]]
    keys = scores_shown(found)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (
        "stage",
        *(f"{part} {name_of(key)}" for key in keys for part in parts),
        "parameters",
        "seconds",
    ):
        table.add_column(title, justify="left" if title == "stage" else "right", no_wrap=True)
    for entry in metrics["stages"]:
        cells = [shown(entry[part].get(key)) for key in keys for part in parts]
        table.add_row(entry["name"], *cells, str(entry["parameters"]), f"{entry['seconds']:.1f}")
    return table


def scores_shown(found: Mapping[str, Any]) -> list[str]:
    """Which scores a table shows, in order: no mean squared error beside its root."""
    return [k for k in (*LOSSES, *NAMES) if k in found and not (k == MSE.name and "rmse" in found)]


def name_of(key: str) -> str:
    """How a score is called in tables."""
    return LOSSES[key].short if key in LOSSES else NAMES[key]


def folds_in_words(folds: str | int) -> str:
    """How the rows were left out."""
    return folds if isinstance(folds, str) else f"{folds} parts"


def shown(value: float | None) -> str:
    """A score to four digits."""
    return "-" if value is None else f"{value:.4g}"
