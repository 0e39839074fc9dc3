"""Standard output as long as somebody reads it: when it is closed, or full, the run goes on all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kanrun.config.schema import AUTO, PLAIN, QUIET

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 1000  # columns of a console that has room for all


class StandardOutput:
    """`sys.stdout` as it is at each moment, into which writing never fails."""

    def write(self, text: str) -> int:
        """Writes it, or nothing where that is impossible."""
        try:
            return sys.stdout.write(text) if sys.stdout else 0
        except OSError:
            silence()
            return 0

    def flush(self) -> None:
        """Hands on what was written."""
        try:
            if sys.stdout:
                sys.stdout.flush()
        except OSError:
            silence()

    def isatty(self) -> bool:
        """Whether somebody is looking."""
        return bool(sys.stdout) and sys.stdout.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stdout, name)


def silence() -> None:
    """Whatever is still written, by Python at its end too, goes nowhere."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def console_of(least: int = 0, way: str = AUTO) -> Console:
    """Where to write: as wide as the terminal, or as COLUMNS says; a file has at least so many columns.

    `way` is that of the setting `console`: quiet writes nothing, plain without colours and anything that moves.
    """
    from rich.console import Console  # not for a help or a mistake

    terminal = False if way == PLAIN else None
    out = Console(file=StandardOutput(), highlight=False, quiet=way == QUIET, force_terminal=terminal)  # type: ignore[arg-type]
    if not out.file.isatty():
        out.width = max(out.width, least)
    return out


def first_that_fits(tables: Sequence[Table], out: Console) -> Table:
    """The first table of which nothing has to be cut or wrapped, or the last one."""
    whole = out.options.update(max_width=WIDE)
    return next((table for table in tables if out.measure(table, options=whole).maximum <= out.width), tables[-1])
