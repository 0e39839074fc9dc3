"""Configs from elsewhere: of what they say to Hydra only the folders of runs and sweeps are listened to.

Hydra calls what `hydra.job_logging`, `hydra.callbacks` and others name, so that a file could run any code.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from kanrun.cli.compose import compose_job, main_file
from kanrun.config.packaged import config_folder
from kanrun.errors import ConfigError, shorten
from kanrun.report.files import flat, yaml_text

FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
# What Hydra itself says of each job.
OF_JOBS = ("hydra.runtime", "hydra.overrides", "hydra.job.name", "hydra.job.config_name", "hydra.job.override_dirname",
           "hydra.job.num", "hydra.job.id", "hydra.mode")  # fmt: skip


def is_foreign(options: Namespace) -> bool:
    """Whether the command takes files that are not kanrun's own."""
    return bool(options.config_path or options.config_dir)


def refuse_main_file(options: Namespace) -> None:
    """Raises ConfigError where the main file is none, or says more to Hydra than it may; it is not composed yet."""
    folders = [options.config_path, options.config_dir if options.config_name else None]
    for folder in filter(None, folders):
        refuse_file(main_file(Path(folder), options.config_name or "config"))


def refuse_file(path: Path) -> None:
    """The same of a file, which may not be there."""
    try:
        content = yaml.load(yaml_text(path), Loader=yaml.BaseLoader) or {}
    except OSError:
        return  # Hydra says what is wrong with it
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {shorten(str(error))}") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: settings by their names are needed, as in the config.yaml of a run")
    own = {key: value for key, value in content.items() if str(key).split(".")[0].split("/")[0] == "hydra"}
    refuse(key for key, _ in flat(own, ""))


def refuse_composed(composed: DictConfig, overrides: list[str]) -> None:
    """Raises ConfigError where a file has changed more of Hydra's part than it may.

    What the command line says to Hydra is the user's own; options that it chooses are those of installed packages.
    """
    plain = plainly(tuple(o for o in overrides if o.lstrip("+~").startswith("hydra")))
    given = dict(flat(hydra_of(composed), ""))
    changed = [key for key in {**plain, **given} if plain.get(key) != given.get(key)]
    refuse(key for key in changed if key != "hydra.searchpath")  # the folder that the command line names


@cache
def plainly(typed: tuple[str, ...]) -> dict[str, Any]:
    """Hydra's own part with what is typed and no file from elsewhere, the same for all jobs of a sweep."""
    return dict(flat(hydra_of(compose_job(typed, config_folder())), ""))


def hydra_of(composed: DictConfig) -> dict[str, Any]:
    """Hydra's own part, with the texts as they stand."""
    return {"hydra": OmegaConf.to_container(composed.hydra, resolve=False)}


def refuse(keys: Iterable[str]) -> None:
    """Raises ConfigError with a line for each of the keys that no file may set."""
    found = [".".join(key.split(".")[:2]) for key in keys if not key.startswith((*FOLDERS, *OF_JOBS))]
    if found:
        allowed = f"not taken from a file, which could run code by it; a file may set {', '.join(FOLDERS)}"
        raise ConfigError([f"{key}: {allowed}" for key in dict.fromkeys(found)])
