"""What a sweep varies: values that are combined, values that are paired, and parts that follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from kanrun.errors import ConfigError, as_typed, wrong

# A setting with the texts of the jobs that it makes: one where it is given a single value.
Axis = tuple[str, list[str]]
KEYS = ("zip", "parts", "resume")


@dataclass(frozen=True)
class Plan:
    """What is asked of a sweep beside its values.

    `zip` holds groups of settings whose values are paired, `parts` the further settings of each part by its name, and
    `resume` the folder of a sweep to go on with.
    """

    zip: tuple[tuple[str, ...], ...] = ()
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    resume: str | None = None


def plan_of(given: Any) -> Plan:
    """The typed form of the section `sweep` of a config. Raises ConfigError for what is not allowed there."""
    given = given or {}
    if not isinstance(given, Mapping):
        raise ConfigError(wrong("sweep", given, f"one of the files in configs/sweep, or settings {', '.join(KEYS)}"))
    for key in given:
        if key not in KEYS:
            raise ConfigError(wrong(f"sweep.{key}", given[key], f"unknown. Known: {', '.join(KEYS)}"))
    resume = given.get("resume")
    if resume is not None and not isinstance(resume, str):
        raise ConfigError(wrong("sweep.resume", resume, "the folder of a sweep is needed"))
    return Plan(groups_of(given.get("zip")), parts_of(given.get("parts")), resume)


def groups_of(given: Any) -> tuple[tuple[str, ...], ...]:
    """Groups of settings: 'a,b', or a list of such texts or of lists of settings."""
    if given is None:
        return ()
    listed = given if isinstance(given, list) else [given]
    if listed and all(isinstance(one, str) and "," not in one for one in listed) and len(listed) > 1:
        listed = [listed]
    found = []
    for one in listed:
        keys = [key.strip() for key in (one.split(",") if isinstance(one, str) else map(str, one))]
        if len(keys) < 2 or len(set(keys)) < len(keys) or not all(keys):
            raise ConfigError(wrong("sweep.zip", given, "two or more settings whose values are paired: 'a,b'"))
        found.append(tuple(keys))
    together = [key for keys in found for key in keys]
    if len(set(together)) < len(together):
        raise ConfigError(wrong("sweep.zip", given, "a setting can be paired once"))
    return tuple(found)


def parts_of(given: Any) -> dict[str, dict[str, str]]:
    """Parts by name, each with settings as they are typed."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(part, Mapping) for part in given.values()):
        raise ConfigError(wrong("sweep.parts", given, "a mapping of names to mappings of settings is needed"))
    return {str(name): {str(key): as_typed(value) for key, value in part.items()} for name, part in given.items()}


def combined(axes: Sequence[Axis], zipped: Sequence[Sequence[str]] = ()) -> list[list[str]]:
    """The overrides of every job: all combinations of the axes, where the paired ones count as one.

    Raises ConfigError where a paired setting has no values of its own or not as many as the other.
    """
    values = dict(axes)
    group_of = {key: group for group in zipped for key in group}
    for group in zipped:
        check_pairs(group, values)
    lists, done = [], set[str]()
    for key in values:
        if key in done:
            continue
        together = group_of.get(key, (key,))
        done |= set(together)
        lists.append([list(pair) for pair in zip(*(values[k] for k in together), strict=True)])
    return [[text for part in job for text in part] for job in product(*lists)]


def check_pairs(group: Sequence[str], values: Mapping[str, Sequence[str]]) -> None:
    """Raises ConfigError where the settings of a group cannot be paired."""
    given = ",".join(group)
    for key in group:
        if len(values.get(key, ())) < 2:
            raise ConfigError(wrong("sweep.zip", given, f"{key} has no values to pair: {key}=A,B"))
    numbers = {key: len(values[key]) for key in group}
    if len(set(numbers.values())) > 1:
        told = ", ".join(f"{key} has {number}" for key, number in numbers.items())
        raise ConfigError(wrong("sweep.zip", given, f"values are paired one to one, but {told}"))


def each_once(jobs: Sequence[list[str]]) -> list[list[str]]:
    """Without jobs that a part before has already."""
    first: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        first.setdefault(tuple(sorted(job)), job)
    return list(first.values())
