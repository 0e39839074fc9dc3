"""The jobs of a launcher: made, done by its pool, and added up."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kanrun.cli.compose import plan_in
from kanrun.cli.sweeping import hold_rows_back, is_asked_for_a_score, sweep_folder, tasks_of
from kanrun.config.schema import AUTO, QUIET
from kanrun.report.lock import held
from kanrun.report.standard_output import console_of
from kanrun.sweep.pools import Pool
from kanrun.sweep.record import remember
from kanrun.sweep.resuming import left_to_do
from kanrun.sweep.running import run_tasks
from kanrun.sweep.screen import Screen
from kanrun.sweep.tasks import Outcome, Task


def launch(launcher: Any, jobs: Sequence[Sequence[str]], first: int) -> list[float | None]:
    """Does what a launcher is given. Gives the loss on the validation rows of each job, None where there are none.

    Jobs that a sweep which is gone on with has done already are not done again. Raises ConfigError before any job is
    begun, and InterruptedRun where a signal comes.
    """
    config, job = launcher.config, launcher.task_function
    plan = plan_in(config)
    folder = sweep_folder(config, plan)
    tasks = tasks_of([list(overrides) for overrides in jobs], first, job.composer, config, folder)
    job.console = way_of(task.content for task in tasks)
    if is_asked_for_a_score(config.hydra):
        hold_rows_back((task.content for task in tasks), aloud=job.console != QUIET)
    todo, done = left_to_do(tasks, folder) if plan.resume else (tasks, [])
    pool = launcher.pool(len(todo), folder) if todo else None  # where it cannot be, nothing is begun
    folder.mkdir(parents=True, exist_ok=True)
    job.sweep = folder
    with held(folder, "sweep"):
        # Of a single job, as a sweeper that chooses may give them one by one, nothing tells what is varied.
        remember(folder, sys.argv[1:], [*todo, *done] if len(tasks) > 1 else [])
        found = done_by(pool, todo, len(done), job.console) if pool else []
    lost = [outcome for outcome in found if outcome.state != "completed"]
    job.failures += len(lost)
    job.said += [f"job {outcome.number}: {outcome.error}" for outcome in sorted(lost, key=lambda one: one.number)]
    losses = {outcome.number: outcome.loss for outcome in found}
    return [losses.get(task.number) for task in tasks]


def way_of(contents: Iterable[Mapping[str, Any]]) -> str:
    """What the jobs of a sweep say of `console`, where they say the same."""
    ways = {str(content.get("console", AUTO)) for content in contents}
    return ways.pop() if len(ways) == 1 else AUTO


def done_by(pool: Pool, tasks: Sequence[Task], before: int, way: str) -> list[Outcome]:
    """What becomes of the jobs."""
    with Screen(len(tasks), pool.size, before, console_of(120, way)) as screen:
        return run_tasks(tasks, pool, screen)
