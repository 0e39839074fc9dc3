"""Where jobs run on this machine: in this process, or in some that import everything once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Protocol

from kanrun.errors import ConfigError, wrong
from kanrun.pipeline.interruption import GRACE
from kanrun.report.status import InterruptedRun, state_of
from kanrun.sweep.tasks import Outcome, Task, leave_word, work

TRIES = 2  # of a job whose process is killed
ROUNDS = 20  # in which a job can be going on, however the others end
# One thread a job: more than there are cores wait for each other.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PRELOADED = ["kanrun.sweep.preloaded"]


class Pool(Protocol):
    """Does jobs, some at a time."""

    size: int

    def submit(self, task: Task) -> None:
        """Takes a job."""

    def next(self) -> Outcome:
        """The next one that ends, of those that were taken."""

    def close(self, signal: str | None = None) -> list[Outcome]:
        """Ends what is still going on because of a signal, and gives what became of it."""


class InThisProcess:
    """One job after the other, here; `last_resort` ends the process where a signal does not end a job soon enough."""

    size = 1

    def __init__(self, last_resort: Callable[[Any, str], None] | None = None) -> None:
        self.last_resort = last_resort
        self.waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """It waits."""
        self.waiting.append(task)

    def next(self) -> Outcome:
        """Does the first one. Raises InterruptedRun where a signal has ended it."""
        outcome = work(self.waiting.popleft(), self.last_resort)
        if outcome.state == "interrupted":
            raise InterruptedRun((outcome.error or "SIGINT").split()[-1])
        return outcome

    def close(self, signal: str | None = None) -> list[Outcome]:  # noqa: ARG002
        """Nothing goes on."""
        self.waiting.clear()
        return []


class Processes:
    """`size` processes that live as long as the pool.

    A process that is killed costs its job one try: the others go on in new processes, and so does the job, from its
    checkpoint. When this process ends, however it does, so do they.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.going: dict[Future[Outcome], Task] = {}
        self.tries: Counter[int] = Counter()
        self.rounds: Counter[int] = Counter()
        self.ended: deque[Outcome] = deque()
        self.executor, self.lifeline = begun(size)

    def submit(self, task: Task) -> None:
        """Gives it to the next process that is free."""
        try:
            self.going[self.executor.submit(work_here, task)] = task
        except BrokenProcessPool:
            self.begin_again()
            self.going[self.executor.submit(work_here, task)] = task

    def next(self) -> Outcome:
        """The next one that ends."""
        while not self.ended:
            done, _ = wait(self.going, return_when=FIRST_COMPLETED)
            future = next(iter(done))
            if isinstance(future.exception(), BrokenProcessPool):
                self.begin_again()
                continue
            outcome = result_of(future, self.going[future])
            if outcome.state != "interrupted":
                del self.going[future]
                return outcome
            self.begin_again()  # by a signal to its process, which does nothing more
        return self.ended.popleft()

    def begin_again(self) -> None:
        """New processes for what the old ones have not done, once these are gone and have let go of their folders.

        Of the jobs that can have been going on, the first ones, a try is lost by those that were killed: the others
        were told to end, and say so.
        """
        self.lifeline.close()
        self.executor.shutdown(wait=True, cancel_futures=True)  # end_with sees to its end
        going, self.going = self.going, {}
        unfinished = []
        for future, task in going.items():
            outcome = None if future.cancelled() else result_of(future, task)
            if outcome is None or outcome.state == "interrupted":
                unfinished.append(task)
            else:
                self.ended.append(outcome)
        self.executor, self.lifeline = begun(self.size)
        for place, task in enumerate(unfinished):
            if place < self.size:
                self.rounds[task.number] += 1
                self.tries[task.number] += state_of(task.folder) != "interrupted"
                task = replace(task, again=True)
            if self.tries[task.number] < TRIES and self.rounds[task.number] < ROUNDS:
                self.submit(task)
            else:
                said = f"its process was killed {TRIES} times, as a system short of memory does"
                leave_word(task, said)
                self.ended.append(Outcome(task.number, "failed", said))

    def close(self, signal: str | None = None) -> list[Outcome]:
        """Ends the processes; with a signal, which a terminal gives to all of them, after they had time for it."""
        for future in self.going:
            future.cancel()
        running = [future for future in self.going if not future.cancelled()]
        if signal is not None:
            wait(running, timeout=GRACE if signal == "SIGINT" else 0)
        self.lifeline.close()
        done, _ = wait(running, timeout=GRACE + 2)
        self.executor.shutdown(wait=signal is None, cancel_futures=True)
        return [result_of(future, self.going[future]) for future in done if not future.cancelled()]


def result_of(future: Future[Outcome], task: Task) -> Outcome:
    """What became of a job; one whose process was killed is interrupted."""
    error = future.exception()
    if error is None:
        return future.result()
    state = "interrupted" if isinstance(error, BrokenProcessPool) else "failed"
    return Outcome(task.number, state, f"{type(error).__name__}: {error}")


def begun(size: int) -> tuple[ProcessPoolExecutor, Connection]:
    """Processes that end when the connection is closed, or this process is gone."""
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload(PRELOADED)  # imported once, for all of them
    theirs, ours = context.Pipe(duplex=False)
    with prepared_for(ONE_THREAD):
        executor = ProcessPoolExecutor(size, context, prepare, (theirs,))
        executor.submit(os.getpid).result()  # the first one is there, with this environment
    return executor, ours


ending = threading.Event()  # in a process of a pool: no further job is begun


def work_here(task: Task) -> Outcome:
    """Does a job in a process of a pool."""
    if ending.is_set():
        return Outcome(task.number, "interrupted", "not begun any more")
    outcome = work(task)
    if outcome.state == "interrupted":  # by a signal that is for the whole sweep
        ending.set()
    return outcome


def prepare(lifeline: Connection) -> None:
    """What a process of the pool does first: only a run takes notice of signals, and it ends with its parent."""
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    threading.Thread(target=end_with, args=(lifeline,), daemon=True).start()


def end_with(lifeline: Connection) -> None:
    """Waits until nobody holds the other end any more; a run then has some time to keep what it has reached."""
    with suppress(EOFError, OSError):
        lifeline.recv()
    ending.set()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE + 1)
    os._exit(1)


@contextmanager
def prepared_for(values: dict[str, str]) -> Iterator[None]:
    """Variables for the processes that begin within the block; those that are set stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def local_pool(jobs: int | None, tasks: int, last_resort: Callable[[Any, str], None] | None = None) -> Pool:
    """As many processes as are wanted, or cores are free; none beside this one where one is enough."""
    size = min(checked(jobs) or free_cores(), tasks)
    return Processes(size) if size > 1 else InThisProcess(last_resort)


def checked(jobs: Any) -> int | None:
    """How many jobs at a time are asked for. Raises ConfigError for what is no such number."""
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise ConfigError(
            wrong("hydra.launcher.jobs", jobs, "1 or more jobs at a time; null: as many as there is room")
        )
    return jobs


def free_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
