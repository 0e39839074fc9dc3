"""From a file to the rows that are used: columns as numbers, what was left out and why, and what was understood."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from kanrun.data.table.asked import Asked, Rows
from kanrun.data.table.cleaning import Cleaning
from kanrun.data.table.files import opened
from kanrun.data.table.raw import Told
from kanrun.data.table.reading import Reading
from kanrun.errors import ConfigError, wrong


def read_table(asked: Asked) -> Rows:
    """The rows of a file. Raises ConfigError, in one line, for what cannot be read, is not there or says nothing.

    The last table is remembered as long as its file stays as it is: a config is checked before it is run.
    """
    inputs = None if asked.inputs is None else tuple(asked.inputs)
    fixed = replace(asked, target=tuple(asked.target), inputs=inputs, ignore=tuple(asked.ignore))
    rows = read_once(fixed, stamp_of(Path(asked.path)))
    return replace(rows, warnings=list(rows.warnings))  # to which more may be added


def stamp_of(path: Path) -> tuple[int, ...]:
    """What tells one state of a file from another; nothing where there is none."""
    try:
        file = path.stat()
    except (OSError, ValueError):
        return ()
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns


@lru_cache(maxsize=1)
def read_once(asked: Asked, stamp: tuple[int, ...]) -> Rows:  # noqa: ARG001
    """The same, read again only for another question or another `stamp` of the file."""
    try:
        with opened(Path(asked.path), told_of(asked)) as raw:
            reading = Reading(asked, raw)
            return Cleaning(reading, reading.found()).rows()
    except ConfigError as error:
        if any(p.startswith(("dataset", "seed")) for p in error.problems):
            raise
        raise ConfigError(wrong("dataset.path", asked.path, "; ".join(error.problems))) from None


def told_of(asked: Asked) -> Told:
    """What the user has said of the file."""
    beside = [name for name in (asked.sigma, asked.weights, asked.group) if name is not None]
    called = (*asked.target, *(asked.inputs or ()), *asked.ignore, *beside)
    return Told(asked.separator, asked.decimal, asked.encoding, tuple(map(str, called)))
