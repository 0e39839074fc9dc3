from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from kanrun.sweep.screen import Screen, in_words
from kanrun.sweep.tasks import Outcome, Task


def task(number: int, **values: object) -> Task:
    return Task(number, Path(str(number)), values, {})


def told(terminal: bool, outcomes: list[Outcome], width: int = 120) -> str:
    text = io.StringIO()
    out = Console(file=text, force_terminal=terminal, width=width, highlight=False)
    with Screen(len(outcomes), 2, 1, out) as screen:
        screen.began(2)
        for outcome in outcomes:
            screen.ended(task(outcome.number, seed=outcome.number, lamb=0.000123456789), outcome)
        if terminal:
            out.print(screen.picture())
    return text.getvalue()


OUTCOMES = [
    Outcome(0, "completed", None, 0.5, ("test rmse", 0.25), "x_1[0] + " * 20, 1.24),
    Outcome(1, "failed", "dataset.path=[/bold]: no such file"),
    Outcome(2, "completed", None, 0.25, ("test rmse", 0.125), None, 2.0),
    Outcome(3, "pruned", "interrupted by pruning", seconds=0.5),
]


def test_where_nobody_looks_there_is_a_line_a_job() -> None:
    lines = told(False, OUTCOMES).splitlines()
    assert lines[0] == "sweep of 5 jobs, 1 of them done before, 2 at a time"
    assert lines[1].startswith("  1/4  job 0  seed=0 lamb=0.0001235  validation 0.5  test rmse 0.25  x_1[0] + ")
    assert lines[1].endswith(" ...  1.2 s") and len(lines[1]) < 160
    assert lines[2] == "  2/4  job 1  seed=1 lamb=0.0001235  failed: dataset.path=[/bold]: no such file"
    assert lines[4] == "  4/4  job 3  seed=3 lamb=0.0001235  ended early, 0.5 s"


def test_where_somebody_looks_there_is_one_screen() -> None:
    out = told(True, OUTCOMES)
    assert "4 of 4 done, 2 running, " in out and "1 failed" in out
    assert "best so far: job 2  seed=2 lamb=0.0001235  validation loss 0.25" in out


@pytest.mark.parametrize(("width", "letters"), [(120, 41), (84, 8), (70, 0)])
def test_a_job_is_one_line_of_a_narrow_terminal(width: int, letters: int) -> None:
    text = io.StringIO()
    screen = Screen(4, 2, 1, Console(file=text, force_terminal=True, width=width, highlight=False))
    line = screen.line(task(0, seed=0, lamb=0.000123456789), OUTCOMES[0])
    assert len(line.replace("\\[", "[")) <= max(width, 74) and line.endswith("  1.2 s")
    assert ("x_1" in line) == (letters > 0)


@pytest.mark.parametrize(("seconds", "words"), [(3.4, "3 s"), (119, "119 s"), (125, "2 min"), (7201, "2 h")])
def test_durations_are_in_the_unit_that_suits_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(("done", "said"), [(0, ""), (1, ", about 90 s left"), (3, ", about 10 s left"), (4, "")])
def test_the_time_that_is_left_is_told_at_the_pace_so_far(
    monkeypatch: pytest.MonkeyPatch, done: int, said: str
) -> None:
    now = [100.0]
    monkeypatch.setattr("kanrun.sweep.screen.time", SimpleNamespace(monotonic=lambda: now[0]))
    screen = Screen(4, 2, 0, Console(file=io.StringIO()))
    now[0] += 30.0
    assert screen.time_left(done) == said
