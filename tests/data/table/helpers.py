"""Small tables in a folder, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.data.table.asked import Asked, Rows
from kanrun.data.table.read import read_table
from kanrun.errors import ConfigError

NUMBERS = range(1, 13)
PLAIN = "T,V,p\n" + "".join(f"{i},{i * i % 7},{i**3}\n" for i in NUMBERS)
TOTAL = sum(i**3 for i in NUMBERS)  # of p


def table(folder: Path, content: str | bytes, name: str = "table.csv") -> str:
    """The path of a file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows_of(folder: Path, content: str | bytes, target: str = "p", name: str = "table.csv", **more: Any) -> Rows:
    """The rows of a table."""
    return read_table(Asked(table(folder, content, name), [target], **more))


def complaint(folder: Path, content: str | bytes, target: str = "p", name: str = "table.csv", **more: Any) -> str:
    """The one line about a table that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        rows_of(folder, content, target, name, **more)
    (line,) = caught.value.problems
    assert line.startswith("dataset.") and "\n" not in line and "Error" not in line and "polars" not in line
    return line


def inputs_of(rows: Rows) -> list[str]:
    """What the user calls the inputs."""
    return [feature.label for feature in rows.inputs]
