"""report.html of a folder of runs: what its summary says, to look at, to sort and to follow into each run."""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from kanrun.errors import KanrunError, as_typed
from kanrun.report.files import write_text
from kanrun.report.pages.pictures import InPage, inline, is_broad
from kanrun.report.pages.rendering import render
from kanrun.report.paging import PAGE, write_page
from kanrun.sweep.adding_up import Sums, scored, scores_beside, varied
from kanrun.sweep.rows import Row, not_completed

log = logging.getLogger("kanrun")

MOST_CHARACTERS = 2_000_000  # of the table's rows; formulas are cut shorter where there are more
LETTERS = (160, 80, 40, 20, 0)
BESIDE = ("exact", "nodes", "seconds", "state", "formula")
FIRST, LISTED = 50, 200  # rows that are there without a script; lines of each other table


def write_sweep_page(sums: Sums) -> bool:
    """Puts report.html into the folder, and says whether it could. What fails costs only the page, and is logged.

    Raises OSError where it cannot be written.
    """
    for row in sums.rows:
        # A process that was killed has left none.
        if row.state in ("failed", "interrupted") and not (sums.folder / row.job / PAGE).exists():
            with suppress(KanrunError, OSError):
                write_page(sums.folder / row.job)
    try:
        write_text(sums.folder / PAGE, page_of(sums))
    except OSError:
        raise
    except Exception:
        log.exception("%s of the sweep could not be made", PAGE)
        return False
    return True


def page_of(sums: Sums) -> str:
    """The page."""
    key, ranks, groups, relations = sums.key, sums.ranks, sums.groups, sums.relations
    order = [*ranks, *(row for row in sums.rows if row.state != "completed")]
    titles, cells = table_of(order, key)
    failed = not_completed(sums.rows)
    return render(
        "sweep.html", title=f"sweep {sums.folder.name}", states=sums.states, jobs=len(sums.rows),
        key=None if key is None else key.replace("_", " "), titles=titles, first=cells[:FIRST],
        cells=Markup(script_safe(cells)), best=ranks[0] if ranks else None, link=link, pictures=pictures(ranks, key),
        groups=groups[:LISTED], group_keys=list(dict.fromkeys(k for one in groups for k in one.values)),
        more_groups=max(0, len(groups) - LISTED), score=key, spread=any(group.completed > 1 for group in groups),
        found=[("Relations", relations[:LISTED]), ("Formulas", [] if relations else sums.formulas[:LISTED])],
        completed=len(ranks), failed=failed[:LISTED], more_failed=max(0, len(failed) - LISTED),
        folder=shlex.quote(str(sums.folder)), lacking=len(sums.lacking), goes_on=sums.goes_on,
    )  # fmt: skip


def link(job: str) -> str:
    """The address of a job's own page."""
    return f"{quote(job)}/{PAGE}"


def pictures(ranks: Sequence[Row], key: str | None) -> list[InPage]:
    """The score against what was varied."""
    if not varied(scored(ranks, key)):  # matplotlib takes a third of a second
        return []
    from kanrun.sweep.pictures import figures_of

    found = []
    for number, (about, text) in enumerate(figures_of(ranks, key).items()):
        name = f"by-{number}"
        svg = inline(text, name)
        found.append(InPage(name, about, Markup(svg), is_broad(svg)))
    return found


def table_of(rows: Sequence[Row], key: str | None) -> tuple[list[str], list[list[Any]]]:
    """Titles and cells of the table of jobs, whose formulas are as long as the page can bear."""
    values = list(dict.fromkeys(k for row in rows for k in row.values))
    scores = scores_beside(rows, key)
    titles = ["job", *values, *(one.replace("_", " ") for one in scores), *BESIDE]
    for letters in LETTERS:
        cells = [cells_of(row, values, scores, letters) for row in rows]
        if len(json.dumps(cells)) <= MOST_CHARACTERS:
            break
    told = [place for place in range(len(titles)) if any(row[place] not in (None, "") for row in cells)]
    return [titles[place] for place in told], [[row[place] for place in told] for row in cells]


def cells_of(row: Row, values: Sequence[str], scores: Sequence[str], letters: int) -> list[Any]:
    """One row: numbers stay numbers, so that they are sorted as such."""
    formula = "; ".join(row.relations) or row.formula or row.error or ""
    return [
        row.job, *(plain(row.values.get(one)) for one in values), *(digits(row.scores.get(one)) for one in scores),
        {True: "yes", False: "no", None: ""}[row.exact], row.complexity, digits(row.seconds, 3), row.state,
        formula if len(formula) <= letters else f"{formula[:letters]}…",
    ]  # fmt: skip


def plain(value: Any) -> Any:
    """A swept value as a number or a text."""
    return digits(value) if isinstance(value, float) else value if isinstance(value, (int, str)) else as_typed(value)


def digits(value: float | None, count: int = 6) -> float | None:
    """So many are enough to be looked at."""
    return float(f"{value:.{count}g}") if value is not None and math.isfinite(value) else None


def script_safe(content: Any) -> str:
    """JSON that no text in it can end."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
