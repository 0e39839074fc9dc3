"""What an experiment sets, and what of it no longer applies where another option was typed than the experiment's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from kanrun.cli.explain import config_folder
from kanrun.config.schema import GROUPS

GONE = object()  # in the place of a value: the typed option has no such key


def chosen_by(experiment: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The options that a packaged experiment chooses, by group, and its settings, by group.key."""
    file = config_folder() / "experiment" / f"{experiment}.yaml"
    content = read(file) if file.is_file() else {}
    options: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for entry in content.get("defaults", []):
        if isinstance(entry, str):  # another experiment, of which this one is a variation
            inherited = chosen_by(entry)
            options |= inherited[0]
            settings |= inherited[1]
        else:
            options |= {key.removeprefix("override /"): option for key, option in entry.items()}
    for group in GROUPS.keys() & content.keys():
        settings |= {f"{group}.{key}": value for key, value in content[group].items()}
    return options, settings


def leftovers(choices: Mapping[str, Any], typed: Iterable[str]) -> dict[str, Any]:
    """The settings that an experiment has for its own option of a group, where another option was chosen.

    `choices` are the chosen options by group, `typed` the overrides of the command line, which stay. By key, each with
    the value that the chosen option itself has, or GONE. `experiment=hello regularization=none` has lamb 0 so, and
    `experiment=smoke dataset=moons` no formula.
    """
    options, settings = chosen_by(str(choices.get("experiment")))
    stay = {override.lstrip("+~").partition("=")[0] for override in typed}
    found: dict[str, Any] = {}
    for group, option in options.items():
        choice = choices.get(group)
        file = config_folder() / group / f"{choice}.yaml"
        if choice == option or not file.is_file():
            continue
        own = read(file)
        for key in (k for k in settings if k.startswith(f"{group}.") and k not in stay):
            found[key] = own.get(key.partition(".")[2], GONE)
    return found


def without_leftovers(composed: Mapping[str, Any], left: Mapping[str, Any]) -> dict[str, Any]:
    """The composed config with these settings as the chosen options have them."""
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in composed.items()}
    for dotted, value in left.items():
        group, _, key = dotted.partition(".")
        if value is GONE:
            result[group].pop(key, None)
        else:
            result[group][key] = value
    return result


def note_of(choices: Mapping[str, Any], left: Mapping[str, Any]) -> str:
    """A sentence about the settings that are left out."""
    experiment = choices["experiment"]
    options = chosen_by(experiment)[0]
    groups = dict.fromkeys(key.partition(".")[0] for key in left)
    chosen, meant = (", ".join(f"{group}={of[group]}" for group in groups) for of in (choices, options))
    return f"with {chosen}, what experiment={experiment} sets for {meant} is left out: {', '.join(left)}"


def read(file: Path) -> dict[str, Any]:
    """The content of a YAML file."""
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content
