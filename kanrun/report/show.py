"""`kanrun show RUN`: what was asked of a run, how well it did, and its formulas with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kanrun.config.schema import GROUPS, Config
from kanrun.data.losses import LOSSES
from kanrun.errors import as_typed, counted
from kanrun.report.console import name_of, say_advice, scores_shown, shown
from kanrun.report.load import Record, formula_of
from kanrun.report.standard_output import plain_console
from kanrun.report.words import about_lines, decision_lines, exactness, other_lines, score_line
from kanrun.symbolic.formula import Formula


def show_run(record: Record, out: Console | None = None) -> None:
    """Writes what there is to say about a run, finished or not."""
    out, metrics = out or plain_console(), record.metrics
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
        out.print(stage_table(metrics["stages"]))
    formulas = [formula_of(entry) for entry in record.formulas]
    for formula in formulas:
        show_formula(formula, out)
    for line in decision_lines(formulas):
        out.print(Text(line))
    for relation in record.formulas[0].get("relation") or [] if record.formulas else ():
        out.print(f"[bold]relation[/]: {escape(str(relation.get('rounded')))}", soft_wrap=True)
    say_advice(out, [one for one in metrics.get("advice") or [] if isinstance(one, dict)])
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
    for title in ("", "N", "complexity", rows + (name_of(known[0]) if known else "error")):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold")
    for number, point in enumerate(formula.front, start=1):
        mark, error = "*" if point.chosen else "", "-" if point.error is None else f"{point.error:.3g}"
        table.add_row(f"  {mark}", str(number), str(point.complexity), error, escape(point.rounded or point.expression))
    return table


def stage_table(stages: list[dict[str, Any]]) -> Table:
    """Test scores of every stage, or those of training where there are no test rows, in 60 columns."""
    part = "test" if stages[0].get("test") else "train"
    found: Mapping[str, Any] = stages[0].get(part) or {}
    keys = scores_shown(found)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stage", *(f"{part} {name_of(key)}" for key in keys), "parameters", "seconds"):
        table.add_column(title, justify="left" if title == "stage" else "right", no_wrap=True)
    for entry in stages:
        scores = entry.get(part) or {}
        cells = [score_of(scores, key) for key in keys]
        table.add_row(str(entry.get("name")), *cells, str(entry.get("parameters")), f"{entry.get('seconds', 0):.1f}")
    return table


def score_of(scores: Mapping[str, Any], key: str) -> str:
    """A score to four digits, R2 to six, of which the first are nines."""
    value = scores.get(key)
    return f"{value:.6g}" if key == "r2" and value is not None else shown(value)


def asked(config: Config) -> Iterator[str]:
    """What a config says that is not chosen by itself, as it would be typed."""
    plain = asdict(Config())
    for group, value in asdict(config).items():
        if group not in GROUPS:
            if value != plain[group]:
                yield f"{group}={as_typed(value)}"
            continue
        if value["name"] != plain[group]["name"]:
            yield f"{group}={value['name']}"
        default = asdict(GROUPS[group][value["name"]]())
        for key, one in value.items():
            if key != "name" and one != default[key]:
                yield f"{group}.{key}={as_typed(one)}"
