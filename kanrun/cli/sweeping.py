"""From what is typed to the jobs of a sweep."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from kanrun.cli.compose import Composer, of_hydra, plan_in, settings_of
from kanrun.cli.inside_hydra import axes_of, parse_overrides
from kanrun.cli.quoting import quoted, without_quotes
from kanrun.config.packaged import config_folder
from kanrun.errors import ConfigError, wrong
from kanrun.report.standard_output import StandardOutput
from kanrun.sweep.axes import Plan, combined, each_once
from kanrun.sweep.tasks import Task

DIGITS = r"\d+(?:_\d+)*"
# As Hydra reads them: to YAML 1e-05 is a text, and 1:30 a number.
WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*(?:_\d+)*)")
DECIMAL = re.compile(rf"[+-]?(?:(?:{DIGITS})?\.{DIGITS}|{DIGITS}\.|{DIGITS}(?=[eE]))(?:[eE][+-]?{DIGITS})?")
NUMBERED = "${hydra.job.num}"  # the folder of a job in that of its sweep, unless something else is typed


def composer_of(options: Namespace) -> Composer:
    """Composes from the files that the command names. Raises ConfigError where a folder of options is not there."""
    if options.config_dir and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir {options.config_dir}: no such folder")
    source = Path(options.config_path).resolve() if options.config_path else config_folder()
    more = Path(options.config_dir).resolve() if options.config_dir else None
    return Composer(source, options.config_name or "config", more)


def of_plan(override: str) -> bool:
    """Whether an override is about the sweep as a whole."""
    return override.lstrip("+~").partition("=")[0].split(".")[0] == "sweep"


def asked_for(overrides: Iterable[str], composer: Composer) -> tuple[DictConfig, Plan]:
    """What the overrides say to Hydra, and of the sweep as a whole: the config of all jobs, and the plan in it."""
    sweep = composer.whole([o for o in overrides if of_plan(o) or of_hydra(o)])
    return sweep, plan_in(sweep)


def overrides_of_jobs(overrides: Sequence[str], plan: Plan) -> list[list[str]]:
    """What each job has of the overrides, part by part. Raises ConfigError for pairs that are none."""
    own = parse_overrides([o for o in overrides if not of_plan(o)])
    jobs, paired = [], set[tuple[str, ...]]()
    for part in plan.parts.values() or [{}]:
        axes = axes_of([*parse_overrides([quoted(f"{key}={text}", True) for key, text in part.items()]), *own])
        keys = {key for key, _ in axes}
        zipped = [group for group in plan.zip if not plan.parts or keys & set(group)]
        paired |= set(zipped)
        jobs += combined(axes, zipped)
    for group in plan.zip:
        if group not in paired:
            raise ConfigError(wrong("sweep.zip", ",".join(group), "in no part"))
    return each_once(jobs)


def values_of(jobs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """What differs between the jobs, by its keys as they are typed."""
    pairs = [dict(split(text) for text in job) for job in jobs]
    keys = [key for key in dict.fromkeys(key for job in pairs for key in job) if not key.startswith("hydra.")]
    swept = [key for key in keys if len({job.get(key) for job in pairs}) > 1]
    return [{key: plain(job[key]) for key in swept if key in job} for job in pairs]


def split(override: str) -> tuple[str, str]:
    """Key and value of an override."""
    key, _, value = override.partition("=")
    return key.lstrip("+"), value


def plain(text: str) -> Any:
    """A number or a truth value as such; a text without the quotes that Hydra needs."""
    for form, kind in ((WHOLE, int), (DECIMAL, float)):
        if form.fullmatch(text):
            return kind(text)
    if text.startswith(("'", '"')):
        return without_quotes(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def sweep_folder(sweep: DictConfig, plan: Plan) -> Path:
    """Where the jobs of a sweep have their folders."""
    return Path(plan.resume or str(sweep.hydra.sweep.dir)).absolute()


def tasks_of(
    jobs: Sequence[list[str]], first: int, composer: Composer, sweep: DictConfig, main: Path
) -> list[Task]:  # fmt: skip
    """The jobs with their settings and folders; `sweep` is the config of all of them, as far as they have it together.

    The folders lie in `main`, as hydra.sweep.subdir says.

    Raises what Hydra and OmegaConf raise, and ConfigError for two jobs in one folder.
    """
    values = values_of(jobs)
    numbered = raw(sweep, "subdir") == NUMBERED
    tasks = []
    for number, (job, own) in enumerate(zip(jobs, values, strict=True), start=first):
        subdir, content = str(number), None
        if numbered:
            try:
                content = composer.settings(job)
            except OmegaConfBaseException as error:
                if "HydraConfig was not set" not in str(error):
                    raise
        if content is None:
            subdir, content = as_hydra_has_it(job, number, composer, sweep, main)
        tasks.append(Task(number, main / subdir, own, content))
    folders = {task.folder: task for task in tasks}
    if len(folders) < len(tasks):
        raise ConfigError(wrong("hydra.sweep.subdir", raw(sweep, "subdir"), "the same folder for several jobs"))
    return tasks


def as_hydra_has_it(
    job: Sequence[str], number: int, composer: Composer, sweep: DictConfig, main: Path
) -> tuple[str, Any]:  # fmt: skip
    """Folder and settings of a job that refers to what only Hydra knows, such as `seed=${hydra:job.num}`."""
    config = composer.whole(job)
    with read_write(config), open_dict(config):
        config.hydra.job.id, config.hydra.job.num = str(number), number
        config.hydra.sweep.dir, config.hydra.sweep.subdir = str(main), raw(sweep, "subdir")
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return str(config.hydra.sweep.subdir), settings_of(config)
    finally:
        HydraConfig.instance().cfg = before


def raw(sweep: DictConfig, key: str) -> str:
    """A setting of the sweep's folders as it stands."""
    return str(OmegaConf.to_container(sweep.hydra.sweep, resolve=False)[key])  # type: ignore[call-overload,index]


def is_asked_for_a_score(hydra: DictConfig) -> bool:
    """Whether the sweeper chooses values by the scores of the jobs before."""
    return str(hydra.sweeper._target_).rpartition(".")[2] not in ("BasicSweeper", "KanrunSweeper")


def hold_rows_back(contents: Iterable[dict[str, Any]], aloud: bool = True) -> None:
    """Gives jobs whose score a sweeper asks for validation rows, in place, where they have none.

    What chooses among jobs must not be what they are reported by: the test rows stay unseen.
    """
    from kanrun.data.dataset import VALIDATION_PART  # with torch

    without = [content for content in contents if not content["dataset"].get("validation")]
    for content in without:
        content["dataset"]["validation"] = VALIDATION_PART
    if without and aloud:
        StandardOutput().write(
            f"note: the sweeper is given the loss on validation rows, so dataset.validation={VALIDATION_PART}\n"
        )
