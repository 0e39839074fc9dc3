"""What a queue does to jobs, by one that is made up; tests/cli/test_launching.py has submitit's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kanrun.errors import KanrunError
from kanrun.report.status import state_of
from kanrun.sweep import slurm_pool
from kanrun.sweep.slurm_pool import OnSlurm, imported
from kanrun.sweep.tasks import Outcome, Task
from tests.sweep.folders import whole


class Job:
    """One of a queue, which ends when it is cancelled, unless it hangs."""

    def __init__(self, ending: Outcome | Exception, ended: bool = False, hangs: bool = False) -> None:
        self.ending, self.ended, self.hangs = ending, ended, hangs

    def done(self) -> bool:
        return self.ended

    def cancel(self) -> None:
        self.ended = not self.hangs

    def result(self) -> Outcome:
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnSlurm:
    """One whose queue is made up, with a clock of its own."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(slurm_pool, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    return OnSlurm(tmp_path / ".submitit", "local", 2, {})


def task(folder: Path, number: int) -> Task:
    return Task(number, folder / str(number), {}, whole({"seed": number}))


def test_a_job_that_the_queue_has_ended_has_failed_and_its_folder_says_so(pool: OnSlurm, tmp_path: Path) -> None:
    pool.going = [(Job(Outcome(0, "completed")), task(tmp_path, 0)),
                  (Job(TimeoutError("over its minutes"), ended=True), task(tmp_path, 1))]  # fmt: skip
    outcome = pool.next()
    assert (outcome.number, outcome.state, outcome.error) == (1, "failed", "TimeoutError: over its minutes")
    assert state_of(tmp_path / "1") == "failed"
    assert [one.number for _, one in pool.going] == [0]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_signal_cancels_what_goes_on_and_waits_for_it_as_long_as_agreed(
    pool: OnSlurm, tmp_path: Path, hangs: bool
) -> None:
    pool.going = [(Job(Outcome(0, "interrupted")), task(tmp_path, 0)),
                  (Job(Outcome(1, "completed"), hangs=hangs), task(tmp_path, 1))]  # fmt: skip
    told = [(0, "interrupted"), *[(1, "completed")] * (not hangs)]
    assert [(one.number, one.state) for one in pool.close("SIGTERM")] == told
    assert (slurm_pool.time.monotonic() >= slurm_pool.ENDING) == hangs


def test_at_the_end_there_is_nothing_to_cancel(pool: OnSlurm) -> None:
    assert pool.close() == []


def test_without_its_package_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(KanrunError, match=r"submitit is not installed; pip install 'kanrun\[slurm\]'"):
        imported()
