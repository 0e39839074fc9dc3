"""Where Hydra finds what it composes: every default of the schema as an option, and the files that differ from them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf, RunDir, SweepDir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from kanrun.cli.inside_hydra import BASE, Override, apply_values, parse_overrides, set_aside, store
from kanrun.config.schema import GROUPS, Config
from kanrun.sweep.axes import Plan, plan_of

NOT_OF_A_RUN = ("hydra", "sweep")  # parts of a composed config

# Launchers by the name of their option, and what can be set of them.
LAUNCHERS: dict[str, dict[str, Any]] = {
    "kanrun": {"_target_": "hydra_plugins.kanrun_sweeps.KanrunLauncher", "jobs": None},
    "kanrun_ray": {
        "_target_": "hydra_plugins.kanrun_sweeps.KanrunRay", "address": None, "jobs": None, "cpus": 1, "gpus": 0,
    },
    "kanrun_slurm": {
        "_target_": "hydra_plugins.kanrun_sweeps.KanrunSlurm", "cluster": "slurm", "jobs": None, "minutes": 60,
        "cpus": 1, "memory_gib": 2, "partition": None, "more": None,
    },
}  # fmt: skip
SWEEPERS: dict[str, dict[str, Any]] = {
    "kanrun": {"_target_": "hydra_plugins.kanrun_sweeps.KanrunSweeper"},
    "kanrun_optuna": {
        "_target_": "hydra_plugins.kanrun_sweeps.KanrunOptuna", "trials": 20, "objectives": ["validation"],
        "sampler": "tpe", "storage": None, "prune": True, "seed": 0,
    },
}  # fmt: skip
OF_HYDRA = {"hydra/launcher": LAUNCHERS, "hydra/sweeper": SWEEPERS}
# With microseconds, so that two launches in the same second have two folders.
LAUNCH = "${now:%Y-%m-%d}/${now:%H-%M-%S-%f}"


@cache
def register_defaults() -> None:
    """Gives Hydra the defaults of the schema, and those that a run has for Hydra itself.

    A class of GROUPS becomes the option that its `name` says, as a plain mapping: types and limits are checked when the
    whole config is read. `schema` chooses the option of each group and holds the settings that are in no group.
    """
    for group, options in GROUPS.items():
        for kind in options.values():
            content = asdict(kind())
            store(content["name"], content, group)
    run = asdict(Config())
    chosen = [{group: run.pop(group)["name"]} for group in GROUPS]
    store("schema", {"defaults": [*chosen, "_self_"], **run})
    store("none", {}, "experiment", "_global_")
    # In the place of Hydra's own, so that these hold for a config from elsewhere too, such as that of a run folder.
    own = HydraConf(
        run=RunDir(f"outputs/{LAUNCH}"),
        sweep=SweepDir(f"outputs/sweeps/{LAUNCH}", "${hydra.job.num}"),
        output_subdir=None,
    )
    ours = {"job_logging": "none", "launcher": "kanrun", "sweeper": "kanrun"}
    own.defaults = [{key: ours.get(key, choice) for key, choice in entry.items()} for entry in own.defaults]
    store("config", own, "hydra")
    for group, nodes in OF_HYDRA.items():
        for name, node in nodes.items():
            store(name, node, group)


def compose_job(overrides: Sequence[str], folder: Path, name: str = "config", more: Path | None = None) -> DictConfig:
    """The config of one job, with Hydra's own part below `hydra`; the main file is `name` in `folder`.

    `more` is a folder with further options, or with the main file.
    """
    register_defaults()
    if more and main_file(more, name).is_file() and not main_file(folder, name).is_file():
        folder, more = more, folder
    searched = [f"hydra.searchpath=['file://{more}']"] if more else []
    with set_aside(), initialize_config_dir(str(folder), **BASE):
        return compose(name, overrides=[*searched, *overrides], return_hydra_config=True)


def main_file(folder: Path, name: str) -> Path:
    """Where Hydra looks for a config of this name in a folder."""
    return folder / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")


def settings_of(composed: DictConfig) -> dict[str, Any]:
    """What the run itself is given of a composed config: plain values, without Hydra's part and the sweep's."""
    content: dict[str, Any] = OmegaConf.to_container(own_part(composed), resolve=True)  # type: ignore[assignment]
    return content


def own_part(composed: DictConfig) -> DictConfig:
    """What a run has of a composed config, as it stands."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in NOT_OF_A_RUN])


def plan_in(composed: DictConfig) -> Plan:
    """What a composed config says of the sweep. Raises ConfigError for what is not allowed there."""
    given: Any = composed.get("sweep")
    return plan_of(OmegaConf.to_container(given) if OmegaConf.is_config(given) else given)


class Composer:
    """Composes one job after the other; each choice of options is composed once, and values are set in copies."""

    def __init__(self, folder: Path, name: str = "config", more: Path | None = None) -> None:
        self.folder, self.name, self.more = folder, name, more
        self.bases: dict[tuple[str, ...], tuple[DictConfig, Any]] = {}

    def whole(self, overrides: Sequence[str]) -> DictConfig:
        """The config of one job, with Hydra's own part below `hydra`."""
        return compose_job(overrides, self.folder, self.name, self.more)

    def settings(self, overrides: Sequence[str]) -> dict[str, Any]:
        """What the run of one job is given. Raises what Hydra and OmegaConf raise."""
        try:
            values = [o for o in parse_overrides(overrides) if is_value(o)]
            typed = {o.input_line for o in values}
            choices = tuple(text for text in overrides if text not in typed and not only_of_hydra(text))
            if choices not in self.bases:
                base = own_part(self.whole(choices))
                self.bases[choices] = base, OmegaConf.to_container(base)
            base, plain = self.bases[choices]
            content = copy.deepcopy(plain)
            if "${" not in repr(plain) and all(is_set(value, content) for value in values):
                return dict(content)
            config = copy.deepcopy(base)
            OmegaConf.set_struct(config, True)
            apply_values(values, config)
        except HydraException:
            return settings_of(self.whole(overrides))  # which says what is wrong in terms of all of them
        return settings_of(config)


def is_set(override: Override, content: Any) -> bool:
    """Whether a value could be set in plain settings, in place, as OmegaConf would in a hundred times as long.

    Not where there is no such setting, nor where it or the value has parts by name, or refers to another setting.
    """
    *path, last = override.key_or_group.split(".")
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    value = override.value()
    there = isinstance(content, dict) and last in content and not isinstance(content[last], dict)
    if there and is_plain(value):
        content[last] = value
        return True
    return False


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text that is no reference, or a list of such."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return (
        value is None
        or type(value) in (bool, int, float)
        or (type(value) is str and "$" not in value and value != "???")
    )


def of_hydra(text: str) -> bool:
    """Whether an override as it is typed is for Hydra itself."""
    return text.lstrip("+~").startswith("hydra")


def only_of_hydra(text: str) -> bool:
    """The same of one that changes nothing of a run: where Hydra looks for options does."""
    return of_hydra(text) and not text.lstrip("+~").startswith("hydra.searchpath")


def is_value(override: Override) -> bool:
    """Whether an override only sets a value of a run, whatever else is chosen."""
    key = override.key_or_group
    alone = key in Config.__dataclass_fields__ and key not in GROUPS
    plain = not (override.package or override.is_delete() or override.is_add() or override.is_force_add())
    return plain and not override.is_hydra_override() and (alone or "." in key) and not key.startswith("sweep")


def is_own_value(text: str) -> bool:
    """The same of an override as it is typed."""
    return is_value(parse_overrides([text])[0])
