"""Before anything is run or written: every job of the command is composed and checked, those of a sweep together."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from kanrun.cli.compose import Composer, is_own_value, settings_of
from kanrun.cli.foreign import is_foreign, refuse_composed, refuse_main_file
from kanrun.cli.sweeping import asked_for, of_plan, overrides_of_jobs, sweep_folder, tasks_of
from kanrun.config.datasets import TableConfig
from kanrun.config.schema import Config
from kanrun.errors import ConfigError, KanrunError, wrong
from kanrun.sweep.axes import Plan, each_once
from kanrun.sweep.tasks import Task

MOST_ROWS = 10_000  # of a dataset that is made only to see whether it can be

# With these Hydra does something other than to run jobs, or takes them from where this module does not look.
ELSEWHERE = ("help", "hydra_help", "version", "shell_completion", "info", "package")


def check_jobs(options: Namespace, composer: Composer) -> DictConfig | None:
    """Raises ConfigError with a line for every mistake in any job that the parsed command line asks for.

    Errors of Hydra's, for what cannot be composed at all, are passed on as they are. Gives the config of a single run,
    None where something else is asked for.
    """
    if options.experimental_rerun:
        raise ConfigError("--experimental-rerun: unpickles a file; --config-path RUN --config-name config runs again")
    foreign = is_foreign(options)
    if foreign:
        refuse_main_file(options)
    if options.cfg or chooses_itself(options) or any(getattr(options, name, None) for name in ELSEWHERE):
        if foreign:
            groups = [o for o in options.overrides if "." not in o.split("=")[0] or o.startswith("hydra")]
            for overrides in overrides_of_jobs(groups, Plan()) if options.multirun else [groups]:
                refuse_composed(composer.whole(overrides), overrides)
        return None
    if options.multirun:
        check_sweep(options, composer)
        return None
    return checked_alone(options, composer)


def is_sweep(options: Namespace) -> bool:
    """Whether a sweep is asked for, and nothing else."""
    else_asked = [getattr(options, name, None) for name in (*ELSEWHERE, "cfg", "run", "resolve")]
    return bool(options.multirun) and not any(else_asked)


def chooses_itself(options: Namespace) -> bool:
    """Whether values come from a sweeper, as far as one is asked for."""
    chosen = [o.partition("=")[2] for o in options.overrides if o.lstrip("+").startswith("hydra/sweeper=")]
    return bool(chosen) and chosen[-1] not in ("basic", "kanrun")


def checked_alone(options: Namespace, composer: Composer) -> DictConfig | None:
    """The config of a single run; None where it says itself that it is a sweep."""
    if plans := [o for o in options.overrides if of_plan(o)]:
        raise ConfigError(f"{plans[0].lstrip('+~')}: for a sweep, which has the flag -m")
    config = composer.whole(options.overrides)
    if is_foreign(options):
        refuse_composed(config, options.overrides)
    try:
        content = settings_of(config)
    except OmegaConfBaseException as error:
        if "HydraConfig was not set" not in str(error):
            raise
        return config  # something like ${hydra:runtime.cwd}, which only the run itself knows
    task = Task(0, Path(str(config.hydra.run.dir)), {}, content)
    found = tried_out([typed(task, "hydra.run.dir", None)])[0]
    if found:
        raise ConfigError(found)
    return None if config.hydra.mode == RunMode.MULTIRUN else config


def check_sweep(options: Namespace, composer: Composer) -> None:
    """Raises ConfigError with what settings alone can tell of the jobs of a sweep.

    What only the data can tell, such as that a table cannot be read, fails its job and no other.
    """
    alone = [o for o in options.overrides if o.startswith("hydra.run.dir=")]
    if alone:
        given = alone[0].partition("=")[2]
        raise ConfigError(wrong("hydra.run.dir", given, "that of a single run; a sweep goes to hydra.sweep.dir=FOLDER"))
    sweep, plan = asked_for(options.overrides, composer)
    jobs = overrides_of_jobs(options.overrides, plan)
    if is_foreign(options):
        for overrides in each_once([[o for o in job if not is_own_value(o)] for job in jobs]):
            refuse_composed(composer.whole(overrides), overrides)
    if (plan.zip or plan.parts or plan.resume) and not str(sweep.hydra.sweeper._target_).endswith("KanrunSweeper"):
        raise ConfigError("sweep: pairs, parts and resume are those of hydra/sweeper=kanrun")
    tasks = tasks_of(jobs, 0, composer, sweep, sweep_folder(sweep, plan))
    key, folder = "hydra.sweep.dir", str(sweep.hydra.sweep.dir)
    found = tried_out([typed(task, None if plan.resume else key, folder) for task in tasks])
    wrong_in: dict[str, list[int]] = {}
    for number, problems in enumerate(found):
        for problem in problems:
            wrong_in.setdefault(problem, []).append(number)
    if wrong_in:
        raise ConfigError([line(problem, numbers, len(jobs)) for problem, numbers in wrong_in.items()])


def line(problem: str, numbers: list[int], jobs: int) -> str:
    """The problem with the jobs that have it, where not all do."""
    if len(numbers) == jobs:
        return problem
    return f"job{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}: {problem}"


def typed(task: Task, key: str | None, given: str | None) -> Config | list[str]:
    """The config of one job, or what is wrong with it before anything is made of it, a line each.

    `key` is the setting that its folder comes from, and `given` what that is set to; none where it is there already.
    """
    from kanrun.config.validation import read_config
    from kanrun.report.trackers import check_tracker

    try:
        read = read_config(task.content)
        check_tracker(read)
        if key is not None:
            from kanrun.report.folder import check_folder  # with torch and SymPy: a mistake is told without them

            check_folder(task.folder, key, read.overwrite, given)
    except KanrunError as error:
        return str(error).splitlines()
    return read


def tried_out(jobs: Sequence[Config | list[str]]) -> list[list[str]]:
    """What is wrong with each of the jobs, a line each.

    Rows and network are made of each question once, whatever the seed. The table of a single run is read, and
    remembered for it; those of a sweep are not.
    """
    said: dict[str, list[str]] = {}
    found = []
    for job in jobs:
        if not isinstance(job, Config):
            found.append(job)
            continue
        question = "" if isinstance(job.dataset, TableConfig) and len(jobs) > 1 else repr(replace(job, seed=0))
        if question not in said:
            said[question] = tried(job) if question else []
        found.append(said[question])
    return found


def tried(config: Config) -> list[str]:
    """What is wrong where the rows and the network are made, a line each."""
    from kanrun.pipeline.problem import make_problem

    data = config.dataset
    sizes = {name: min(getattr(data, name), MOST_ROWS) for name in ("n_train", "n_test") if hasattr(data, name)}
    data = replace(data, **sizes)
    try:
        make_problem(replace(config, dataset=data))
    except KanrunError as error:
        return str(error).splitlines()
    except Exception:
        return []  # no mistake in the config: the run itself says what happened, with a traceback in its log
    return []
