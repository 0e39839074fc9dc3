"""summary.csv, summary.json, report.html and a table: what a folder of runs adds up to, from its files alone."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kanrun.errors import KanrunError, counted
from kanrun.report.files import write_json, write_text
from kanrun.report.lock import in_use
from kanrun.report.numbers import part_shown
from kanrun.report.paging import PAGE
from kanrun.report.standard_output import console_of, first_that_fits
from kanrun.sweep.adding_up import Found, Group, Sums, add_up, in_one_kind, scores_beside
from kanrun.sweep.page import write_sweep_page
from kanrun.sweep.rows import Row, never_begun, not_completed, rows_in

SCHEMA_VERSION = 1
FEW = (6, 4, 2, 0)  # settings in it where runs differ in so many that they cannot be read beside each other
SHOWN = 10  # lines of a part of the table
WIDEST, NARROW = 70, 16  # characters of a text in it, and of one where there is little room


def summarize(folder: Path, out: Console | None = None, best: Sequence[str] = ()) -> None:
    """Writes the summary of the runs in a folder into it, and shows it. Raises KanrunError where there are none.

    `best` are lines on what a search for settings has found.
    """
    out = out or console_of(120)
    goes_on = in_use(folder)  # asked first: a job that begins meanwhile is one that had not begun yet
    rows, lacking = rows_in(folder), never_begun(folder)
    if not rows:
        raise KanrunError(f"{folder}: there is no run in it{' yet' if goes_on else ''}")
    sums = add_up(folder, rows, lacking, goes_on)
    paged = False
    try:
        write_text(folder / "summary.csv", table_of(rows))
        write_json(folder / "summary.json", {
            "schema_version": SCHEMA_VERSION,
            "states": sums.states,
            "goes_on": goes_on,
            "never_begun": lacking,
            "ranked_by": sums.key,
            "ranking": [row.job for row in sums.ranks],
            "jobs": [asdict(row) for row in map(without_fronts, rows)],
            "groups": [asdict(group) for group in sums.groups],
            "formulas": [counted_in_full(one) for one in sums.formulas],
            "relations": [counted_in_full(one) for one in sums.relations],
            "failed": [{key: vars(row)[key] for key in ("job", "state", "error")} for row in not_completed(rows)],
        })  # fmt: skip
        paged = write_sweep_page(sums)
    finally:  # what cannot be written can still be shown
        show(sums, out)
        look = f", to look at: {escape(str(folder / PAGE))}" if paged else ""
        out.print(f"[bold]summary[/] {escape(str(folder / 'summary.csv'))}{look}", soft_wrap=True)
        for line in best:
            out.print(f"[bold]best[/] {escape(line)}", soft_wrap=True)


def without_fronts(row: Row) -> Row:
    """The row with the formulas as short as they can be told."""
    kept = ("output", "expression", "rounded", "complexity", "exact")
    short = [{key: entry.get(key) for key in kept} for entry in row.formulas]
    return Row(**{**vars(row), "formulas": short})


def counted_in_full(one: Found) -> dict[str, Any]:
    """With how often it was found."""
    return {"formula": one.text, "count": len(one.jobs), "jobs": list(one.jobs), "exact": one.exact}


def table_of(rows: Sequence[Row]) -> str:
    """The rows as CSV: a line a job."""
    values, scores, stages = (
        list(dict.fromkeys(key for row in rows for key in part(row)))
        for part in (lambda row: row.values, lambda row: row.scores, lambda row: row.stages)
    )
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["job", *values, "state", "error", *scores, "formula", "exact", "complexity", "seconds", *stages])
    for row in rows:
        table.writerow([
            row.job, *map(row.values.get, values), row.state, row.error, *map(row.scores.get, scores), row.formula,
            row.exact, row.complexity, row.seconds, *map(row.stages.get, stages),
        ])  # fmt: skip
    return text.getvalue()


# ---- on the console ------------------------------------------------------------------------------------------------


def jobs_line(sums: Sums) -> str:
    """How many jobs there are, how they have ended, and how those are begun that were not."""
    there, lacking = len(sums.rows), len(sums.lacking)
    states = ", ".join(f"{count} {escape(state)}" for state, count in sums.states.items())
    head = f"[bold]{there}{f' of {there + lacking}' * bool(lacking)} jobs[/]: {states}"
    if sums.goes_on:
        return f"{head}{f'; {lacking} have not begun yet' * bool(lacking)}; the sweep goes on"
    if not lacking:
        return head
    return f"{head}; {lacking} never began, {escape(f'kanrun -m sweep.resume={shlex.quote(str(sums.folder))}')} does"


def show(sums: Sums, out: Console) -> None:
    """The best jobs, means over seeds, formulas and failures, a few lines each."""
    rows, ranks, key, groups, relations = sums.rows, sums.ranks, sums.key, sums.groups, sums.relations
    out.print(jobs_line(sums), soft_wrap=True)
    if ranks:
        out.print(ranking_table(ranks[:SHOWN], key, out))
        if key and key.startswith("test_"):
            out.print("  ranked by test rows for want of validation rows; dataset.validation=0.2 sets some aside")
    if any(group.completed > 1 for group in groups):
        out.print(group_table(groups, key, out))
    for title, found in (("relation", relations), ("formula", [] if relations else sums.formulas)):
        for one in found[:SHOWN]:
            exact = " [green](exact)[/]" if one.exact else ""
            out.print(
                f"[bold]{title}[/] in {len(one.jobs)} of {len(ranks)}: {escape(cut(one.text))}{exact}", soft_wrap=True
            )
        if len(found) > SHOWN:
            out.print(f"  and {len(found) - SHOWN} more")
    for row in not_completed(rows)[:SHOWN]:
        out.print(f"[red]{escape(row.state)}[/] job {escape(row.job)}: {escape(row.error or '')}", soft_wrap=True)
    for row in [one for one in rows if one.state == "completed" and one.error][:SHOWN]:
        out.print(f"[yellow]note[/]: job {escape(row.job)}: {escape(str(row.error))}", soft_wrap=True)


def ranking_table(rows: Sequence[Row], key: str | None, out: Console) -> Table:
    """Jobs with their values and as many of their scores as there is room for."""
    scores = scores_beside(rows, key)
    choices = [(scores, True, WIDEST // 2), (scores[:2], True, WIDEST // 2), (scores[:1], True, NARROW),
               (scores[:1], False, NARROW), (scores[:1], False, 0)]  # fmt: skip
    tables = [ranking_of(rows, *choice) for choice in choices]
    return first_that_fits([*tables, *(ranking_of(rows, scores[:1], False, NARROW, most) for most in FEW)], out)


def ranking_of(
    rows: Sequence[Row], scores: Sequence[str], seconds: bool, letters: int, most: int | None = None
) -> Table:
    """The table with these scores, with seconds, with so many letters of a formula, and at most so many settings."""
    values, others = telling([row.values for row in rows], most)
    table = titled("job", *values, *(score.replace("_", " ") for score in scores), *["seconds"] * seconds)
    formulas = letters > 0 and not any(row.relations for row in rows)  # of relations the equation is what was wanted
    if formulas:
        table.add_column("formula", no_wrap=True)
    for row in rows:
        cells = [row.job, *(short(row.values.get(k)) for k in values), *(scored(k, row.scores.get(k)) for k in scores)]
        cells += [short(row.seconds)] * seconds
        formula = ("(exact) " if row.exact else "") + cut(row.formula or "-", letters)
        table.add_row(*map(escape, [*cells, *[formula] * formulas]))
    return with_word_of(others, table)


def telling(values: Sequence[Mapping[str, Any]], most: int | None) -> tuple[list[str], int]:
    """The settings that tell jobs apart best, in their order and at most so many, and how many others there are."""
    keys = list(dict.fromkeys(key for own in values for key in own))
    kinds = {key: len({str(own.get(key)) for own in values}) for key in keys}
    best = sorted(keys, key=lambda key: -kinds[key])[:most]
    return [key for key in keys if key in best], len(keys) - len(best)


def with_word_of(others: int, table: Table) -> Table:
    """The table, below which stands that there are other settings, if there are any."""
    if others:
        table.caption, table.caption_justify = f"and {counted(others, 'more setting')} in summary.csv", "left"
    return table


def group_table(groups: Sequence[Group], key: str | None, out: Console) -> Table:
    """Means over seeds of the score that counts, and of test rows."""
    there = list(dict.fromkeys(k for group in groups for k in group.scores))
    key = None if key is None else in_one_kind(key, there)
    scores = [k for k in dict.fromkeys([key, "test_accuracy", "test_rmse"]) if k in there]
    few = [group_table_of(groups, scores[:1], most) for most in FEW]
    return first_that_fits([group_table_of(groups, scores), group_table_of(groups, scores[:1]), *few], out)


def group_table_of(groups: Sequence[Group], scores: Sequence[str | None], most: int | None = None) -> Table:
    """The table with these scores, and at most so many settings."""
    values, others = telling([group.values for group in groups], most)
    table = titled(*values, *(f"{str(score).replace('_', ' ')}: mean, std, best" for score in scores), "jobs")
    for group in groups[:SHOWN]:
        cells = [short(group.values.get(k)) for k in values]
        for score in scores:
            spread: Mapping[str, Any] = group.scores.get(str(score), {})
            cells.append(", ".join(short(spread.get(k)) for k in ("mean", "std", "best")))
        table.add_row(*map(escape, cells), f"{group.completed} of {len(group.jobs)}")
    return with_word_of(others, table)


def titled(*titles: str) -> Table:
    """An empty table with these columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(escape(title), overflow="fold")
    return table


def short(value: Any) -> str:
    """A cell of the table."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else cut(str(value), 30)


def scored(key: str, value: Any) -> str:
    """A score; what is not 1 is not shown as 1."""
    return part_shown(value) if key.endswith(("_r2", "_accuracy")) and isinstance(value, float) else short(value)


def cut(text: str, widest: int = WIDEST) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= widest else f"{text[: widest - 4]} ..."
