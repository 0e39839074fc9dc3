"""What is kept of a sweep as a whole: how it was asked for, and which of its values each job has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kanrun.report.files import read_json, write_json
from kanrun.sweep.tasks import Task

NAME = "sweep.json"


def remember(folder: Path, arguments: Sequence[str], tasks: Sequence[Task], study: str | None = None) -> None:
    """Writes it, with the jobs that were there before; `study` is the name of a search in its storage."""
    jobs = {**values_in(folder), **{task.folder.name: dict(task.values) for task in tasks}}
    more = {} if study is None else {"study": study}
    write_json(folder / NAME, {"schema_version": 1, "arguments": list(arguments), **more, "jobs": jobs})


def values_in(folder: Path) -> dict[str, dict[str, Any]]:
    """What each job, by the name of its folder, has of the swept values; empty where nothing is kept."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        jobs = read_json(folder / NAME)["jobs"]
        return {str(name): dict(values) for name, values in jobs.items()}
    return {}


def study_in(folder: Path) -> str | None:
    """The name of the search whose jobs a folder has; None where it has none, or one from before names were kept."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return str(read_json(folder / NAME)["study"])
    return None


def arguments_in(folder: Path) -> list[str]:
    """What a sweep was asked for with, as Hydra needs it; empty where that is not kept."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return [str(argument) for argument in read_json(folder / NAME)["arguments"]]
    return []
