"""`kanrun refine RUN [overrides]`: the parent's config as an experiment of its own, with its network as the start."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from kanrun.config.schema import GROUPS, Config, ModelConfig
from kanrun.errors import KanrunError

NAME = "parent"  # of the experiment that stands for the parent's config
FRESH = ("search", "overwrite", "console")  # what a run that goes on does not take over


def refine(arguments: list[str], command: Callable[[list[str]], None]) -> None:
    """Runs `command` with the overrides among the arguments on top of the parent's config.

    Raises KanrunError for a folder without a config or a network to go on with.
    """
    flags = [a for a in arguments if a in ("-m", "--multirun")]
    given = [a for a in arguments if a not in flags]
    if not given or given[0].startswith("-") or "=" in Path(given[0]).name:
        raise KanrunError("refine: the folder of a run is needed; usage: kanrun refine RUN [overrides]")
    folder, overrides = Path(given[0]), given[1:]
    parent = parent_config(folder)
    with tempfile.TemporaryDirectory(prefix="kanrun-") as more:
        (Path(more) / "experiment").mkdir()
        text = "# @package _global_\n" + yaml.safe_dump(experiment(parent, chosen_groups(overrides)), sort_keys=False)
        (Path(more) / "experiment" / f"{NAME}.yaml").write_text(text, encoding="utf-8")
        command([*flags, "--config-dir", more, f"experiment={NAME}", *overrides])


def parent_config(folder: Path) -> Config:
    """The config of a run, to go on from its network. Raises KanrunError where that cannot be."""
    from kanrun.pipeline.starting import start_in
    from kanrun.report.load import record_of

    config = record_of(folder).config
    if config is None:
        raise KanrunError(f"{folder}: config.yaml is missing, so that nothing says what to go on with")
    start = start_in(folder)
    before = config.model if isinstance(config.model, ModelConfig) else ModelConfig()
    config.model = ModelConfig(
        width=start.width, grid=start.grid, k=start.k, base=start.base, noise_scale=before.noise_scale,
        grid_eps=before.grid_eps, start=str(folder.absolute()),
    )  # fmt: skip
    config.optimizer.grids, config.optimizer.restarts = [], 1
    return config


def chosen_groups(overrides: Iterable[str]) -> set[str]:
    """The groups of which the command line chooses an option: of these the parent's settings do not count."""
    return {a.lstrip("+~").partition("=")[0] for a in overrides} & set(GROUPS)


def experiment(config: Config, chosen: set[str]) -> dict[str, Any]:
    """A config as an experiment: which options, and every setting of theirs."""
    content = {key: value for key, value in asdict(config).items() if key not in (*FRESH, *chosen)}
    options = [{f"override /{group}": content[group]["name"]} for group in GROUPS if group in content]
    return {"defaults": options, **literal(content)}


def literal(value: Any) -> Any:
    """The same where no text refers to anything, such as the name of a column that looks as if it did."""
    if isinstance(value, dict):
        return {key: literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [literal(one) for one in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value
