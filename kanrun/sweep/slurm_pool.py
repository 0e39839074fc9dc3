"""Jobs through submitit: on Slurm, or as processes of this machine, with the same files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kanrun.errors import ConfigError, KanrunError, failure, shorten, wrong
from kanrun.sweep.tasks import Outcome, Task, leave_word, work_from_queue

CLUSTERS = ("slurm", "local")
PAUSE = 0.2  # seconds between two looks at which jobs have ended
ENDING = 3.0  # seconds that interrupted jobs have to keep what they have reached


def check_settings(minutes: Any, cpus: Any, memory: Any, more: Any) -> None:
    """Raises ConfigError for what cannot be asked of a queue."""
    for name, value in (("minutes", minutes), ("cpus", cpus)):
        if type(value) is not int or value < 1:
            raise ConfigError(wrong(f"hydra.launcher.{name}", value, "a whole number, 1 or more"))
    if type(memory) not in (int, float) or not memory > 0:
        raise ConfigError(wrong("hydra.launcher.memory_gib", memory, "a number above 0"))
    if more is not None and not isinstance(more, Mapping):
        raise ConfigError(wrong("hydra.launcher.more", more, "a mapping of what submitit takes beside"))


class OnSlurm:
    """A pool whose jobs are submitit's, at most `size` of them at a time; their files lie in `folder`."""

    def __init__(self, folder: Path, cluster: str, size: int, settings: Mapping[str, Any]) -> None:
        if cluster not in CLUSTERS:
            raise ConfigError(wrong("hydra.launcher.cluster", cluster, f"one of {', '.join(CLUSTERS)}"))
        submitit = imported()
        try:
            self.executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self.executor.update_parameters(**settings)
        except Exception as error:
            reason = f"{shorten(str(error), 150)}; cluster=local does the same on this machine"
            raise ConfigError(wrong("hydra.launcher.cluster", cluster, reason)) from None
        self.size = size
        self.going: list[tuple[Any, Task]] = []

    def submit(self, task: Task) -> None:
        """Hands it to the queue."""
        task = replace(task, again=True)  # a queue may begin it anew
        self.going.append((self.executor.submit(work_from_queue, task), task))

    def next(self) -> Outcome:
        """The next one that ends."""
        while True:
            for place, (job, task) in enumerate(self.going):
                if job.done():
                    del self.going[place]
                    return outcome_of(job, task)
            time.sleep(PAUSE)

    def close(self, signal: str | None = None) -> list[Outcome]:
        """Cancels what goes on; the queue gives each job a signal and some time."""
        if signal is None:
            return []
        for job, _ in self.going:
            job.cancel()
        end = time.monotonic() + ENDING
        while time.monotonic() < end and not all(job.done() for job, _ in self.going):
            time.sleep(PAUSE)
        return [outcome_of(job, task) for job, task in self.going if job.done()]


def outcome_of(job: Any, task: Task) -> Outcome:
    """What became of a job; one that the queue has ended has failed."""
    try:
        found: Outcome = job.result()
    except Exception as error:
        leave_word(task, failure(error))
        return Outcome(task.number, "failed", failure(error))
    return found


def imported() -> Any:
    """submitit. Raises KanrunError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise KanrunError(
            "hydra/launcher=kanrun_slurm: submitit is not installed; pip install 'kanrun[slurm]'"
        ) from None
    return submitit
