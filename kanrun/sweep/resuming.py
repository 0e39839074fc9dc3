"""Going on with a sweep: which of its jobs are done, known by their configs and not by their numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from kanrun.config.schema import AUTO, TrackerConfig
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError, KanrunError, wrong
from kanrun.report.files import flat, read_yaml
from kanrun.report.lock import in_use
from kanrun.report.status import state_of
from kanrun.sweep.tasks import Task

MARKS = ("status.json", "config.yaml")  # of a run folder


def left_to_do(tasks: Sequence[Task], folder: Path) -> tuple[list[Task], list[Task]]:
    """The jobs that are missing, failed or half done in the folder of a sweep, and those that are completed there.

    Each has the folder and number that it has there, or new ones. Raises ConfigError for a folder that is that of
    another sweep, or in use.
    """
    key, there = "sweep.resume", runs_in(folder)
    if not there and not (folder / "sweep.json").exists():
        raise ConfigError(wrong(key, folder, "not the folder of a sweep: there is no run in it"))
    configs = {path: settings for path in there if (settings := settings_in(path))}
    by_print: dict[str, list[Path]] = {}
    for run, settings in configs.items():
        by_print.setdefault(fingerprint(settings), []).append(run)
    wanted = [settings_of_run(task.content) for task in tasks]
    same = [by_print.get(fingerprint(settings), []) for settings in wanted]
    found = [paths.pop(0) if paths else None for paths in same]  # two jobs of one config have a folder each
    if configs and not any(found):
        raise ConfigError(wrong(key, folder, of_another_sweep(configs, wanted)))
    busy = next((path for path in found if path and in_use(path)), None)
    if busy:
        raise ConfigError(wrong(key, folder, f"the run in {busy} is still going on"))
    taken = {path.name for path in configs}
    todo, done, free = list[Task](), list[Task](), 0
    for task, path in zip(tasks, found, strict=True):
        if path is None:
            if task.folder.name in taken:
                while str(free) in taken or (folder / str(free)).exists():
                    free += 1
                task = replace(task, number=free, folder=folder / str(free))
            taken.add(task.folder.name)
            todo.append(replace(task, again=True))
            continue
        number = int(path.name) if path.name.isdigit() else task.number
        task = replace(task, number=number, folder=path, again=True)
        (done if state_of(path) == "completed" else todo).append(task)
    return todo, done


def runs_in(folder: Path) -> list[Path]:
    """The run folders directly in `folder`, by number and then by name."""
    try:
        inside = [path for path in folder.iterdir() if any((path / name).exists() for name in MARKS)]
    except OSError:
        return []

    def place(path: Path) -> tuple[bool, int, str]:
        numbered = path.name.isdigit()
        return (not numbered, int(path.name) if numbered else 0, path.name)

    return sorted(inside, key=place)


def settings_of_run(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a run that its numbers depend on, defaults included."""
    return asdict(replace(read_config(content), overwrite=False, console=AUTO, tracker=TrackerConfig()))


def holds(task: Task) -> bool:
    """Whether the folder of a job holds a run of its config."""
    return settings_in(task.folder) == settings_of_run(task.content)


def settings_in(run: Path) -> dict[str, Any] | None:
    """The same of a run folder; None where it cannot be read."""
    try:
        return settings_of_run(content) if (content := config_of(run)) else None
    except KanrunError:
        return None


def config_of(run: Path) -> dict[str, Any]:
    """What config.yaml says; empty where it cannot be read."""
    with suppress(OSError, ValueError, yaml.YAMLError):
        content = read_yaml(run / "config.yaml")
        return content if isinstance(content, dict) else {}
    return {}


def fingerprint(settings: Mapping[str, Any]) -> str:
    """The same for the same settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def of_another_sweep(configs: Mapping[Path, dict[str, Any]], wanted: Sequence[dict[str, Any]]) -> str:
    """In which settings the sweep that is there differs from the one that is wanted."""
    there = next(iter(configs.values()))
    least = min((differing(there, settings) for settings in wanted), key=len)
    return f"none of its {len(configs)} runs is one of this sweep; they differ in {', '.join(least[:6])}"


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys of settings that are not the same."""
    left, right = dict(flat(one)), dict(flat(other))
    return [key for key in dict.fromkeys([*left, *right]) if left.get(key, ...) != right.get(key, ...)]
