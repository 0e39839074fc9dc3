"""What a user asks of a table, and the rows that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kanrun.data.table.columns import Column, Feature
from kanrun.data.table.names import Name
from kanrun.data.table.trained import Trained

Array = Any


@dataclass(frozen=True)
class Asked:
    """What the user wants of a file; None where nothing was said.

    `like` are the columns of another file, in whose units and with whose texts this one is read.
    """

    path: str
    target: Sequence[str]
    inputs: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    where: str | None = None
    sigma: str | None = None
    weights: str | None = None
    group: str | None = None
    task: str = "auto"
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    like: Sequence[Trained] = ()


@dataclass
class Rows:
    """The rows of a table as arrays [rows]: those of the inputs, the targets, and what stands beside them.

    `labels` are the classes of a target that is no number, in order; `dropped` counts the rows that are left out, by
    reason; `names` are those of all columns of the file; `seen` are the texts in these rows of a column, by its
    key; `notes` say what was understood, `warnings` what is suspicious.
    """

    file: str
    inputs: list[Feature]
    targets: list[Column]
    x: Array
    y: Array
    labels: list[str] = field(default_factory=list)
    sigma: Array | None = None
    weights: Array | None = None
    group: Array | None = None
    numbers: Array | None = None  # that the rows have in the file, from 1
    beside: dict[str, Column] = field(default_factory=dict)  # the columns of these three
    names: list[Name] = field(default_factory=list)
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
