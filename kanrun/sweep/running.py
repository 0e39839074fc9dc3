"""The jobs of a sweep, some at a time, until all are done or a signal comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from kanrun.report.status import InterruptedRun
from kanrun.sweep.pools import Pool
from kanrun.sweep.tasks import Outcome, Task

AHEAD = 2  # jobs that a pool holds for each that it does


class Watcher(Protocol):
    """Is told how a sweep goes."""

    def began(self, running: int) -> None:
        """So many jobs are going on."""

    def ended(self, task: Task, outcome: Outcome) -> None:
        """A job has ended."""


def run_tasks(tasks: Sequence[Task], pool: Pool, watcher: Watcher) -> list[Outcome]:
    """What becomes of the jobs, in the order in which they end.

    Raises InterruptedRun where a signal comes; jobs that are going on then keep what they have reached.
    """
    waiting, going, found = list(tasks)[::-1], dict[int, Task](), list[Outcome]()
    with signals_raised():
        try:
            while waiting or going:
                while waiting and len(going) < AHEAD * pool.size:
                    task = waiting.pop()
                    going[task.number] = task
                    pool.submit(task)
                watcher.began(min(len(going), pool.size))
                outcome = pool.next()
                found.append(outcome)
                watcher.ended(going.pop(outcome.number), outcome)
        except KeyboardInterrupt as error:
            for outcome in pool.close(getattr(error, "signal", "SIGINT")):
                watcher.ended(going.pop(outcome.number), outcome)
            raise
        except BaseException:
            pool.close("SIGTERM")
            raise
        pool.close()
    return found


@contextmanager
def signals_raised() -> Iterator[None]:
    """Within the block a signal that ends programs is raised as InterruptedRun."""

    def raised(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise InterruptedRun(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, raised) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
