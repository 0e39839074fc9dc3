"""What metrics.json says of the rows of any dataset: how many of each part, their columns, and where they come from."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset


def about_rows(data: Dataset) -> dict[str, Any]:
    """What the dataset says of itself, and what follows from its rows where it does not."""
    told: dict[str, Any] = {"rows": len(data.train.x), "columns": inputs_of(data), **data.about}
    if not any(column["role"] == "target" for column in told["columns"]):
        told["columns"] = [*told["columns"], *targets_of(data)]
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    told["parts"] = {name: len(rows.x) for name, rows in parts.items() if rows is not None}
    if source := source_of(data):
        told["source"] = source
    return told


def inputs_of(data: Dataset) -> list[dict[str, Any]]:
    """The columns of the inputs with the range of the training rows."""
    return [
        {"name": data.names.get(s, s), "symbol": s, "role": "input", "unit": data.units.get(s)}
        | ranged(data.train.x[:, i])
        for i, s in enumerate(data.inputs)
    ]


def targets_of(data: Dataset) -> list[dict[str, Any]]:
    """Those of the targets: classes together are one column."""
    if data.loss.logits:
        classes = [name.removeprefix("logit_") for name in data.outputs]
        return [{"name": "class", "symbol": None, "role": "target", "unit": None, "classes": classes}]
    return [
        {"name": name, "symbol": name, "role": "target", "unit": data.units.get(name)} | ranged(data.train.y[:, j])
        for j, name in enumerate(data.outputs)
    ]


def ranged(values: Tensor) -> dict[str, float]:
    """The range of values [rows]."""
    return {"low": float(values.min()), "high": float(values.max())}


def source_of(data: Dataset) -> list[str]:
    """The equations that rows are made by, where they are."""
    if data.task == CLASSIFICATION:
        return list(data.relations)
    return [f"{name} = {text}" for name, text in zip(data.outputs, data.truth, strict=False)]
