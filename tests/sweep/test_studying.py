"""How a search ends, whatever ends it: what became of each trial is told, and what goes on is closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kanrun.errors import ConfigError, KanrunError
from kanrun.sweep.studying import Dimension, Study, open_study, search
from kanrun.sweep.tasks import Outcome, Task
from tests.sweep.folders import finished

STUDY = Study(3, ("validation",), "random", None, True, 0)
SPACE = [Dimension("model.grid", (), 3, 9, whole=True)]


class Made:
    """A pool of two whose jobs end as they are told to, in their order; those that are left over, as `last`."""

    size = 2

    def __init__(self, *endings: Callable[[int], Outcome], last: Callable[[int], Outcome] | None = None) -> None:
        self.endings, self.waiting, self.last = list(endings), list[Task](), last
        self.closed: list[str | None] = []

    def submit(self, task: Task) -> None:
        finished(task.folder, {}, 0.5)
        self.waiting.append(task)

    def next(self) -> Outcome:
        return self.endings.pop(0)(self.waiting.pop(0).number)

    def close(self, signal: str | None = None) -> list[Outcome]:
        self.closed.append(signal)
        return [self.last(task.number) for task in self.waiting] if self.last else []


class Heard:
    """Keeps how jobs have ended."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}

    def began(self, running: int) -> None:
        assert 1 <= running <= Made.size

    def ended(self, task: Task, outcome: Outcome) -> None:
        assert task.number == outcome.number
        self.states[task.number] = outcome.state


def completed(number: int) -> Outcome:
    return Outcome(number, "completed")


def pruned(number: int) -> Outcome:
    return Outcome(number, "pruned")


def lost(number: int) -> Outcome:
    return Outcome(number, "interrupted")


def at_the_keyboard(number: int) -> Outcome:  # noqa: ARG001
    raise KeyboardInterrupt


def full(number: int) -> Outcome:  # noqa: ARG001
    raise OSError(28, "No space left on device")


def searched(folder: Path, pool: Made, heard: Heard) -> list[Outcome]:
    def task_of(number: int, values: Mapping[str, Any]) -> Task:
        return Task(number, folder / str(number), values, {})

    return search(STUDY, SPACE, folder, task_of, pool, heard)


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in open_study(STUDY, folder)[1].trials]


def test_a_trial_that_was_ended_early_is_one_of_those_that_are_asked_for(tmp_path: Path) -> None:
    pool, heard = Made(completed, pruned, completed), Heard()
    assert len(searched(tmp_path, pool, heard)) == STUDY.trials
    assert heard.states == {0: "completed", 1: "pruned", 2: "completed"}
    assert states(tmp_path) == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert pool.closed == [None]


@pytest.mark.parametrize(("ending", "signal"), [(lost, "SIGTERM"), (at_the_keyboard, "SIGINT")])
@pytest.mark.parametrize(("last", "state"), [(completed, "COMPLETE"), (lost, "RUNNING")])
def test_a_signal_costs_no_trial_that_came_to_its_end_meanwhile_and_the_others_can_go_on(
    tmp_path: Path, ending: Callable[[int], Outcome], signal: str, last: Callable[[int], Outcome], state: str
) -> None:
    pool, heard = Made(ending, last=last), Heard()
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, pool, heard)
    assert pool.closed == [signal]
    assert heard.states == {1: last(1).state}
    assert states(tmp_path) == ["RUNNING", state]


def test_an_error_leaves_no_job_behind(tmp_path: Path) -> None:
    pool = Made(full)
    with pytest.raises(OSError, match="No space left"):
        searched(tmp_path, pool, Heard())
    assert pool.closed == ["SIGTERM"]


def test_a_search_for_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    open_study(STUDY, tmp_path)
    other = Study(3, ("validation", "seconds"), "random", None, False, 0)
    with pytest.raises(ConfigError, match=r"^hydra.sweeper.objectives=\[validation,seconds\]: the search there has 1"):
        open_study(other, tmp_path)


def test_without_its_package_a_search_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(KanrunError, match=r"Optuna is not installed; pip install 'kanrun\[optuna\]'"):
        open_study(STUDY, tmp_path)
