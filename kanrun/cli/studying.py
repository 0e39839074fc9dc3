"""From what is typed to a search for settings: what is chosen among, and the jobs that try it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from kanrun.cli.compose import plan_in
from kanrun.cli.inside_hydra import parse_overrides
from kanrun.cli.launching import way_of
from kanrun.cli.quoting import quoted
from kanrun.cli.sweeping import hold_rows_back, of_plan, plain, split, sweep_folder
from kanrun.errors import ConfigError, KanrunError, wrong
from kanrun.report.lock import held
from kanrun.report.standard_output import console_of
from kanrun.sweep.axes import Plan
from kanrun.sweep.record import arguments_in, remember, study_in
from kanrun.sweep.screen import Screen
from kanrun.sweep.studying import OWN, Dimension, Study, best_lines, search
from kanrun.sweep.tasks import Outcome, Task


def search_settings(sweeper: Any, study: Study, arguments: Sequence[str]) -> list[Outcome]:
    """Does the trials of a search, or those that are left of it. Raises ConfigError before any is begun."""
    config, launcher = sweeper.config, sweeper.launcher
    if not hasattr(launcher, "pool"):
        raise KanrunError("hydra/sweeper=kanrun_optuna: works with hydra/launcher=kanrun, kanrun_ray, kanrun_slurm")
    job, plan = launcher.task_function, plan_in(config)
    fixed, space = space_of(overrides_of(arguments, plan))
    if not space:
        raise ConfigError(
            "hydra/sweeper=kanrun_optuna: nothing to choose; give values, model.grid=range(3,20), or sweep=kan_space"
        )
    folder = sweep_folder(config, plan)
    if plan.resume and not folder.is_dir():
        raise ConfigError(wrong("sweep.resume", plan.resume, "there is no such folder"))

    def task_of(number: int, values: Mapping[str, Any]) -> Task:
        chosen = {key: value if isinstance(value, str) else repr(value) for key, value in values.items()}
        content = job.composer.settings([*fixed, *(f"{key}={text}" for key, text in chosen.items())])
        hold_rows_back([content], aloud=number == 0)
        task = Task(number, folder / str(number), {key: plain(text) for key, text in chosen.items()}, content)
        remember(folder, sys.argv[1:], [task], study.name)
        return task

    common = job.composer.settings(fixed)
    check_objectives(study, common, {dimension.key for dimension in space})
    pool = launcher.pool(study.trials, folder)
    folder.mkdir(parents=True, exist_ok=True)
    job.sweep = folder
    study = replace(study, name=name_of(study, folder))
    remember(folder, sys.argv[1:], [], study.name)
    job.console = way_of([common])
    with held(folder, "sweep"), Screen(study.trials, pool.size, out=console_of(120, job.console)) as screen:
        found = search(study, space, folder, task_of, pool, screen, bool(plan.resume))
    job.said += [f"job {one.number}: {one.error}" for one in found if one.error and one.state != "pruned"]
    job.failures += len(job.said)
    job.best = best_lines(study, folder)
    return found


# What decides whether a run has a formula: none of it is known before, where it is chosen.
DECIDING = (
    "experiment",
    "model",
    "model.name",
    "symbolic",
    "symbolic.enabled",
    "search",
    "search.seconds",
    "search.work",
)


def check_objectives(study: Study, common: Mapping[str, Any], chosen: Collection[str]) -> None:
    """Raises ConfigError where no trial could have what the search is for; all of them have `common` settings."""
    if "complexity" not in study.objectives or any(key in DECIDING for key in chosen):
        return
    searched = common["search"]["seconds"] or common["search"]["work"] is not None
    reason = "model=mlp has none" if common["model"]["name"] == "mlp" else "symbolic=none looks for none"
    if common["model"]["name"] == "mlp" or not (common["symbolic"]["enabled"] or searched):
        key, given = "hydra.sweeper.objectives", list(study.objectives)
        raise ConfigError(wrong(key, given, f"complexity is that of formulas, and {reason}"))


def name_of(study: Study, folder: Path) -> str:
    """What a search is called in its storage: a database may have those of many sweeps, which must not be mixed."""
    begins = not arguments_in(folder)
    fresh = f"{folder.name} {uuid.uuid4().hex[:8]}" if study.storage and begins else OWN
    return study_in(folder) or fresh


def overrides_of(arguments: Sequence[str], plan: Plan) -> list[Override]:
    """What is typed, after what a sweep that is written down says."""
    if len(plan.parts) > 1 or plan.zip:
        raise ConfigError("hydra/sweeper=kanrun_optuna: a search has one part and no pairs; leave out sweep.zip")
    written = [quoted(f"{key}={text}", True) for part in plan.parts.values() for key, text in part.items()]
    return parse_overrides([*written, *(a for a in arguments if not of_plan(a))])


def space_of(overrides: Sequence[Override]) -> tuple[list[str], list[Dimension]]:
    """The settings that stay, and those that are chosen; of those that name the same setting the last one counts."""
    last = {override.get_key_element(): override for override in overrides}
    fixed = [str(o.input_line) for o in last.values() if not o.is_sweep_override()]
    return fixed, [dimension_of(key, override) for key, override in last.items() if override.is_sweep_override()]


def dimension_of(key: str, override: Override) -> Dimension:
    """What Hydra's range, interval, choice and tag(log, ...) say."""
    value: Any = override.value()
    log, given = "log" in getattr(value, "tags", ()), str(override.input_line).partition("=")[2]
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if low is None or high is None or not low < high or (log and low <= 0):
            raise ConfigError(wrong(key, given, "an interval goes from lower to higher, above 0 with log"))
        return Dimension(key, (), low, high, None, log, isinstance(low, int) and isinstance(high, int))
    if isinstance(value, RangeSweep):
        values: list[Any] = list(value.range())
        if not values:
            raise ConfigError(wrong(key, given, "the range has no value"))
        whole = all(isinstance(one, int) for one in values)
        step = None if log or len(values) == 1 else abs(values[1] - values[0])
        return Dimension(key, (), min(values), max(values), step, log, whole)
    return Dimension(key, tuple(split(f"{key}={text}")[1] for text in override.sweep_string_iterator()))
