"""Configs as the command composes them, each once: Hydra takes a tenth of a second for one."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from kanrun.cli.compose import compose_job, settings_of
from kanrun.config.packaged import config_folder


@cache
def kept(overrides: tuple[str, ...]) -> dict[str, Any]:
    return settings_of(compose_job(overrides, config_folder()))


def composed(*overrides: str) -> dict[str, Any]:
    """The settings that these overrides lead to, one's own to change."""
    return deepcopy(kept(overrides))
