"""report.html: a run to read from top to bottom, made of the files of its folder alone, whatever became of the run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanrun.errors import KanrunError
from kanrun.report.advice.values import FIRST
from kanrun.report.files import read_json, text_of
from kanrun.report.load import Record, formula_of, record_of
from kanrun.report.pages.formulas import decided, source_in, told
from kanrun.report.pages.pictures import InPage, pictures
from kanrun.report.pages.rendering import render
from kanrun.report.scores import name_of, scores_shown
from kanrun.report.show import asked

ANSWERS = {
    "front": "Complexity against error of all formulas of the front. Each point shows its formula.",
    "predictions": "What was predicted, beside the truth.",
    "residuals": "What is left of the targets, against what was predicted.",
    "confusion": "How often each class was taken for another one.",
    "roc": "True against false positives of each class.",
}
NETWORKS = {
    "network_trained": "After training.",
    "network_pruned": "After pruning.",
    "network_symbolic": "As a formula.",
    "edges": "The curve of each edge beside its function.",
    "importance": "How much each input contributes.",
}
TRAINING = {"history": "How training went."}
FILES = {
    "formula.txt": "the formulas as text", "formula.json": "the formulas with all that is known of them",
    "formula.py": "the formulas as a module of Python", "formula.tex": "the formulas as LaTeX",
    "metrics.json": "scores, sizes and times", "history.csv": "one row a step of training",
    "model.pt": "the network", "config.yaml": "every setting", "kanrun.log": "what happened",
}  # fmt: skip
LAST_LINES, MOST_COLUMNS = 40, 12
NOT_FINISHED = {"running": "not finished"}  # other states are told as status.json has them


def page_of(folder: Path) -> str:
    """The page of a run, finished or not. Raises KanrunError where there is none in `folder`."""
    record = readable(folder)
    metrics, status = record.metrics, record.status
    formulas = [formula_of(entry) for entry in record.formulas]
    source = source_in(record.formulas, metrics.get("inputs") or []) if formulas else None
    shown = {one.name: one for one in pictures(folder, {**ANSWERS, **NETWORKS, **TRAINING})}
    return render(
        "run.html", record=record, metrics=metrics, state=NOT_FINISHED.get(record.state, record.state),
        when=str(status.get("ended") or status.get("started") or "")[:16].replace("T", " "),
        resumed=status.get("resumed"), title=title_of(record), command=command_of(record),
        folder=shlex.quote(str(folder)),
        told=told(formulas, source), decided=decided(formulas, source), relations=relations_of(record), first=FIRST,
        shown=shown, answers=of(shown, ANSWERS), networks=of(shown, NETWORKS), training=of(shown, TRAINING),
        part=part_of(metrics), scores=scores_of(metrics), most_columns=MOST_COLUMNS,
        files={name: about for name, about in FILES.items() if (folder / name).exists()}, log=log_of(folder, record),
    )  # fmt: skip


def title_of(record: Record) -> str:
    """What the page is about: the outputs and the data."""
    outputs, data = record.metrics.get("outputs") or [], record.metrics.get("data") or {}
    name = data.get("file") or f"dataset {record.metrics.get('dataset') or 'unknown'}"
    if record.metrics.get("task") != "regression" or not 1 <= len(outputs) <= 3:
        return str(name)
    return f"{', '.join(map(str, outputs))} from {name}"


def command_of(record: Record) -> str:
    """The command that asks for the same."""
    given = [] if record.config is None else list(asked(record.config))
    return " ".join(["kanrun", *map(shlex.quote, given)])


def relations_of(record: Record) -> list[list[str]]:
    """The lines of each relation."""
    found = record.formulas[0].get("relation") if record.formulas else None
    return [
        [f"{one.get('rounded')}" + (" (exact)" if one.get("exact") else ""),
         *(f"{name} = {text}" for name, text in mapping(one.get("solutions")).items())]
        for one in found or [] if isinstance(one, dict)
    ]  # fmt: skip


def part_of(metrics: Mapping[str, Any]) -> str:
    """The rows that scores of stages are of: test rows, or those of training where there are no others."""
    return "test" if any(mapping(one).get("test") for one in metrics.get("stages") or []) else "train"


def scores_of(metrics: Mapping[str, Any]) -> dict[str, str]:
    """The scores that are shown, by their keys in metrics.json, with their names."""
    last = mapping(([{}, *(metrics.get("stages") or [])])[-1])
    return {key: name_of(key) for key in scores_shown(mapping(last.get(part_of(metrics))))}


def of(shown: Mapping[str, InPage], wanted: Mapping[str, str]) -> list[InPage]:
    """The pictures of one part of the page."""
    return [shown[name] for name in wanted if name in shown]


def mapping(given: Any) -> dict[str, Any]:
    """What a file has where a mapping is expected."""
    return given if isinstance(given, dict) else {}


def log_of(folder: Path, record: Record) -> str:
    """The last lines of the log of a run that did not reach its end."""
    path = folder / "kanrun.log"
    if record.state == "completed" or not path.is_file():
        return ""
    return "\n".join(text_of(path).splitlines()[-LAST_LINES:])


def readable(folder: Path) -> Record:
    """The record of a run; what is damaged is left out where the run is not completed."""
    try:
        return record_of(folder)
    except KanrunError:
        if not (folder / "status.json").is_file():
            raise
        status = mapping(read_json(folder / "status.json"))
        return Record(folder, str(status.get("state")), status.get("error"), None, {}, [], status)
