from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kanrun.config.schema import Config, MlflowConfig
from kanrun.discovery.state import Tried
from kanrun.report.trackers.listener import Tracker, settings_of
from kanrun.training.history import Record
from tests.report.test_outputs import result


class Kept:
    """A sink that keeps what it is given, and fails where it is told to."""

    def __init__(self) -> None:
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.told: list[tuple[str, ...]] = []
        self.settings: Mapping[str, str] = {}
        self.broken = False

    def parameters(self, settings: Mapping[str, str]) -> None:
        self.settings = settings

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, value))

    def text(self, name: str, text: str) -> None:
        self.told.append(("text", name, text))

    def picture(self, name: str, path: Path) -> None:
        self.told.append(("picture", name, path.name))

    def close(self, completed: bool) -> None:
        self.told.append(("close", str(completed)))


@pytest.fixture
def sink() -> Kept:
    return Kept()


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def tracker(sink: Kept, warned: list[str]) -> Tracker:
    return Tracker(Config(tracker=MlflowConfig()), lambda: sink, warned.append)


def record(stage: str, step: int, loss: float, validation: float | None = None) -> Record:
    return Record(stage, step, loss, None, 0.0, 0.1, validation)


def test_trainings_of_a_stage_are_one_curve_and_only_numbers_are_put(tracker: Tracker, sink: Kept) -> None:
    for step, loss in [(0, 3.0), (1, 2.0), (0, 2.5), (1, float("inf"))]:
        tracker.step(record("train", step, loss), 9)
    tracker.step(record("refit", 4, 1.0, 0.5), 9)  # the first that a resumed run tells of
    assert sink.curves["train/train_loss"] == [(0, 3.0), (1, 2.0), (2, 2.5)]
    assert sink.curves["refit/validation_loss"] == [(4, 0.5)]
    assert "train/test_loss" not in sink.curves


def test_networks_of_a_search_and_scores_of_stages_are_put(tracker: Tracker, sink: Kept) -> None:
    for least in (0.5, 0.25):
        tracker.trial(Tried("sum", 0.5, 1.0, least=least))
    entry: dict[str, Any] = {"name": "train", "seconds": 1.5, "parameters": 7, "active_edges": 2, "width": [2, 1],
             "train": {"rmse": 0.5, "r2": None, "outputs": {"y": {"rmse": 0.5}}}, "test": None}  # fmt: skip
    tracker.stage_ended(entry)
    assert sink.curves["search/least"] == [(0, 0.5), (1, 0.25)]
    assert {name: points for name, points in sink.curves.items() if name.startswith("train/")} == {
        "train/train_rmse": [(0, 0.5)], "train/seconds": [(0, 1.5)], "train/parameters": [(0, 7.0)],
        "train/active_edges": [(0, 2.0)],
    }  # fmt: skip


def test_at_the_end_there_are_formula_pictures_and_final_scores(tracker: Tracker, sink: Kept, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "history.png").touch()
    (tmp_path / "plots" / "history.svg").touch()
    (tmp_path / "formula.txt").write_text("y = 2*µ", encoding="utf-8")
    found = replace(result("train"), metrics={"final": {"rmse": 0.5}, "total_seconds": 3.0})
    tracker.ended(found, tmp_path)
    tracker.close()
    assert (sink.curves["final/rmse"], sink.curves["total_seconds"]) == ([(0, 0.5)], [(0, 3.0)])
    assert sink.told == [("text", "formula", "y = 2*µ"), ("picture", "history", "history.png"), ("close", "True")]
    assert sink.settings == settings_of(tracker.config)


def test_a_run_that_was_cut_off_is_said_to_be(tracker: Tracker, sink: Kept, tmp_path: Path) -> None:
    tracker.stage_began("train")
    tracker.ended(replace(result("train"), interrupted="SIGINT"), tmp_path)
    tracker.close()
    assert sink.told == [("close", "False")]
    tracker.step(record("train", 0, 1.0), 9)
    assert sink.told == [("close", "False")] and "train/train_loss" not in sink.curves


def test_one_that_never_began_is_never_opened(warned: list[str]) -> None:
    def opened() -> Kept:
        raise AssertionError

    Tracker(Config(), opened, warned.append).close()
    assert warned == []


def test_a_tracker_that_fails_is_told_of_once_and_costs_nothing_else(
    tracker: Tracker, sink: Kept, warned: list[str]
) -> None:
    tracker.stage_began("train")
    sink.broken = True
    tracker.step(record("train", 0, 1.0), 9)
    tracker.step(record("train", 1, 1.0), 9)
    tracker.close()
    assert warned == ["tracker=mlflow: nothing is tracked from here on (OSError: [Errno 28] No space left on device)"]
    assert sink.told == []


def test_parameters_are_the_settings_that_say_what_is_computed() -> None:
    settings = settings_of(Config(seed=7, overwrite=True, console="quiet"))
    assert settings["seed"] == "7" and settings["model.width"] == "null" and settings["optimizer.name"] == "auto"
    assert not any(key.startswith(("tracker", "console", "overwrite")) for key in settings)
