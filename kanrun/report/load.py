"""Reading a run folder back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from kanrun.config import Config
from kanrun.errors import KanrunError
from kanrun.model.network import KAN
from kanrun.report.files import load_model
from kanrun.symbolic.formula import evaluate_texts
from kanrun.validation import read_config


@dataclass(frozen=True)
class LoadedRun:
    """A run folder's config, metrics, formulas and last network."""

    config: Config
    metrics: dict[str, Any]
    formulas: list[dict[str, Any]]
    model: KAN
    inputs: list[str]

    def predict(self, x: Tensor) -> Tensor:
        """The formulas' values at rows `x` [rows, inputs]: [rows, outputs]."""
        return evaluate_texts([f["expression"] for f in self.formulas], x, self.inputs)


def load_run(folder: str | Path) -> LoadedRun:
    """Everything that a completed run left in `folder`; nothing in it is executed.

    Raises KanrunError where the folder is not one of a completed run.
    """
    folder = Path(folder)
    try:
        config = read_config(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        path = folder / "formula.json"
        formulas = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        model = load_model(folder / "model.pt")
    except FileNotFoundError as error:
        raise KanrunError(
            f"{folder}: not the folder of a completed run, {Path(str(error.filename)).name} is missing"
        ) from None
    return LoadedRun(config, metrics, formulas, model, [f"x_{i + 1}" for i in range(model.n_in)])
