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

    The last table and the file with its test rows are remembered as long as they stay as they are: a config is checked
    before it is run.
    """
    inputs = None if asked.inputs is None else tuple(asked.inputs)
    fixed = replace(asked, target=tuple(asked.target), inputs=inputs, ignore=tuple(asked.ignore))
    rows = read_once(fixed, stamp_of(Path(asked.path)))
    if isinstance(rows, ConfigError):
        raise ConfigError(rows.problems)  # a new one: an error that was raised holds on to what was there then
    return replace(rows, warnings=list(rows.warnings))  # to which more may be added


def stamp_of(path: Path) -> tuple[int, ...]:
    """What tells one state of a file from another; nothing where there is none."""
    try:
        file = path.stat()
    except (OSError, ValueError):
        return ()
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns


@lru_cache(maxsize=2)
def read_once(asked: Asked, stamp: tuple[int, ...]) -> Rows | ConfigError:  # noqa: ARG001
    """The same, or why not, read again only for another question or another `stamp` of the file."""
    try:
        with opened(Path(asked.path), told_of(asked)) as raw:
            reading = Reading(asked, raw)
            return Cleaning(reading, reading.found()).rows()
    except ConfigError as error:
        if any(p.startswith(("dataset", "seed")) for p in error.problems):
            return ConfigError(error.problems)
        return ConfigError(wrong("dataset.path", asked.path, "; ".join(error.problems)))


def told_of(asked: Asked) -> Told:
    """What the user has said of the file."""
    beside = [name for name in (asked.sigma, asked.weights, asked.group) if name is not None]
    called = (*asked.target, *(asked.inputs or ()), *asked.ignore, *beside)
    return Told(asked.separator, asked.decimal, asked.encoding, tuple(map(str, called)))
