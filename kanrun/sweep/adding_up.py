"""What the rows of a sweep add up to: a ranking, means over seeds, and how often each formula was found."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanrun.data.losses import LOSSES
from kanrun.errors import KanrunError
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.sweep.rows import Row

HIGHER = ("r2", "accuracy")  # scores of which more is better
CLOSE = 1e-6  # relative, between values of formulas that are the same
COMPARED = 500  # formulas that are held against each other; of further ones only texts are
POINTS = 16
MOST_KEYS = 8  # settings that are drawn


@dataclass(frozen=True)
class Group:
    """Jobs that differ in nothing but their seeds: of each score mean, standard deviation, number and best."""

    values: Mapping[str, Any]
    jobs: Sequence[str]
    completed: int
    scores: Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True)
class Found:
    """A formula, or a relation, that some jobs have found, in the text of the first."""

    text: str
    jobs: Sequence[str]
    exact: bool | None = None


@dataclass(frozen=True)
class Sums:
    """What the jobs of a folder add up to.

    `ranks` are the completed of `rows`, the best first by the score `key`; `lacking` are the names of jobs that have
    not begun, and never will where the sweep does not go on.
    """

    folder: Path
    rows: Sequence[Row]
    key: str | None
    ranks: Sequence[Row]
    groups: Sequence[Group]
    formulas: Sequence[Found]
    relations: Sequence[Found]
    lacking: Sequence[str] = ()
    goes_on: bool = False

    @property
    def states(self) -> dict[str, int]:
        """How many jobs have ended in which way."""
        return dict(Counter(row.state for row in self.rows))


def add_up(folder: Path, rows: Sequence[Row], lacking: Sequence[str] = (), goes_on: bool = False) -> Sums:
    """The sums of these jobs."""
    key = ranked_by(rows)
    found = groups_of(rows), formulas_found(rows), relations_found(rows)
    return Sums(folder, rows, key, ranking(rows, key), *found, lacking, goes_on)


def ranked_by(rows: Sequence[Row]) -> str | None:
    """The score that jobs are ranked by: the loss on validation rows, where they have such; else what there is."""
    there = Counter(key for row in rows for key, value in row.scores.items() if value is not None)
    wanted = [f"validation_{loss}" for loss in LOSSES] + ["cross_validation_rmse"] + [f"test_{loss}" for loss in LOSSES]
    for part in ("validation", "cross_validation", "test"):
        of_part = [key for key in wanted if key.startswith(part) and there[key]]
        if of_part:
            return max(of_part, key=lambda key: there[key])
    return None


def ranking(rows: Sequence[Row], key: str | None) -> list[Row]:
    """The completed jobs, the best first; those without the score last."""
    completed = [row for row in rows if row.state == "completed"]

    def place(row: Row) -> tuple[bool, float]:
        value = row.scores.get(key) if key else None
        return (value is None or math.isnan(value), 0.0 if value is None else value)

    return sorted(completed, key=place)


def in_one_kind(key: str, there: Iterable[str]) -> str:
    """The root of a mean squared error in its place, where there is one: it ranks alike, as all other errors are."""
    root = key.replace("_mse", "_rmse")
    return root if root in there else key


def scores_beside(rows: Sequence[Row], key: str | None) -> list[str]:
    """The scores that stand beside the jobs in tables: the one that ranks them, and those of test rows."""
    there = {k for row in rows for k in row.scores}
    first = [in_one_kind(key, there)] if key else []
    return list(dict.fromkeys([*first, *(k for k in ("test_accuracy", "test_rmse", "test_r2") if k in there)]))


def is_seed(key: str) -> bool:
    """Whether a setting only draws other numbers."""
    return key.split(".")[-1] == "seed"


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """The jobs that differ only in their seeds, together; none where no seed was varied."""
    if not any(is_seed(key) for row in rows for key in row.values):
        return []
    together: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        rest = tuple((key, str(value)) for key, value in row.values.items() if not is_seed(key))
        together.setdefault(rest, []).append(row)
    return [
        Group(
            {key: value for key, value in some[0].values.items() if not is_seed(key)}, [row.job for row in some],
            sum(row.state == "completed" for row in some), spread_of(some),
        )
        for some in together.values()
    ]  # fmt: skip


def spread_of(rows: Sequence[Row]) -> dict[str, dict[str, float | int | None]]:
    """Mean, standard deviation (with n - 1), number and best of every score."""
    found: dict[str, dict[str, float | int | None]] = {}
    for key in dict.fromkeys(key for row in rows for key in row.scores):
        values = [value for row in rows if (value := row.scores.get(key)) is not None and math.isfinite(value)]
        if values:
            best = max if key.split("_")[-1] in HIGHER else min
            found[key] = {
                "mean": statistics.fmean(values),
                "std": statistics.stdev(values) if len(values) > 1 else None,
                "n": len(values),
                "best": best(values),
            }
    return found


def formulas_found(rows: Sequence[Row]) -> list[Found]:
    """The different formulas, those found most often first; equal ones, however they are written, count as one."""
    by_text: dict[str, list[tuple[Row, Mapping[str, Any]]]] = {}
    for row in rows:
        for entry in row.formulas:
            own = f"{entry.get('output')} = " if len(row.formulas) > 1 else ""
            by_text.setdefault(own + str(entry.get("expression")), []).append((row, entry))
    most = sorted(by_text.values(), key=len, reverse=True)
    classes: list[tuple[Any, list[tuple[Row, Mapping[str, Any]]]]] = []
    for number, members in enumerate(most):
        values = values_of(members[0][1]) if number < COMPARED else None
        for other, there in classes:
            if values is not None and other is not None and are_equal(values, other):
                there.extend(members)
                break
        else:
            classes.append((values, list(members)))
    found = [
        Found(str(there[0][1].get("rounded")), [row.job for row, _ in there], there[0][1].get("exact"))
        for _, there in classes
    ]
    return sorted(found, key=lambda one: -len(one.jobs))


def values_of(entry: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The output and the values of a formula at some points, by the names of its inputs; None where it has none."""
    symbols = entry.get("symbols")
    names = sorted(symbols) if isinstance(symbols, dict) else None
    try:
        if not names:
            return None
        expression = parse_formula(str(entry["expression"]), names)
        columns = {name: points[:POINTS] for name, points in zip(names, points_of(len(names)), strict=True)}
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.asarray(evaluate(expression, columns), dtype=float), (POINTS,))
    except (KanrunError, KeyError, ValueError, TypeError, ArithmeticError):
        return None
    return (str(entry.get("output")), tuple(names), values)


def points_of(inputs: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Points [inputs, POINTS] with positive and negative coordinates, always the same ones."""
    draw = np.random.default_rng(20)
    points = draw.uniform(0.3, 1.7, (inputs, POINTS))
    points[:, POINTS // 2 :] = draw.uniform(-1.5, 1.5, (inputs, POINTS - POINTS // 2))
    return points


def are_equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether formulas of the same inputs have the same values wherever they have any."""
    if one[:2] != other[:2]:
        return False
    left, right = one[2], other[2]
    there = np.isfinite(left)
    if (there != np.isfinite(right)).any() or not there.any():
        return False
    size = np.maximum(np.abs(left[there]), np.abs(right[there]))
    return bool((np.abs(left[there] - right[there]) <= CLOSE * np.maximum(size, size.mean())).all())


def relations_found(rows: Sequence[Row]) -> list[Found]:
    """The different relations with the jobs that found them, those found most often first."""
    jobs: dict[str, list[str]] = {}
    for row in rows:
        for text in dict.fromkeys(row.relations):
            jobs.setdefault(text, []).append(row.job)
    return sorted((Found(text, found) for text, found in jobs.items()), key=lambda one: -len(one.jobs))


def varied(rows: Sequence[Row]) -> list[str]:
    """The settings of which completed jobs have more than one value; seeds are what the spread is over."""
    keys = dict.fromkeys(key for row in rows for key in row.values if not is_seed(key))
    return [key for key in keys if len({str(row.values.get(key)) for row in rows}) > 1][:MOST_KEYS]


def scored(rows: Sequence[Row], key: str | None) -> list[Row]:
    """The rows that have the score."""
    return [row for row in rows if key and (value := row.scores.get(key)) is not None and math.isfinite(value)]
