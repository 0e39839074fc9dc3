from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from kanrun.report.status import InterruptedRun, state_of
from kanrun.sweep import pools
from kanrun.sweep.pools import InThisProcess, Processes, local_pool, prepared_for
from kanrun.sweep.running import run_tasks
from kanrun.sweep.tasks import Outcome, Task
from tests.contract import read_json
from tests.sweep.folders import whole

QUICK = {
    "dataset": {"formula": "x_1", "n_train": 20, "n_test": 10, "domain": [-1, 1]}, "model": {"width": [1, 1]},
    "optimizer": {"name": "adam", "steps": 2, "refit_steps": 1}, "plots": {"name": "none", "enabled": False},
    "symbolic": {"name": "none", "enabled": False}, "prune": {"name": "none", "enabled": False},
}  # fmt: skip


class Heard:
    """Keeps what a sweep tells."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.most = 0

    def began(self, running: int) -> None:
        self.most = max(self.most, running)

    def ended(self, task: Task, outcome: Outcome) -> None:
        assert task.number == outcome.number
        self.outcomes.append(outcome)


def tasks(folder: Path, number: int, **more: Any) -> list[Task]:
    content = whole({**QUICK, **more})
    return [Task(n, folder / str(n), {"seed": n}, {**content, "seed": n}) for n in range(number)]


def test_processes_give_the_numbers_of_one_process(tmp_path: Path) -> None:
    one, two = Heard(), Heard()
    run_tasks(tasks(tmp_path / "one", 3), InThisProcess(), one)
    run_tasks(tasks(tmp_path / "two", 3), Processes(2), two)
    here, there = ({outcome.number: outcome for outcome in heard.outcomes} for heard in (one, two))
    assert [here[n].state for n in range(3)] == ["completed"] * 3
    assert [here[n].score for n in range(3)] == [there[n].score for n in range(3)]
    assert (one.most, two.most) == (1, 2)


def test_a_failure_is_an_outcome_and_stands_in_the_folder(tmp_path: Path) -> None:
    some = tasks(tmp_path, 2)
    some[0].content["dataset"] = {**some[0].content["dataset"], "formula": "x_1 +"}
    first, second = run_tasks(some, InThisProcess(), Heard())
    assert (first.state, second.state) == ("failed", "completed")
    status = read_json(tmp_path / "0" / "status.json")
    assert status["state"] == "failed" and first.error and status["error"] in first.error


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_costs_no_job(tmp_path: Path, by: signal.Signals) -> None:
    pool, heard = Processes(2), Heard()
    slow = {"optimizer": {"name": "adam", "steps": 600, "refit_steps": 1}}
    some = tasks(tmp_path, 4, **slow)

    def began(running: int) -> None:
        Heard.began(heard, running)
        if len(heard.outcomes) == 1 and not killed:
            killed.append(next(iter(pool.executor._processes)))
            os.kill(killed[0], by)

    killed = list[int]()
    heard.began = began  # type: ignore[method-assign]
    outcomes = run_tasks(some, pool, heard)
    assert killed and sorted(outcome.number for outcome in outcomes) == [0, 1, 2, 3]
    assert {state_of(task.folder) for task in some} == {"completed"}


def test_a_job_whose_process_is_always_killed_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "work_here", killed_at_work)
    first, second = sorted(run_tasks(tasks(tmp_path, 2), Processes(1), Heard()), key=lambda one: one.number)
    assert (first.state, second.state) == ("failed", "completed")
    assert first.error and "killed 2 times" in first.error
    assert read_json(tmp_path / "0" / "status.json")["state"] == "failed"


def killed_at_work(task: Task) -> Outcome:
    """Job 0 takes its process with it."""
    if task.number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(task.number, "completed")


def test_a_signal_ends_the_jobs_with_what_they_have_reached(tmp_path: Path) -> None:
    rows = {**QUICK["dataset"], "n_train": 60}  # as many as end no training before its last step
    slow = {"optimizer": {"name": "adam", "steps": 200_000, "refit_steps": 1}, "dataset": rows}
    some, heard = tasks(tmp_path, 6, **slow), Heard()

    def began(running: int) -> None:
        Heard.began(heard, running)
        end = time.monotonic() + 60
        while state_of(some[0].folder) != "running" and time.monotonic() < end:
            time.sleep(0.05)
        signal.setitimer(signal.ITIMER_REAL, 0.3)

    heard.began = began  # type: ignore[method-assign]
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(InterruptedRun):
            run_tasks(some, Processes(2), heard)
    finally:
        signal.signal(signal.SIGALRM, before)
    states = [state_of(task.folder) for task in some]
    assert states[0] == "interrupted" and "running" not in states and states[-1] is None


def test_one_core_or_one_job_needs_no_other_process() -> None:
    assert isinstance(local_pool(1, 10), InThisProcess)
    assert isinstance(local_pool(None, 1), InThisProcess)


# ---- what a process of a pool does, in this one --------------------------------------------------------------------


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Whether a process of a pool begins no further job."""
    made = threading.Event()
    monkeypatch.setattr(pools, "ending", made)
    return made


def test_a_process_whose_job_a_signal_has_ended_begins_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: threading.Event
) -> None:
    states = iter(["completed", "interrupted"])
    monkeypatch.setattr(pools, "work", lambda task: Outcome(task.number, next(states)))
    ended = [pools.work_here(task) for task in tasks(tmp_path, 3)]
    assert [(one.state, one.error) for one in ended] == [
        ("completed", None), ("interrupted", None), ("interrupted", "not begun any more"),
    ]  # fmt: skip
    assert ending.is_set()


def test_a_process_ends_with_the_one_that_began_it_and_tells_its_job_first(
    monkeypatch: pytest.MonkeyPatch, ending: threading.Event
) -> None:
    done = list[Any]()
    monkeypatch.setattr(pools, "GRACE", -1)  # seconds: nobody waits here
    monkeypatch.setattr(os, "kill", lambda process, number: done.append((process, number, ending.is_set())))
    monkeypatch.setattr(os, "_exit", done.append)
    lifeline, other_end = multiprocessing.Pipe(duplex=False)
    other_end.close()
    pools.end_with(lifeline)
    assert done == [(os.getpid(), signal.SIGTERM, True), 1]


def test_a_process_takes_an_interrupt_for_the_end_of_the_sweep_and_not_of_itself(ending: threading.Event) -> None:
    before = signal.getsignal(signal.SIGINT)
    lifeline, other_end = multiprocessing.Pipe(duplex=False)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pools, "end_with", lambda connection: connection.close())
            pools.prepare(lifeline)
            os.kill(os.getpid(), signal.SIGINT)
            assert ending.wait(10)
    finally:
        signal.signal(signal.SIGINT, before)
        other_end.close()


class Executor:
    """Processes of which nothing is done here; `broken` ones take no job, as after one of them was killed."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def submit(self, *_: Any) -> Future[Outcome]:
        if self.broken:
            raise BrokenProcessPool
        return Future()

    def shutdown(self, **_: Any) -> None:
        """As it is."""


def test_where_processes_were_killed_what_they_had_done_is_kept_and_the_next_job_has_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [Executor(), Executor(broken=True)]
    lifeline, other_end = multiprocessing.Pipe(duplex=False)
    monkeypatch.setattr(pools, "begun", lambda _: (there.pop(), lifeline))
    pool, (first, second, third) = Processes(1), tasks(tmp_path, 3)
    done, lost = Future[Outcome](), Future[Outcome]()
    done.set_result(Outcome(first.number, "completed"))
    lost.set_exception(BrokenProcessPool())
    pool.going = {done: first, lost: second}
    pool.submit(third)
    assert pool.next() == Outcome(0, "completed")
    assert [(task.number, task.again) for task in pool.going.values()] == [(1, True), (2, False)]
    other_end.close()


def test_an_error_of_a_process_is_the_failure_of_its_job(tmp_path: Path) -> None:
    future = Future[Outcome]()
    future.set_exception(MemoryError("no room"))
    [task] = tasks(tmp_path, 1)
    assert pools.result_of(future, task) == Outcome(0, "failed", "MemoryError: no room")


def test_variables_are_there_for_what_begins_within_and_those_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANRUN_TEST_SET", "user")
    monkeypatch.delenv("KANRUN_TEST_NEW", raising=False)
    with prepared_for({"KANRUN_TEST_SET": "1", "KANRUN_TEST_NEW": "1"}):
        assert (os.environ["KANRUN_TEST_SET"], os.environ["KANRUN_TEST_NEW"]) == ("user", "1")
    assert os.environ["KANRUN_TEST_SET"] == "user" and "KANRUN_TEST_NEW" not in os.environ
