"""One job of a sweep: what it is given, what becomes of it, and how it is done in whatever process."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanrun.errors import KanrunError, failure
from kanrun.sweep.pruning import PRUNING, MedianStop


@dataclass(frozen=True)
class Task:
    """A job: its number, its folder, what of the sweep's values it has, and the settings of its run, plain values.

    `again` is said of a folder that may hold an unfinished run of the same config, which goes on or is replaced. With
    `bounds` on its validation loss, a step each, a run ends early that stays above them.
    """

    number: int
    folder: Path
    values: Mapping[str, Any]
    content: dict[str, Any]
    again: bool = False
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job has ended: completed, failed, interrupted or pruned; `loss` is that of validation rows, if any."""

    number: int
    state: str
    error: str | None = None
    loss: float | None = None
    score: tuple[str, float] | None = None  # what people look at: its name, and that of test rows
    formula: str | None = None
    seconds: float = 0.0


def work(task: Task, last_resort: Callable[[Any, str], None] | None = None) -> Outcome:
    """Does a job. Nothing is raised but what ends the process: a failure is an outcome, and stands in the folder.

    `last_resort` is called where a signal does not end it soon enough; without one its process ends.
    """
    from kanrun.report.status import InterruptedRun

    logging.captureWarnings(True)
    begun = time.perf_counter()
    try:
        metrics = run_or_resume(task, last_resort or end_quietly)
    except InterruptedRun as error:
        state = "pruned" if error.signal == PRUNING else "interrupted"
        return Outcome(task.number, state, str(error), seconds=time.perf_counter() - begun)
    except Exception as error:
        said = "; ".join(str(error).splitlines()) if isinstance(error, KanrunError) else failure(error)
        leave_word(task, said)
        return Outcome(task.number, "failed", said, seconds=time.perf_counter() - begun)
    return outcome_of(task, metrics)


def work_from_queue(task: Task) -> Outcome:
    """Does a job in a process that a queue has begun for it, which has imported nothing yet."""
    import kanrun.sweep.preloaded  # noqa: F401

    return work(task)


def run_or_resume(task: Task, last_resort: Callable[[Any, str], None]) -> dict[str, Any]:
    """Begins the run, or goes on with what is there. Gives back the metrics."""
    from kanrun.pipeline.run import begin_run, resume
    from kanrun.report.files import read_json
    from kanrun.report.status import state_of
    from kanrun.sweep.resuming import holds

    content, overseer = dict(task.content), MedianStop(task.bounds) if task.bounds else None
    if task.again:
        state = state_of(task.folder)
        if state == "completed" and holds(task):
            return dict(read_json(task.folder / "metrics.json"))
        kept = (
            state == "failed" and (task.folder / "checkpoint").exists()
        )  # by a time limit, or a process that was lost
        if (kept or state in ("running", "interrupted")) and holds(task):
            with suppress(KanrunError):  # such as a checkpoint of another version
                metrics = resume(task.folder, True, last_resort, overseer)
                if metrics is not None:
                    return metrics
        content["overwrite"] = True
    return begin_run(content, task.folder, True, last_resort, "hydra.sweep.dir", overseer)


def outcome_of(task: Task, metrics: Mapping[str, Any]) -> Outcome:
    """That of a run that is completed."""
    from kanrun.report.files import read_json

    final = metrics.get("final") or {}
    name = next((key for key in ("accuracy", "rmse", *final) if key in final), None)
    formula = None
    with suppress(OSError, ValueError, KeyError, IndexError, TypeError):
        formula = str(read_json(task.folder / "formula.json")[0]["rounded"])
    score = None if name is None or final[name] is None else (f"{metrics.get('final_of', 'test')} {name}", final[name])
    return Outcome(task.number, "completed", None, validation_loss(metrics), score, formula, metrics["total_seconds"])


def validation_loss(metrics: Mapping[str, Any]) -> float | None:
    """The loss of the last stage on the validation rows, None where there are none."""
    from kanrun.data.losses import loss_of

    scores = metrics["stages"][-1].get("validation")
    return None if scores is None else scores[loss_of(scores).name]


def leave_word(task: Task, error: str) -> None:
    """Says in the folder that the job has failed, where its run has not come to say so itself."""
    from kanrun.config.validation import read_config
    from kanrun.report.folder import write_config
    from kanrun.report.lock import in_use
    from kanrun.report.paging import write_page
    from kanrun.report.status import Status, state_of

    with suppress(OSError, KanrunError):
        if state_of(task.folder) in ("completed", "failed") or in_use(task.folder):
            return
        task.folder.mkdir(parents=True, exist_ok=True)
        write_config(task.folder, read_config(task.content))
        Status(task.folder).write("failed", error)
        write_page(task.folder)


def end_quietly(status: Any, name: str) -> None:
    """Ends a worker where a signal has not ended its run soon enough."""
    from kanrun.report.paging import paged

    with paged(status.path.parent):
        status.interrupted(name)
    os._exit(128 + int(signal.Signals[name]))
