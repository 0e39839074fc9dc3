from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from kanrun.context import Budget, Meter
from kanrun.discovery.state import Tried
from kanrun.report.progress import Beat, Progress
from kanrun.training.history import Record


def record(step: int, validation: float | None = None, **more: int) -> Record:
    return Record("train", step, 0.25, 0.5, 0.0, 2.0, validation, **more)


def drawn(progress: Progress, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, force_terminal=False).print(progress)
    [line] = text.getvalue().splitlines()
    return line


def test_of_a_training_it_says_what_is_left_the_losses_and_the_step() -> None:
    progress = Progress("train", "RMSE", root=True)
    assert (progress.fraction(), progress.left()) == (None, None)
    progress.step(record(4, 0.16, attempt=1), 20)
    assert progress.fraction() == 0.25
    assert progress.left() == 6.0  # 2 s for 5 of 20 steps
    assert progress.words() == ["6 s left", "RMSE 0.5", "validation 0.4", "step 5/20", "restart 2"]
    other = Progress("train", "entropy")
    other.step(record(19), 20)
    assert other.words()[:2] == ["0 s left", "entropy 0.25"]


def test_of_a_budget_of_work_it_says_what_is_left_at_the_pace_so_far() -> None:
    meter = Meter()
    meter.work = 50.0  # before the stage was allowed anything
    progress = Progress("symbolic")
    progress.step(record(4), 20)
    progress.allowed(Budget.of(meter, work=1050.0))
    assert progress.fraction() == 0.0 and progress.left() is None
    meter.work += 250.0
    progress.begun = time.monotonic() - 10.0
    assert progress.fraction() == 0.25
    assert progress.left() == pytest.approx(30.0, rel=0.1)  # of 10 s for a quarter
    assert progress.words()[0].startswith("up to 3") and progress.line().split()[3:5] == ["25", "%,"]
    meter.work += 5000.0
    assert (progress.fraction(), progress.left()) == (1.0, 0.0)


def test_of_a_budget_of_seconds_it_says_how_many_are_left() -> None:
    progress = Progress("search")
    progress.allowed(Budget.of(Meter(used=15.0), seconds=60.0))
    assert progress.left() == pytest.approx(45.0, abs=5.0)
    progress.trial = Tried("sum", 0.5, 1.0, structures=3, least=0.00123)
    assert progress.words()[1:] == ["3 structures tried", "the best leaves 1.2e-03 of the variance"]
    unlimited = Progress("search")
    unlimited.allowed(Budget.of(Meter()))
    assert unlimited.fraction() is None and unlimited.words() == ["0 s"]


@pytest.mark.parametrize("width", [100, 60, 40, 24])
def test_it_is_one_line_with_as_many_words_as_there_is_room_for(width: int) -> None:
    progress = Progress("train", "RMSE", root=True)
    progress.step(record(4, 0.16), 20)
    line = drawn(progress, width)
    assert len(line) <= width and line.startswith("train ")
    words = ["6 s left", "RMSE 0.5", "validation 0.4", "step 5/20"]
    there = [word for word in words if word in line]
    assert there == words[: len(there)] and (len(there) == 4) == (width == 100)
    assert len(drawn(Progress("search temperature"), width)) <= width


def test_a_beat_ends_when_it_is_told_to() -> None:
    counted: list[int] = []
    beat = Beat(0.0005, lambda: counted.append(1))
    beat.start()
    while not counted:
        time.sleep(0.001)
    beat.stop()
    before = len(counted)
    time.sleep(0.01)
    assert len(counted) == before
    Beat(1.0, counted.clear).stop()  # one that was never begun
