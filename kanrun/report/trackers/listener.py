"""From a run's events to what a tracker takes: parameters, curves, scores, texts and pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from kanrun.config.schema import Config
from kanrun.context import Silent
from kanrun.errors import as_typed, failure
from kanrun.report.files import flat
from kanrun.training.history import Record

CURVES = ("train_loss", "test_loss", "validation_loss", "regularization")  # of a row of the history
OURS = ("tracker", "console", "overwrite")  # settings that say nothing of what is computed


class Sink(Protocol):
    """Where a tracker puts a run; it is opened when there is something to put."""

    def parameters(self, settings: Mapping[str, str]) -> None:
        """The settings by their dotted keys, as they are typed."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Finite numbers by their names, at a step of their own curve."""

    def text(self, name: str, text: str) -> None:
        """A text, such as a formula."""

    def picture(self, name: str, path: Path) -> None:
        """A picture in a PNG file."""

    def close(self, completed: bool) -> None:
        """Nothing more comes; whether the run has come to its end."""


class Tracker(Silent):
    """Listens to a run. Whatever fails in the tracker is told once, ends the tracking and nothing else."""

    def __init__(self, config: Config, opened: Callable[[], Sink], tell: Callable[[str], None]) -> None:
        self.config, self.opened, self.tell = config, opened, tell
        self.sink: Sink | None = None
        self.steps: dict[str, int] = {}  # that the curves of each stage have so far
        self.trials = 0
        self.completed = self.deaf = False

    def put(self, what: Callable[[Sink], None]) -> None:
        """Does something with the sink, which is opened before where it has to be."""
        if self.deaf:
            return
        try:
            if self.sink is None:
                self.sink = self.opened()
                self.sink.parameters(settings_of(self.config))
            what(self.sink)
        except Exception as error:  # a server that is down, or a disk that is full, is no reason to lose a run
            self.deaf = True
            self.tell(f"tracker={self.config.tracker.name}: nothing is tracked from here on ({failure(error)})")

    def stage_began(self, name: str) -> None:  # noqa: ARG002
        """The run is there from its first stage on."""
        self.put(lambda _: None)

    def step(self, record: Record, steps: int) -> None:  # noqa: ARG002
        """A row of the history; trainings of a stage come one behind the other."""
        number = self.steps.get(record.stage, record.step)
        self.steps[record.stage] = number + 1
        values = {f"{record.stage}/{key}": getattr(record, key) for key in CURVES}
        self.put(lambda sink: sink.numbers(finite(values), number))

    def trial(self, trial: Any) -> None:
        """A network of a search: what it and the best one so far leave unexplained."""
        number, self.trials = self.trials, self.trials + 1
        values = {"search/unexplained": trial.unexplained, "search/least": trial.least}
        self.put(lambda sink: sink.numbers(finite(values), number))

    def stage_ended(self, entry: Mapping[str, Any]) -> None:
        """The scores of a stage."""
        self.put(lambda sink: sink.numbers(finite(dict(scores_of(entry))), 0))

    def ended(self, result: Any, folder: Path) -> None:
        """The formulas as text, the pictures and the final scores."""
        self.completed = result.interrupted is None
        final = result.metrics.get("final") or {}
        values = {f"final/{key}": value for key, value in final.items()}
        values["total_seconds"] = result.metrics.get("total_seconds")
        self.put(lambda sink: sink.numbers(finite(values), 0))
        self.put(lambda sink: put_files(sink, folder, self.completed))

    def close(self) -> None:
        """The end of the run, however it came."""
        if self.sink is not None:
            self.put(lambda sink: sink.close(self.completed))
        self.deaf = True


def put_files(sink: Sink, folder: Path, pictures: bool) -> None:
    """The formulas as text, and the pictures, as far as there are some."""
    if (folder / "formula.txt").exists():
        sink.text("formula", (folder / "formula.txt").read_text(encoding="utf-8"))
    for path in sorted((folder / "plots").glob("*.png")) if pictures else ():
        sink.picture(path.stem, path)


def settings_of(config: Config) -> dict[str, str]:
    """Every setting that says what is computed, as it is typed."""
    content = {key: value for key, value in asdict(config).items() if key not in OURS}
    return {key: as_typed(value) for key, value in flat(content)}


def scores_of(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The numbers of a stage by their names."""
    name = str(entry["name"])
    for part in ("train", "validation", "test"):
        for key, value in (entry.get(part) or {}).items():
            yield f"{name}/{part}_{key}", value
    for key in ("seconds", "parameters", "active_edges"):
        yield f"{name}/{key}", entry.get(key)


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of the values that are finite numbers."""
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
