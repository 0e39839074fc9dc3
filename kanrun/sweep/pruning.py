"""Jobs that a search ends early: those that fall behind the median of the ones before, step by step of their training.

The rule is that of Golovin et al. 2017 (Google Vizier, section 3.1, median stopping), on the least validation loss so
far. What to compare with is known when a job begins, so that it needs nobody to ask.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kanrun.context import Silent

LEAST = 5  # finished jobs before any is ended early
FIRST = 5  # steps of every job that are not judged
PRUNING = "pruning"  # in the place of a signal


def bounds_of(curves: Sequence[Sequence[float]]) -> list[float]:
    """The median of the curves at each step, as long as LEAST of them have it; empty for fewer curves."""
    bounds = []
    for step in range(max(map(len, curves), default=0)):
        there = [curve[step] for curve in curves if step < len(curve)]
        if len(there) < LEAST:
            break
        bounds.append(statistics.median(there))
    return bounds


def curve_of(run: Path) -> list[float]:
    """The least validation loss so far at each step of a run's first training; empty where there is none."""
    best, curve = math.inf, []
    try:
        with open(run / "history.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["stage"] == "train":
                    best = min(best, float(row["validation_loss"]))
                    curve.append(best)
    except (OSError, ValueError, KeyError):
        return []
    return curve


class MedianStop(Silent):
    """Ends a run whose validation loss at a step has never been as good as the bound there."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.steps, self.best, self.reason = bounds, 0, math.inf, ""

    def step(self, record: Any, steps: int) -> None:  # noqa: ARG002
        """A step of a training."""
        if record.stage != "train" or record.validation_loss is None:
            return
        self.best = min(self.best, record.validation_loss)
        if FIRST <= self.steps < len(self.bounds) and self.best > self.bounds[self.steps]:
            self.reason = PRUNING
        self.steps += 1

    def cancelled(self) -> str | None:
        """Why the run has to end."""
        return self.reason or None
