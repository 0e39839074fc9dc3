"""Before anything is run or written: every job of the command is composed and checked, those of a sweep together."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from kanrun.cli.compose import compose_job, settings_of
from kanrun.cli.foreign import is_foreign, refuse_composed, refuse_main_file
from kanrun.cli.hints import config_folder
from kanrun.config.schema import Config, TableConfig
from kanrun.errors import ConfigError, KanrunError, wrong

MOST_ROWS = 10_000  # of a dataset that is made only to see whether it can be

# With these Hydra does something other than to run jobs, or takes them from where this module does not look.
ELSEWHERE = ("help", "hydra_help", "version", "shell_completion", "info", "package")


def check_jobs(options: Namespace) -> None:
    """Raises ConfigError with a line for every mistake in any job that the parsed command line asks for.

    Errors of Hydra's, for what cannot be composed at all, are passed on as they are.
    """
    if options.experimental_rerun:
        raise ConfigError("--experimental-rerun: unpickles a file; --config-path RUN --config-name config runs again")
    if is_foreign(options):
        refuse_main_file(options)
    own_sweeper = any(o.lstrip("+").startswith("hydra/sweeper") for o in options.overrides)  # which chooses the values
    if options.cfg or own_sweeper or any(getattr(options, name, None) for name in ELSEWHERE):
        for overrides in overrides_of_jobs(options, groups=True) if is_foreign(options) else ():
            refuse_composed(composed(options, overrides), overrides)
        return
    jobs = overrides_of_jobs(options)
    found = tried_out([settled(options, number, overrides) for number, overrides in enumerate(jobs)])
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


def overrides_of_jobs(options: Namespace, groups: bool = False) -> list[list[str]]:
    """What each job of a sweep has of the overrides, or of those that choose `groups`; one job without a sweep."""
    given = [o for o in options.overrides if not groups or "." not in o.split("=")[0] or o.startswith("hydra")]
    if not options.multirun:
        return [given]
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(given)
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def composed(options: Namespace, overrides: list[str]) -> DictConfig:
    """The config of one job, from the files that the command names."""
    source = Path(options.config_path).resolve() if options.config_path else config_folder()
    more = Path(options.config_dir).resolve() if options.config_dir else None
    return compose_job(overrides, source, options.config_name or "config", more)


def settled(options: Namespace, number: int, overrides: list[str]) -> Config | list[str]:
    """The config of one job, or what is wrong with it before anything is made of it, a line each."""
    from omegaconf.errors import OmegaConfBaseException

    config = composed(options, [*overrides, f"hydra.job.num={number}"] if options.multirun else overrides)
    if is_foreign(options):
        refuse_composed(config, overrides)
    hydra = config.hydra
    typed = [o for o in overrides if o.startswith("hydra.run.dir=")]
    if options.multirun and typed:
        of_one = "that of a single run; a sweep goes to hydra.sweep.dir=FOLDER"
        return [wrong("hydra.run.dir", typed[0].partition("=")[2], of_one)]
    key, folder = "hydra.run.dir", Path(str(hydra.run.dir))
    if options.multirun:
        key, folder = "hydra.sweep.dir", Path(str(hydra.sweep.dir)) / str(hydra.sweep.subdir)
    try:
        content = settings_of(config)
    except OmegaConfBaseException as error:
        if "HydraConfig was not set" not in str(error):
            raise
        return []  # something like ${hydra:job.num}, which only the job itself knows
    from kanrun.config.validation import read_config

    try:
        read = read_config(content)
        from kanrun.report.folder import check_folder  # with torch and SymPy: a mistake in a setting is told without

        check_folder(folder, key, read.overwrite, hydra.sweep.dir if options.multirun else None)
    except KanrunError as error:
        return str(error).splitlines()
    return read


def tried_out(jobs: Sequence[Config | list[str]]) -> list[list[str]]:
    """What is wrong with each of the jobs, a line each.

    Jobs that ask the same of the same file follow each other, because the last table that was read is remembered; the
    first job comes last, since it is the one that is run next.
    """
    groups: dict[object, list[int]] = {}
    for number, job in enumerate(jobs):
        if isinstance(job, Config):
            groups.setdefault(question_of(job), []).append(number)
    found = [[] if isinstance(job, Config) else job for job in jobs]
    for number in [n for numbers in reversed(groups.values()) for n in numbers]:
        job = jobs[number]
        assert isinstance(job, Config)
        try:
            try_out(job)
        except KanrunError as error:
            found[number] = str(error).splitlines()
    return found


def question_of(config: Config) -> str:
    """What a job asks of a file; nothing where there is none."""
    if not isinstance(config.dataset, TableConfig):
        return ""
    from kanrun.data.table.dataset import asked_of

    try:
        return f"{asked_of(config.dataset)!r}, {config.dataset.test_path!r}"
    except ConfigError:
        return ""


def try_out(config: Config) -> None:
    """Makes the rows and the network. Raises ConfigError where that cannot be."""
    from kanrun.pipeline.problem import make_problem

    data = config.dataset
    sizes = {name: min(getattr(data, name), MOST_ROWS) for name in ("n_train", "n_test") if hasattr(data, name)}
    data = replace(data, **sizes)
    try:
        make_problem(replace(config, dataset=data))
    except KanrunError:
        raise
    except Exception:
        return  # no mistake in the config: the run itself says what happened, with a traceback in its log
