"""Holds a run folder against the written contract (design.md, section 2). Needs nothing but the standard library."""

from __future__ import annotations

import ast
import csv
import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PICTURES = ("network_trained", "network_pruned", "network_symbolic", "history", "predictions")
HISTORY = [
    "stage", "step", "train_loss", "test_loss", "regularization", "seconds", "validation_loss", "grid", "attempt",
]  # fmt: skip
METRICS = {
    "schema_version", "task", "dataset", "width", "parameters", "seed", "stages", "final", "total_seconds",
    "peak_memory_mib",
}  # fmt: skip
STAGE = {
    "name", "seconds", "cpu_seconds", "parameters", "width", "active_edges", "active_inputs", "train", "test",
}  # fmt: skip
FORMULA = {"output", "expression", "rounded", "latex", "complexity", "test", "exact", "front", "constants", "reason"}


def violations(
    folder: Path, *, stages: tuple[str, ...] = ("train", "prune", "refit", "symbolic"), pictures: bool = True
) -> list[str]:
    """Everything in which a completed run's folder breaks the contract, in words; empty for a good one."""
    wrong: list[str] = []
    files = ["config.yaml", "status.json", "metrics.json", "history.csv", "model.pt", "kanrun.log"]
    if "symbolic" in stages:
        files += ["formula.json", "formula.txt", "formula.tex", "formula.py"]
    missing = [f for f in files if not (folder / f).is_file() or not (folder / f).stat().st_size]
    if missing:
        return [f"{f} is missing or empty" for f in missing]
    wrong += status_violations(read_json(folder / "status.json"))
    metrics = read_json(folder / "metrics.json")
    wrong += metrics_violations(metrics, stages)
    wrong += history_violations(folder / "history.csv", stages)
    if "symbolic" in stages:
        wrong += formula_violations(folder)
    if pictures:
        wrong += picture_violations(folder / "plots")
    return wrong


def read_json(path: Path) -> Any:
    """The content; raises ValueError for NaN and Infinity, which JSON does not know."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{path.name} holds {constant}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def status_violations(status: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the status of a completed run."""
    if status.get("state") != "completed":
        yield f"state is {status.get('state')}"
    if status.get("error") is not None:
        yield f"a completed run has the error {status.get('error')}"
    if not status.get("stage"):
        yield "the status names no stage"
    try:
        if datetime.fromisoformat(status["started"]) > datetime.fromisoformat(status["ended"]):
            yield "the run ended before it started"
    except (KeyError, TypeError, ValueError):
        yield "a time of the status is missing"


def metrics_violations(metrics: dict[str, Any], stages: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with metrics.json."""
    lacking = METRICS - metrics.keys()
    if lacking:
        yield f"the metrics lack {sorted(lacking)}"
        return
    if metrics["task"] not in ("regression", "classification"):
        yield f"the task is {metrics['task']}"
    names = tuple(s.get("name") for s in metrics["stages"])
    if names != stages:
        yield f"the stages are {names}"
    for stage in metrics["stages"]:
        lacking = STAGE - stage.keys()
        if lacking:
            yield f"the stage {stage.get('name')} lacks {sorted(lacking)}"
            continue
        judged = ("train",) if stage["test"] is None else ("train", "test")  # few rows: none are set aside
        for part in judged:
            for problem in score_violations(stage[part], metrics["task"]):
                yield f"{stage['name']}, {part}: {problem}"
        if not all(isinstance(name, str) for name in stage["active_inputs"]):
            yield f"the inputs of {stage['name']} are not names"
    if metrics["stages"] and metrics["final"] != final_of(metrics):
        yield f"final is not what final_of says: {metrics.get('final_of')}"
    if sum(stage.get("seconds", 0) for stage in metrics["stages"]) > metrics["total_seconds"]:
        yield "the stages take longer than the whole"
    if not metrics["peak_memory_mib"] > 0:
        yield "no memory was used"


def final_of(metrics: dict[str, Any]) -> Any:
    """What the final scores have to be."""
    if metrics["final_of"] == "cross_validation":
        return metrics["cross_validation"]
    return metrics["stages"][-1].get(metrics["final_of"])


def score_violations(scores: dict[str, Any], task: str) -> Iterator[str]:
    """What is wrong with one set of scores."""
    if task == "regression":
        if not {"mse", "rmse", "r2"} <= scores.keys():
            yield f"only {sorted(scores)}"
        elif None not in (scores["mse"], scores["rmse"]) and not math.isclose(
            scores["rmse"] ** 2, scores["mse"], rel_tol=1e-9
        ):
            yield "rmse is not the root of mse"
    else:
        if len({"mse", "cross_entropy"} & scores.keys()) != 1 or not 0 <= scores.get("accuracy", -1) <= 1:
            yield f"only {scores}"
        if "rmse" in scores:
            yield "a classification has a square root"


def history_violations(path: Path, stages: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with history.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if table.fieldnames != HISTORY:
            yield f"the history has the columns {table.fieldnames}"
            return
        rows = list(table)
    if not rows:
        yield "the history is empty"
    for name in dict.fromkeys(row["stage"] for row in rows):
        own = [row for row in rows if row["stage"] == name]
        if name not in stages:
            yield f"the history has a stage {name}"
        for training in trainings(own):
            if [int(row["step"]) for row in training] != list(range(len(training))):
                yield f"the steps of {name} are not 0, 1, 2, ..."
            seconds = [float(row["seconds"]) for row in training]
            if seconds != sorted(seconds) or seconds[0] < 0:
                yield f"the seconds of {name} run backwards"
            if len({(row["grid"], row["attempt"], row["validation_loss"] == "") for row in training}) > 1:
                yield f"the grid, the attempt or the rows held back change within a training of {name}"
    for row in rows:
        numbers = [row[c] for c in HISTORY[2:] if c not in ("test_loss", "validation_loss") or row[c]]
        if not all(math.isfinite(float(number)) for number in numbers):
            yield f"step {row['step']} of {row['stage']} is not finite"
        if int(row["grid"]) < 0 or int(row["attempt"]) < 0:
            yield f"step {row['step']} of {row['stage']} has a grid or an attempt below 0"


def trainings(rows: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """The rows of one stage cut into trainings, of which each begins with step 0."""
    starts = [i for i, row in enumerate(rows) if i == 0 or int(row["step"]) == 0]
    return [rows[begin:end] for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True)]


def entry_violations(formula: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a formula of formula.json."""
    if formula["exact"] not in (True, False, None):
        yield f"exact is {formula['exact']}"
    if not isinstance(formula["complexity"], int) or formula["complexity"] < 1:
        yield f"complexity is {formula['complexity']}"
    if not formula["front"]:
        yield f"the front of {formula['output']} is empty"
    for point in formula["front"]:
        if not {"complexity", "error", "expression", "chosen"} <= point.keys():
            yield f"a point of the front has only {sorted(point)}"
    if [p["expression"] for p in formula["front"] if p.get("chosen")] != [formula["expression"]]:
        yield f"the chosen point of {formula['output']} is not its formula"
    for constant in formula["constants"]:
        if not {"value", "standard_error"} <= constant.keys() or (constant["standard_error"] or 0) < 0:
            yield f"a constant of {formula['output']} is {constant}"


def formula_violations(folder: Path) -> Iterator[str]:
    """What is wrong with the formula files."""
    formulas = read_json(folder / "formula.json")
    for formula in formulas:
        lacking = FORMULA - formula.keys()
        if lacking:
            yield f"a formula lacks {sorted(lacking)}"
        else:
            yield from entry_violations(formula)
    text = (folder / "formula.txt").read_text(encoding="utf-8").splitlines()
    for formula in formulas:
        if sum(line.startswith(f"{formula['output']} = ") for line in text) != 1:
            yield f"formula.txt has no line for {formula['output']}"
    code = ast.parse((folder / "formula.py").read_text(encoding="utf-8"))
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) or (
            isinstance(node, ast.Import) and [a.name for a in node.names] != ["numpy"]
        ):
            yield "formula.py needs more than NumPy"


def picture_violations(folder: Path) -> Iterator[str]:
    """What is wrong with the pictures."""
    # A front is drawn only where there is something to weigh.
    for name in [*PICTURES, *["front"] * (folder / "front.svg").exists()]:
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"
        if not png.is_file() or not png.read_bytes().startswith(b"\x89PNG\r\n"):
            yield f"{png.name} is no picture"
        if not svg.is_file() or not ElementTree.parse(svg).getroot().tag.endswith("svg"):
            yield f"{svg.name} is no picture"
