"""Where Hydra finds what it composes: every default of the schema as an option, and the files that differ from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf, RunDir, SweepDir
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from kanrun.config.schema import GROUPS, Config

# With microseconds, so that two launches in the same second have two folders.
LAUNCH = "${now:%Y-%m-%d}/${now:%H-%M-%S-%f}"


@cache
def register_defaults() -> None:
    """Gives Hydra the defaults of the schema, and those that a run has for Hydra itself.

    A class of GROUPS becomes the option that its `name` says, as a plain mapping: types and limits are checked when the
    whole config is read. `schema` chooses the option of each group and holds the settings that are in no group.
    """
    store = ConfigStore.instance()
    for group, options in GROUPS.items():
        for kind in options.values():
            content = asdict(kind())
            store.store(content["name"], content, group=group, provider="kanrun")
    run = asdict(Config())
    chosen = [{group: run.pop(group)["name"]} for group in GROUPS]
    store.store("schema", {"defaults": [*chosen, "_self_"], **run}, provider="kanrun")
    # In the place of Hydra's own, so that these hold for a config from elsewhere too, such as that of a run folder.
    own = HydraConf(
        run=RunDir(f"outputs/{LAUNCH}"),
        sweep=SweepDir(f"outputs/sweeps/{LAUNCH}", "${hydra.job.num}"),
        output_subdir=None,
    )
    own.defaults = [{"job_logging": "none"} if "job_logging" in entry else entry for entry in own.defaults]
    store.store("config", own, group="hydra", provider="kanrun")


def compose_job(overrides: Sequence[str], folder: Path, name: str = "config", more: Path | None = None) -> DictConfig:
    """The config of one job, with Hydra's own part below `hydra`; the main file is `name` in `folder`.

    `more` is a folder with further options.
    """
    register_defaults()
    searched = [f"hydra.searchpath=['file://{more}']"] if more else []
    with initialize_config_dir(str(folder), version_base="1.3"):
        return compose(name, overrides=[*searched, *overrides], return_hydra_config=True)


def settings_of(composed: DictConfig) -> dict[str, Any]:
    """What the run itself is given of a composed config: plain values, without Hydra's own part."""
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    content: dict[str, Any] = OmegaConf.to_container(own, resolve=True)  # type: ignore[assignment]
    return content
