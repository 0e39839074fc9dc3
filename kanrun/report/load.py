"""Reading a run folder back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from kanrun.config.datasets import TableConfig
from kanrun.config.schema import Config
from kanrun.data.losses import loss_of
from kanrun.data.table.raw import Told
from kanrun.errors import KanrunError, shorten, wrong
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.predictions.frames import rows_from
from kanrun.predictions.inputs import Array, Input, Taken, heads_of, inputs_of
from kanrun.predictions.predict import Predictions, of_formulas, of_network
from kanrun.report.files import load_model, read, read_json
from kanrun.report.folder import config_in
from kanrun.report.sound import odd_field, odd_in, odd_scores
from kanrun.symbolic.boundary import Boundary
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative, Other
from kanrun.symbolic.uncertainty import Constant


@dataclass(frozen=True)
class LoadedRun:
    """A run folder's config, metrics, formulas and last network."""

    config: Config
    metrics: dict[str, Any]
    formulas: list[dict[str, Any]]
    model: KAN | MLP
    inputs: list[str]

    @property
    def columns(self) -> list[Input]:
        """The inputs with their names and the range of the training rows."""
        symbols = {key: name for entry in self.formulas for key, name in (entry.get("symbols") or {}).items()}
        return inputs_of(self.inputs, symbols, self.described)

    @property
    def described(self) -> list[dict[str, Any]]:
        """What metrics.json says of the columns of the table."""
        about = self.metrics.get("data") or {}
        return [one for one in about.get("columns", []) if isinstance(one, dict)]

    @property
    def told(self) -> Told:
        """How the file of the table is written, as far as the config says so."""
        section = self.config.dataset
        if not isinstance(section, TableConfig):
            return Told()
        return Told(section.separator, section.decimal, section.encoding)

    @property
    def classes(self) -> bool:
        """Whether the outputs are logits of classes."""
        stages = self.metrics.get("stages") or [{}]
        return loss_of(stages[-1].get("train") or {}).logits

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        names = self.metrics.get("outputs") or [entry["output"] for entry in self.formulas]
        count = self.model.n_out
        return list(names) if len(names) == count else [f"y_{j + 1}" for j in range(count)]

    def predict(self, x: Any, formula: int | Sequence[int] | None = None, network: bool = False) -> Any:
        """Values [rows, outputs] of the formulas, or of the network, at rows `x`: a tensor for a tensor, else an array.

        `x` are rows [rows, inputs], or columns by the names of the inputs in any order: a mapping, or a frame of pandas
        or Polars. `formula` chooses others of the front, as `kanrun show` numbers them. Classes have logits. Units that
        are converted and texts that training did not know are warned of. Raises KanrunError for rows and numbers that
        do not fit.
        """
        found = self.predictions(x, formula, network)
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return torch.as_tensor(found.values) if isinstance(x, Tensor) else found.values

    def predictions(self, x: Any, formula: int | Sequence[int] | None = None, network: bool = False) -> Predictions:
        """The same with standard errors, flags and notes."""
        inputs = self.columns
        rows = x if isinstance(x, Taken) else rows_from(x, inputs)
        found = self.at(rows.x, inputs, formula, network)
        heads = heads_of(found.outputs, self.described)
        return replace(found, beyond=found.beyond | rows.unknown, heads=heads, notes=rows.notes)

    def at(
        self, x: Array, inputs: Sequence[Input], formula: int | Sequence[int] | None, network: bool
    ) -> Predictions:  # fmt: skip
        """What the formulas or the network give at numbers [rows, inputs]."""
        if network and formula is not None:
            raise KanrunError("formula: the network is asked for, which has no number")
        if network:
            return of_network(self.model, self.outputs, x, inputs, self.classes)
        if not self.formulas:
            raise KanrunError("the run has no formula; its network can be asked: --network, or network=True in Python")
        return of_formulas(numbered(self.formulas, formula), x, inputs, self.classes)


@dataclass(frozen=True)
class Record:
    """What a run folder says of its run, finished or not, without the network; what is not there is None or empty.

    `status` is the content of status.json.
    """

    folder: Path
    state: str
    error: str | None
    config: Config | None
    metrics: dict[str, Any]
    formulas: list[dict[str, Any]]
    status: dict[str, Any] = field(default_factory=dict)


def record_of(folder: str | Path) -> Record:
    """The record of a run. Raises KanrunError where there is none, or a file of it cannot be read."""
    folder = Path(folder)
    if not (folder / "status.json").is_file():
        raise KanrunError(f"{folder}: not a run folder, there is no status.json in it")
    status = read(folder, "status.json", read_json)
    status = status if isinstance(status, dict) else {}

    def there(name: str, reader: Callable[[Path], Any], otherwise: Any) -> Any:
        return read(folder, name, reader) if (folder / name).exists() else otherwise

    return Record(
        folder, str(status.get("state")), status.get("error"), there("config.yaml", config_in, None),
        there("metrics.json", read_metrics, {}), there("formula.json", read_formulas, []), status,
    )  # fmt: skip


def load_run(folder: str | Path) -> LoadedRun:
    """Everything that a completed run left in `folder`; nothing in it is executed.

    Raises KanrunError where the folder is not one of a completed run, or a file of it cannot be read.
    """
    folder = Path(folder)
    status = read(folder, "status.json", read_json)
    state = status.get("state") if isinstance(status, dict) else None
    if state != "completed":
        raise KanrunError(f"{folder}: not the folder of a completed run, its status.json says {state}")
    config = read(folder, "config.yaml", config_in)
    metrics = read(folder, "metrics.json", read_metrics)
    formulas = read(folder, "formula.json", read_formulas) if (folder / "formula.json").exists() else []
    model = read(folder, "model.pt", load_model)
    names = metrics.get("inputs") or [f"x_{i + 1}" for i in range(model.n_in)]
    return LoadedRun(config, metrics, formulas, model, names)


def formula_of(entry: Mapping[str, Any]) -> Formula:
    """An entry of formula.json as a formula again. What it lacks, as one of an older version may, is unknown.

    Raises KanrunError where something in it is not what it should be.
    """
    content = {**UNKNOWN, "exact": None, "rounded": entry["expression"], **entry}
    content["front"] = several(Alternative, content.get("front"))
    content["alternatives"] = several(Other, content.get("alternatives"))
    content["constants"] = several(Constant, content.get("constants"))
    if decision := content.get("decision"):
        whole = {**UNKNOWN, **decision} if isinstance(decision, Mapping) else {}
        boundary = boundary_in(whole.get("boundary"))
        constants = several(Constant, whole.get("constants"))
        content["decision"] = taken(Decision, {**whole, "constants": constants, "boundary": boundary})
    for part in ("test", "train", "cross_validation"):
        if odd := next(odd_scores(content.get(part), part), None):
            raise KanrunError(f"formula.json: cannot be read ({odd})")
    return taken(Formula, content)


def boundary_in(content: Any) -> Boundary | None:
    """The boundary of two classes that a file may have."""
    if not isinstance(content, Mapping):
        return None
    [factor] = several(Constant, content.get("factor")) or [Constant(1.0, None)]
    return taken(Boundary, {**content, "constants": several(Constant, content.get("constants")), "factor": factor})


UNKNOWN: dict[str, Any] = {"latex": "", "complexity": 0, "test": {}}
T = TypeVar("T")


def several(kind: type[T], content: Any) -> list[T]:
    """Values from what a file says of them; none from nothing."""
    given = content or []
    return [taken(kind, one) for one in (given if isinstance(given, list) else [given])]


def taken(kind: type[T], content: Any) -> T:
    """A value from what a file says of it, without what it does not know.

    Raises KanrunError for too little, and for what is of another type.
    """
    try:
        found = kind(**{f.name: content[f.name] for f in fields(kind) if f.name in content})  # type: ignore[arg-type]
        odd = odd_field(found)
    except TypeError:
        odd = ""
    if odd is None:
        return found
    what = f"no {kind.__name__.lower()} can be made of {shorten(repr(content), 80)}"
    raise KanrunError(f"formula.json: cannot be read ({what}{f': {odd}' if odd else ''})")


def numbered(entries: list[dict[str, Any]], numbers: int | Sequence[int] | None) -> list[dict[str, Any]]:
    """The entries of formula.json with another point of the front as the formula of each output.

    Numbers count from 1, in the order of `front`; one number holds for all outputs, None for what was chosen. What is
    known of the chosen formula only (constants, exactness, the decision) is left out. Raises KanrunError for a number
    beyond the front.
    """
    if numbers is None:
        return entries
    if not entries:
        raise KanrunError("the run has no formula")
    given = list(numbers) if isinstance(numbers, Iterable) and not isinstance(numbers, str) else [numbers]
    if not all(isinstance(one, Integral) for one in given):
        raise KanrunError(wrong("formula", numbers, "the number of a formula is needed; kanrun show lists them"))
    given = given * len(entries) if len(given) == 1 else given
    if len(given) != len(entries):
        raise KanrunError(wrong("formula", given, f"one number for all outputs, or one for each of {len(entries)}"))
    picked = [point_of(entry, number) for entry, number in zip(entries, given, strict=True)]
    if picked != entries:
        picked = [{key: value for key, value in entry.items() if key != "decision"} for entry in picked]
    return picked


def point_of(entry: dict[str, Any], number: int) -> dict[str, Any]:
    """One entry with the point of that number on its front as its formula."""
    front = entry.get("front") or []
    if not 1 <= number <= len(front):
        has = f"has formulas 1 to {len(front)}; kanrun show lists them" if front else "has no front"
        raise KanrunError(wrong("formula", number, f"{entry['output']} {has}"))
    point = front[number - 1]
    if point.get("chosen"):
        return entry
    kept = ("output", "test", "train", "cross_validation", "front", "symbols", "units")
    known: dict[str, Any] = {key: entry[key] for key in kept if key in entry}
    return {**known, **{key: point.get(key) for key in ("expression", "rounded", "complexity")}, "exact": None}


def read_metrics(path: Path) -> dict[str, Any]:
    """The content of metrics.json. Raises ValueError where it is not that of a run."""
    content = read_json(path)
    names = content.get("inputs", []) if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("it has no metrics of a run")
    if odd := next(odd_in(content), None):
        raise ValueError(odd)
    return content


def read_formulas(path: Path) -> list[dict[str, Any]]:
    """The content of formula.json. Raises ValueError where it has no formulas."""
    content = read_json(path)
    entries = [e for e in content if isinstance(e, dict) and isinstance(e.get("expression"), str)]
    if not isinstance(content, list) or len(entries) < len(content):
        raise ValueError("it has no formulas")
    return entries
