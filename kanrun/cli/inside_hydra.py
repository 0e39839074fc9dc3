"""What is taken from inside Hydra, which may differ from one version to the next, and from nowhere else."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from kanrun.errors import KanrunError
from kanrun.sweep.axes import Axis

__all__ = ["Override", "parse_overrides"]

NEWER = tuple(map(int, hydra.__version__.split(".")[:2])) >= (1, 4)
BASE: dict[str, Any] = {} if NEWER else {"version_base": "1.3"}  # which 1.4 does without


def store(name: str, node: Any, group: str | None = None, package: str | None = None) -> None:
    """Puts an option into Hydra's store, in the place of one that is there."""
    replace: dict[str, Any] = {"replace": True} if NEWER else {}
    ConfigStore.instance().store(name, node, group, package, "kanrun", **replace)


@contextmanager
def set_aside() -> Iterator[None]:
    """Hydra composes within the block as if it were not at work already, as it is in a sweep."""
    at_work = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = at_work


def arguments_parser() -> ArgumentParser:
    """What knows Hydra's flags."""
    return get_args_parser()


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """The overrides that the texts say. Raises HydraException for one that says none."""
    return [parsed(text) for text in texts]


@lru_cache(maxsize=4096)
def parsed(text: str) -> Override:
    """One of them: those that all jobs of a sweep share are read once."""
    return OverridesParser.create().parse_overrides([text])[0]  # unlike `parse_override` it names what it cannot read


def apply_values(overrides: Sequence[Override], config: DictConfig) -> None:
    """Sets values in a composed config, in place. Raises HydraException for a key that is not there."""
    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def axes_of(overrides: Sequence[Override]) -> list[Axis]:
    """The values of each setting as texts of overrides; of those that name the same setting the last one counts."""
    axes: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            axes[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            reason = "an interval has no end of values; hydra/sweeper=kanrun_optuna searches in one"
            raise KanrunError(f"{override.input_line}: {reason}")
    return list(axes.items())


def run_composed(config: DictConfig, task: Callable[[DictConfig], Any]) -> None:
    """A single run of a config that is composed already. Raises what the task raises."""
    setup_globals()
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=config.hydra.job.config_name)
    context = HydraContext(ConfigLoaderImpl(create_config_search_path(None)), callbacks)
    ended = run_job(task, config, "hydra.run.dir", None, context)
    callbacks.on_run_end(config=config, config_name=config.hydra.job.config_name, job_return=ended)
    _ = ended.return_value


def run_sweep(folder: Path, name: str, more: Path | None, overrides: Sequence[str], task: Callable[[Any], Any]) -> None:
    """A sweep over what the overrides say, of the main file `name` in `folder`; `more` has further options.

    That it is one is known: Hydra's own way in composes everything once more to find out. Raises what the jobs raise.
    """
    search = create_config_search_path(str(folder))
    if more:
        search.prepend("command-line", f"file://{more}", SearchPathQuery(provider="schema"))
    GlobalHydra.instance().clear()
    try:
        begun = Hydra.create_main_hydra2("main", search)
        begun.multirun(config_name=name, task_function=task, overrides=[*overrides, "hydra.mode=MULTIRUN"])
    finally:
        GlobalHydra.instance().clear()
