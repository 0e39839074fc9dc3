"""Standard output as long as somebody reads it: when it is closed, or full, the run goes on all the same."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


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
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def plain_console(least: int = 0) -> Console:
    """Where commands write: as wide as the terminal, or as COLUMNS says; a file has at least so many columns."""
    from rich.console import Console  # not for a help or a mistake

    out = Console(file=StandardOutput(), highlight=False)  # type: ignore[arg-type]
    if not out.is_terminal:
        out.width = max(out.width, least)
    return out
