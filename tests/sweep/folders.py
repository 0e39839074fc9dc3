"""Run folders as jobs leave them, made by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kanrun.config.validation import read_config
from kanrun.report.folder import write_config


def finished(folder: Path, content: dict[str, Any], rmse: float, expression: str = "x_1", **more: Any) -> Path:
    """A run that is completed, with a formula."""
    write_run(folder, content, "completed")
    scores = {"mse": rmse**2, "rmse": rmse, "r2": 1 - rmse}
    stage = {"name": "symbolic", "train": scores, "test": scores, "validation": scores}
    metrics = {"stages": [stage], "final": scores, "total_seconds": 1.5, **more}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    entry = {
        "output": "y", "expression": expression, "rounded": expression, "complexity": 3, "exact": None,
        "symbols": {"x_1": "x_1", "x_2": "x_2"},
    }  # fmt: skip
    (folder / "formula.json").write_text(json.dumps([entry]))
    return folder


def write_run(folder: Path, content: dict[str, Any], state: str, error: str | None = None) -> Path:
    """A run of which nothing is there but its config and its status."""
    folder.mkdir(parents=True)
    write_config(folder, read_config(content))
    (folder / "status.json").write_text(json.dumps({"state": state, "stage": "train", "error": error}))
    return folder


def whole(content: dict[str, Any]) -> dict[str, Any]:
    """The settings with every default."""
    return asdict(read_config(content))
