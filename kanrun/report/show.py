"""`kanrun show RUN`: what was asked of a run, how well it did, and its formulas with their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kanrun.config.packaged import set_by_option
from kanrun.config.schema import GROUPS, Config
from kanrun.data.losses import LOSSES
from kanrun.errors import as_typed, counted
from kanrun.report.advice.values import FIRST
from kanrun.report.closing import advice_of, say_advice
from kanrun.report.load import Record, formula_of
from kanrun.report.scores import as_error, error_name, name_of, score_table
from kanrun.report.standard_output import console_of
from kanrun.report.words import about_lines, decision_lines, exactness, other_lines, score_line
from kanrun.symbolic.formula import Formula


def show_run(record: Record, out: Console | None = None) -> None:
    """Writes what there is to say about a run, finished or not."""
    out, metrics = out or console_of(), record.metrics
    seconds = metrics.get("total_seconds")
    took = "" if seconds is None else f", {seconds:.1f} s"
    version = f", kanrun {metrics['kanrun']}" if metrics.get("kanrun") else ""
    out.print(f"[bold]run[/] {escape(str(record.folder))}: {escape(record.state)}{took}{version}", soft_wrap=True)
    if record.error:
        out.print(f"[yellow]error[/]: {escape(str(record.error))}", soft_wrap=True)
    if record.config:
        out.print("[bold]asked[/]" if list(asked(record.config)) else "[bold]asked[/]: what is chosen by itself")
        for line in asked(record.config):
            out.print(f"  {escape(line)}", soft_wrap=True)
    if metrics:
        inputs = counted(len(metrics.get("inputs", [])), "input")
        out.print(f"[bold]{escape(str(metrics.get('dataset')))}[/]: {metrics.get('task')}, {inputs}")
    if metrics.get("stages"):
        out.print(score_table(metrics["stages"], out))
    formulas = [formula_of(entry) for entry in record.formulas]
    say_advice(out, advice_of(metrics, FIRST))
    for formula in formulas:
        show_formula(formula, out)
    for line in decision_lines(formulas):
        out.print(Text(line))
    for relation in record.formulas[0].get("relation") or [] if record.formulas else ():
        out.print(f"[bold]relation[/]: {escape(str(relation.get('rounded')))}", soft_wrap=True)
    say_advice(out, advice_of(metrics, FIRST, among=False))
    for warning in metrics.get("warnings", []):
        out.print(f"[yellow]note[/]: {escape(str(warning))}")


def show_formula(formula: Formula, out: Console) -> None:
    """A formula, how good it is, what its constants are, and the numbered front."""
    out.print(f"[bold]{escape(formula.output)}[/] = {escape(formula.rounded)}", soft_wrap=True)
    exact = exactness(formula)
    about = [score_line(formula), *([exact] if exact else []), *about_lines(formula), *other_lines(formula)]
    if formula.front:
        about.append(f"formulas of {formula.output} for --formula N; chosen (*): {formula.reason}")
    for line in about:
        out.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
    if formula.front:
        out.print(front_table(formula))


def front_table(formula: Formula) -> Table:
    """The front with the numbers that --formula takes."""
    known = [key for key in LOSSES if key in formula.judged]
    rows = "test " if formula.test else "CV " if formula.cross_validation else ""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "N", "complexity", rows + (error_name(formula.judged, name_of(known[0])) if known else "error")):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    for number, point in enumerate(formula.front, start=1):
        own = as_error(point.error, formula.judged)
        mark, error = "*" if point.chosen else "", "-" if own is None else f"{own:.3g}"
        table.add_row(f"  {mark}", str(number), str(point.complexity), error, escape(point.rounded or point.expression))
    return table


def asked(config: Config) -> Iterator[str]:
    """What a config says that is not chosen by itself, as it would be typed: an option goes with what it sets."""
    plain = Config()
    for group, value in vars(config).items():
        chosen = getattr(plain, group)
        if group not in GROUPS:
            if value != chosen:
                yield f"{group}={as_typed(value)}"
            continue
        if value.name != chosen.name:
            yield f"{group}={value.name}"
        default = asdict(GROUPS[group][value.name]()) | set_by_option(group, value.name)
        for key, one in asdict(value).items() if value != chosen else ():
            if key != "name" and one != default[key]:
                yield f"{group}.{key}={as_typed(one)}"
