"""`kanrun compare RUN RUN ...`: runs side by side."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kanrun.data.losses import LOSSES
from kanrun.report.load import Record, formula_of
from kanrun.report.scores import NAMES, name_of, score_of
from kanrun.report.standard_output import console_of

HEAD, LEAST = 16, 14  # columns of the console for what a line is about, and for each run

EXACT = {True: "yes", False: "no", None: "-"}


def compare_runs(records: list[Record], out: Console | None = None) -> None:
    """Writes a table with a column a run; several tables below each other where they do not fit."""
    out = out or console_of()
    for number, record in enumerate(records, start=1):
        out.print(f"[bold]{number:>3}[/] {escape(str(record.folder))}", soft_wrap=True)
    told = [facts(record) for record in records]
    keys = list(dict.fromkeys(key for one in told for key in one))
    at_once = max(1, (out.width - HEAD) // LEAST)
    for first in range(0, len(records), at_once):
        part = told[first : first + at_once]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("", min_width=HEAD)
        for number in range(first, first + len(part)):
            table.add_column(str(number + 1), overflow="fold")
        for key in (k for k in keys if any(k in one for one in part)):
            table.add_row(escape(key), *(escape(one.get(key, "-")) for one in part))
        out.print(table)


def facts(record: Record) -> dict[str, str]:
    """What is compared of a run, as texts by what they are about."""
    metrics, config = record.metrics, record.config
    told = {"state": record.state, "dataset": or_dash(metrics.get("dataset")), "width": or_dash(metrics.get("width"))}
    told["seed"] = or_dash(config.seed if config else metrics.get("seed"))
    told["optimizer"] = or_dash(metrics.get("optimizer"))
    final = metrics.get("final") or {}
    part = metrics.get("final_of", "test")
    for key in (*LOSSES, *NAMES):
        if key in final:
            told[f"{part} {name_of(key)}"] = score_of(final, key)
    for entry in record.formulas:
        formula = formula_of(entry)
        own = f" {formula.output}" if len(record.formulas) > 1 else ""
        told |= {
            f"formula{own}": formula.rounded, f"complexity{own}": str(formula.complexity),
            f"exact{own}": EXACT.get(formula.exact, "-"),
        }  # fmt: skip
    stages = metrics.get("stages") or [{}]
    told["parameters"] = or_dash(stages[-1].get("parameters"))
    seconds = metrics.get("total_seconds")
    told["seconds"] = "-" if seconds is None else f"{seconds:.1f}"
    return told


def or_dash(value: Any) -> str:
    """A value, or a dash where there is none."""
    return "-" if value is None else str(value)
