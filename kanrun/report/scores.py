"""How scores are called and shown: one kind of error throughout, and no R2 of 1 that is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kanrun.data.losses import LOSSES, MSE
from kanrun.report.numbers import part_shown, shown
from kanrun.report.standard_output import first_that_fits

NAMES = {"rmse": "RMSE", "r2": "R2", "accuracy": "accuracy"}  # of scores beside the loss


def score_of(scores: Mapping[str, Any], key: str) -> str:
    """One of the scores as it is shown."""
    return (part_shown if key in ("r2", "accuracy") else shown)(scores.get(key))


def scores_shown(found: Mapping[str, Any]) -> list[str]:
    """Which scores a table shows, in order: no mean squared error beside its root."""
    return [k for k in (*LOSSES, *NAMES) if k in found and not (k == MSE.name and "rmse" in found)]


def name_of(key: str) -> str:
    """How a score is called in tables."""
    return LOSSES[key].short if key in LOSSES else NAMES[key]


def told(record: Mapping[str, Any]) -> tuple[str, str]:
    """The most telling score, by its name, and how it is shown."""
    key = next(k for k in ("accuracy", "rmse", *LOSSES) if k in record)
    return name_of(key), score_of(record, key)


def as_error(value: float | None, scores: Mapping[str, Any]) -> float | None:
    """A loss in the kind of error that `scores` have: the root of a mean squared error of values."""
    return math.sqrt(value) if value is not None and value >= 0 and "rmse" in scores else value


def error_name(scores: Mapping[str, Any], loss: str) -> str:
    """What `as_error` gives, by its name; the loss is called `loss` by itself."""
    return NAMES["rmse"] if "rmse" in scores else loss


def score_table(stages: Sequence[Mapping[str, Any]], out: Console) -> Table:
    """The scores of every stage, as many of them as the console has room for."""
    parts = [part for part in ("train", "test") if stages[0].get(part)]
    keys = scores_shown(stages[0].get(parts[-1]) or {}) if parts else []
    judged = parts[-1:]
    choices = [(parts, keys, True), (judged, keys, True), (judged, keys[:1], True), (judged, keys[:1], False)]
    return first_that_fits([table_of(stages, *choice) for choice in choices], out)


def table_of(stages: Sequence[Mapping[str, Any]], parts: Sequence[str], keys: Sequence[str], sizes: bool) -> Table:
    """The table with these parts of the rows and these scores, and with the number of parameters."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    more = ["parameters"] * sizes + ["seconds"]
    for title in ("stage", *(f"{part} {name_of(key)}" for key in keys for part in parts), *more):
        table.add_column(title, justify="left" if title == "stage" else "right", no_wrap=True)
    for entry in stages:
        cells = [score_of(entry.get(part) or {}, key) for key in keys for part in parts]
        size = [str(entry.get("parameters"))] * sizes
        table.add_row(escape(str(entry.get("name"))), *cells, *size, f"{entry.get('seconds', 0):.1f}")
    return table
